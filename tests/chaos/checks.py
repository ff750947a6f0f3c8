"""What must hold after every attempt; each finding begins with the id of `docs/reliability.md`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from canaries import MARK, found_in
from faults import ENDED_BY
from plan import Round
from stage import ATTEMPT_LIMIT, Attempt, Stage
from world import Key, echoed_states, lost, reads_up_to

from airbyte_exec._state.files import StateFolder
from airbyte_exec._state.store import Saved
from airbyte_exec.exceptions import PyAirbyteStateError

SECRET_FREE = ("logs", "temp", "project", "known", "output.txt")
WITHOUT_LAST_STATE = {("source", "states_never"), ("source", "records_after_the_last_state")}
Found = Iterator[tuple[str, str]]


class Checks:
    """What a plan's attempts must leave behind.

    Parameters:
        stage: where they are run.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.plan = stage.plan
        self.struck: set[tuple[str, str]] = set()
        self._shown_since = -1
        self._was_cut = False

    def after_attempt(self, part: Round, done: Attempt) -> list[str]:
        """Return what does not hold after an attempt."""
        self.struck |= {(fault.who, fault.what) for fault in done.struck}
        if done.outcome == "success":
            self._shown_since = self.stage.round

        parts = (self._nothing_left(done), self._end(done), self._state(), self._replaced(done), self._secrets(done))
        found = [finding for part_of_all in parts for finding in part_of_all]
        if done.outcome == "success":
            found += self._all(part, done)

        return self._texts(found)

    def after_round(self, part: Round) -> list[str]:
        """Return what does not hold when the last attempt of a round has succeeded."""
        return self._texts(self._once(part))

    def after_nothing_new(self, done: Attempt) -> list[str]:
        """Return what does not hold after an attempt for which the source has nothing new."""
        reads_on = self.plan.strategy != "replace" and "incremental" in self.plan.streams[0].modes
        sent = [len(rows) for call in done.calls for rows in call.rows.values() if rows] if reads_on else []
        return self._texts([("records.again", f"{sum(sent)} records were sent once more")] if sent else [])

    def _texts(self, found: Any) -> list[str]:
        where = f"(round {self.stage.round}, attempt {self.stage.number})"
        return [f"{invariant} {where}: {text}" for invariant, text in found]

    # ends

    def _nothing_left(self, done: Attempt) -> Found:
        if done.too_long:
            yield "ends", f"it had not ended after {ATTEMPT_LIMIT:g} s"

        if done.processes:
            yield "left.process", "; ".join(done.processes)

        if done.containers:
            yield "left.container", f"{done.containers}"

        if done.files:
            yield "left.file", f"{done.files}"

        if done.report.get("left"):
            yield "left.descriptor", f"{done.report['left']}"

        if done.report.get("threads"):
            yield "left.thread", f"{done.report['threads']}"

    def _end(self, done: Attempt) -> Found:
        if done.outcome == "broken":
            yield "error.kind", done.report["text"]
            return

        yield from self._completes(done)
        if done.has("two_at_once"):
            return  # the other faults struck one of the two, and the report is of either

        # What it did not echo may be the same as what it did, with no record between: then nothing is missing.
        answered = bool(done.calls) and not done.calls[-1].unanswered
        musts = {"either" if fault.what == "echo_all_but_last" and answered else fault.must for fault in done.struck}
        slow = any(fault.kind.hangs for fault in done.faults)  # its limits are short: a busy machine may reach them
        kinds = [fault.what for fault in done.struck]
        if done.outcome == "success" and "fail" in musts:
            yield "success.both", f"success in spite of {kinds}: {done.report['text']}"
        elif done.outcome != "success" and musts <= {"succeed"} and not slow:
            yield "success.reached", f"{done.outcome} with {kinds}: {done.report['text']}"

        calls = done.calls
        if done.outcome == "success" and calls and (not calls[-1].saw_eof or calls[-1].unanswered):
            yield "success.both", "success, and the destination did not say so"

        if done.outcome == "error" and not slow:
            yield from self._error(done)

    def _error(self, done: Attempt) -> Found:
        guilty = [fault for fault in done.struck if fault.must != "succeed"]
        connectors = {f"{fault.kind.side or fault.who}-mini" for fault in guilty}
        report = done.report
        if not guilty or any(fault.who == "us" for fault in guilty):
            return

        reasons = guilty[0].kind.reasons
        if len(guilty) == 1 and guilty[0].must == "fail" and reasons and report["reason"] not in reasons:
            yield "error.reason", f"{report['reason']} and not {reasons}: {report['text']}"

        if any(fault.who == "engine" and fault.kind.side is None for fault in guilty):
            return

        if report["connector"] not in connectors:
            yield "error.side", f"{report['connector']} and not {connectors}: {report['text']}"

        code = ENDED_BY.get(guilty[0].what)
        if code is not None and code < 0 and guilty[0].who in self.plan.containers:
            code = 128 - code
        if len(guilty) == 1 and code is not None and report["exit_code"] != code and guilty[0].when != "end":
            yield "error.exit", f"{report['exit_code']} and not {code}: {report['text']}"

        words = {"disk_full": "No space left", "trace_exit_0": MARK, "trace_exit_1": MARK, "traceback": MARK}
        if len(guilty) == 1 and words.get(guilty[0].what, "") not in report["text"]:
            yield "error.words", report["text"]

    def _completes(self, done: Attempt) -> Found:
        failed = [fault for fault in done.struck if fault.who == "source" and fault.kind.must == "fail"]
        told = [call for call in done.calls if call.completed]
        if failed and told and not self.plan.cached and all(fault.what != "incomplete" for fault in failed):
            yield "complete.honest", f"{told[0].completed} COMPLETE in spite of {failed[0].what}"

    # state and records

    def _state(self) -> Found:
        """What is committed was echoed, and all before it is there."""
        if self.plan.cached:
            return

        store = StateFolder(self.stage.folder / "project" / ".cache" / "state")
        try:
            known = [saved for pair in store.pairs() if (saved := store.load(pair)) is not None]
        except PyAirbyteStateError as error:
            yield "state.readable", str(error)
            return

        for saved in known:
            if self.plan.strategy != "replace":
                for text in lost(self.stage.world, reads_up_to(saved)):
                    yield "state.echo", text

            yield from self._echoed(saved)

    def _echoed(self, saved: Saved) -> Found:
        """What is committed was echoed, for that very stream; a GLOBAL document without a replaced stream never is."""
        echoed = echoed_states(self.stage.world.calls)
        bodies: list[tuple[Key | None, str | bytes]] = [
            ((stream.name, stream.namespace), known.state) for stream, known in saved.streams.items() if known.state
        ]
        if saved.document:
            bodies.append((None, saved.document))

        for key, text in bodies:
            body = json.loads(text)
            is_rest = self.plan.strategy == "replace" and "stream_states" in body
            if (key, body) not in echoed and not is_rest:
                yield "state.echo", f"committed for {key}, and never echoed: {text!r}"

    def _replaced(self, done: Attempt) -> Found:
        """A replace shows the old data or the new, and is ended only when the source has completed it.

        An engine that goes away gives its containers an end of input, which nobody can help, until the next success.
        """
        if any(fault.kind.cuts for fault in done.struck) and "destination" in self.plan.containers:
            self._was_cut = True

        if self.plan.strategy != "replace" or self._was_cut:
            self._was_cut = self._was_cut and done.outcome != "success"
            return

        rounds = self.plan.rounds[: self.stage.round + 1]
        more = {named.key: named.more for named in self.plan.streams}
        for key, table in self.stage.world.tables.items():
            whole = [
                [(number + 1, index + 1) for number in range(part.records + more.get(key, 0))]
                for index, part in enumerate(rounds)
            ]
            allowed = [*whole, []] if self._shown_since < 0 else whole[self._shown_since :]
            if sorted(table.rows) not in allowed:
                kinds = dict(Counter(version for _, version in table.rows))
                yield "replace.whole", f"{key} shows {len(table.rows)} rows, {kinds} by version"

        for call in done.calls:
            if call.saw_eof and (open_ones := set(call.catalog) - call.completed):
                yield "replace.end", f"the input ended well, and {sorted(map(str, open_ones))} had not"

    def _all(self, part: Round, done: Attempt) -> Found:
        """After a success all is there."""
        for text in lost(self.stage.world, self._numbers(part)):
            yield "records.all", text

        if self.plan.cached:
            yield from self._cached(part, done.report.get("rows") or {})

    def _numbers(self, part: Round) -> dict[Key, int]:
        return {named.key: part.records + named.more for named in self.plan.streams}

    def _once(self, part: Round) -> Found:
        """Nothing else is there, and with merge and replace each record once."""
        halves = [path.name for path in (self.stage.folder / "project").rglob("*.new")]
        if halves:
            yield "left.file", f"{halves}"

        numbers = self._numbers(part)
        for key, table in self.stage.world.tables.items():
            ids = [number for number, _ in table.rows]
            if set(ids) - set(range(1, numbers.get(key, 0) + 1)):
                yield "records.only", f"{key}: {len(set(ids))} of {numbers.get(key, 0)}"

            if self.plan.strategy != "append" and len(ids) != len(set(ids)):
                yield "records.once", f"{key}: {len(ids)} rows of {len(set(ids))} records"

    def _cached(self, part: Round, tables: dict[str, list[int]]) -> Found:
        has_states = "incremental" in self.plan.streams[0].modes and not self.struck & WITHOUT_LAST_STATE
        once = self.plan.strategy != "append" or has_states
        wanted = sorted(self._numbers(part).values())
        if sorted(len(set(ids)) for ids in tables.values()) != wanted:
            yield "cache.once", f"{ {name: len(set(ids)) for name, ids in tables.items()} } and not {wanted}"

        for name, ids in tables.items():
            if set(ids) != set(range(1, len(set(ids)) + 1)) or (once and len(ids) != len(set(ids))):
                yield "cache.once", f"{name}: {len(ids)} rows of {len(set(ids))} records"

    # secrets

    def _secrets(self, done: Attempt) -> Found:
        for name in SECRET_FREE:
            path = self.stage.folder / name
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file() and found_in(file.read_bytes()):
                    yield "secret", f"in {file.relative_to(self.stage.folder)}"

        for part in ("text", "all_of_it"):
            if found_in(done.report.get(part, "").encode(errors="surrogatepass")):
                yield "secret", f"in the {part} of the error"

        output = self.stage.folder / "output.txt"
        said = any(fault.what == "secret_in_log" for fault in done.struck)
        if said and done.outcome == "success" and MARK.encode() not in output.read_bytes():
            yield "secret", "the rest of the message is gone as well"
