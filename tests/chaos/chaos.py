"""Runs fault plans and checks what must hold (`docs/reliability.md`) after every attempt: `make chaos N=1000 SEED=1`.

A plan runs in processes of its own: each attempt is a fork of this one, which has everything loaded. This process is
made the foster parent of whatever an attempt leaves behind, so a process that is left cannot hide.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import multiprocessing
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attempt import Order, attempt, preload
from faults import CANARY, ENDED_BY
from mini import destination_config, source_config, stream
from plan import Fault, Plan, Round, draw
from world import Call, World, echoed_states, look, lost, reads_up_to

from airbyte_exec._state.files import StateFolder
from airbyte_exec.exceptions import PyAirbyteStateError

ATTEMPT_LIMIT = 90.0  # seconds of the slowest attempt, on a machine with other work
GONE_LIMIT = 20.0  # seconds until nothing may be left
SECRET_FREE = ("logs", "temp", "project", "output.txt")
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Outcome:
    """What a plan came to.

    Parameters:
        plan: the plan.
        broken: what does not hold, each with the id of the invariant.
        attempts: how each attempt ended.
        struck: the faults that struck.
        seconds: CPU seconds of all of its processes.
    """

    plan: Plan
    broken: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    struck: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def run_plan(plan: Plan) -> Outcome:
    """Run a plan in a folder of its own, which stays only where something does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    before = _cpu_seconds()
    run = _Run(plan, folder)
    run.through()
    run.outcome.seconds = _cpu_seconds() - before
    if not run.outcome.broken:
        shutil.rmtree(folder)

    return run.outcome


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


class _Run:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.outcome = Outcome(plan)
        self.known: dict[Path, Call] = {}
        self.number = 0
        self.report: dict[str, Any] = {}
        self.round = 0
        self.has_succeeded = False
        self.world = World({}, [])
        for name in ("temp", "fired", "got", "sent"):
            (folder / name).mkdir()

    def through(self) -> None:
        """Run all attempts, until one breaks something."""
        for number, part in enumerate(self.plan.rounds):
            self.round = number
            for faults in (*part.attempts, ()):
                self.number += 1
                self._attempt(part, faults)
                if self.outcome.broken:
                    return

            self._expect_all(part)

    def _break(self, invariant: str, text: str) -> None:
        self.outcome.broken.append(f"{invariant} (round {self.round}, attempt {self.number}): {text}")

    # one attempt

    def _attempt(self, part: Round, faults: tuple[Fault, ...]) -> None:
        before = set(self.known)
        (self.folder / "struck").unlink(missing_ok=True)
        self._set_stage(part, faults)
        self._fork(faults)
        self._await_nothing_left()
        self.world = look(self.folder / "got", self.known)
        calls = [call for path, call in self.known.items() if path not in before]
        struck = [fault for number, fault in enumerate(faults) if self._has_struck(number, fault, calls)]
        self.outcome.struck += [(fault.who, fault.what) for fault in struck]
        self.outcome.attempts.append(self.report["outcome"])
        self.has_succeeded = self.has_succeeded or self.report["outcome"] == "success"
        self._check_end(faults, struck, calls)
        self._check_state()
        self._check_replaced()
        self._check_secrets()

    def _set_stage(self, part: Round, faults: tuple[Fault, ...]) -> None:
        """Write what both connectors do in this attempt; their configs stay as they are."""
        for who in ("source", "destination"):
            body: dict[str, Any] = {"script": []}
            if who == "source":
                body |= {"streams": self._streams(part), "state_every": self.plan.state_every}

            for number, fault in enumerate(faults):
                if fault.who == who:
                    body |= fault.kind.settings or {}
                    body["script"] += self._steps(number, fault)

            (self.folder / f"{who}.json").write_text(json.dumps(body), encoding="utf-8")

    def _streams(self, part: Round) -> list[dict[str, Any]]:
        return [
            stream(name, records=part.records, namespace=namespace, sync_modes=modes, pad=self._version())
            for name, namespace, modes in self.plan.streams
        ]

    def _version(self) -> int:
        return self.round + 1 if self.plan.strategy == "replace" else 1

    def _steps(self, number: int, fault: Fault) -> Iterator[dict[str, Any]]:
        name, namespace, _ = self.plan.streams[0]
        for index, known in enumerate(fault.kind.steps):
            step = {"at": fault.when, **known}
            if step["do"] == "status":
                step |= {"stream": name, "namespace": namespace}

            if index == 0:
                step["once"] = str(self._mark(number))

            yield step

    def _mark(self, number: int) -> Path:
        return self.folder / "fired" / f"{self.number}-{number}"

    def _has_struck(self, number: int, fault: Fault, calls: list[Call]) -> bool:
        if fault.who == "us":
            return "point" not in (fault.when or {}) or (self.folder / "struck").exists()

        if fault.kind.steps:
            return self._mark(number).exists()

        if fault.what in ("echo_all_but_last", "echo_never"):
            return any(call.states and call.has_records for call in calls)

        if fault.what.startswith("echo_"):
            return any(call.states for call in calls) or (fault.what == "echo_early" and bool(calls))

        return fault.who == "source" or bool(calls)

    def _order(self, faults: tuple[Fault, ...]) -> Order:
        source = source_config(
            state_type=self.plan.state_type,
            path=self.folder / "sent",
            api_key=CANARY,
            script_file=str(self.folder / "source.json"),
        )
        destination = destination_config(
            self.folder / "got", api_key=CANARY, script_file=str(self.folder / "destination.json"), note_echoes=True
        )
        return Order(
            self.plan,
            self.folder,
            tuple(fault for fault in faults if fault.who == "us" or fault.what == "line_of_200_mib"),
            any(fault.kind.hangs for fault in faults),
            self._catalog(),
            source,
            destination,
        )

    def _catalog(self) -> dict[str, Any]:
        properties = {"id": {"type": "integer"}, "updated_at": {"type": "string"}, "pad": {"type": "string"}}
        return {
            "streams": [
                {
                    "name": name,
                    **({"namespace": namespace} if namespace else {}),
                    "json_schema": {"type": "object", "properties": properties},
                    "supported_sync_modes": list(modes),
                    "source_defined_cursor": True,
                    "default_cursor_field": ["updated_at"],
                    "source_defined_primary_key": [["id"]],
                }
                for name, namespace, modes in self.plan.streams
            ]
        }

    def _fork(self, faults: tuple[Fault, ...]) -> None:
        path, order = self.folder / "report.json", self._order(faults)
        path.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            attempt(order, path)

        code = self._await_end(pid, _signals(faults))
        if path.exists():
            self.report = json.loads(path.read_text(encoding="utf-8"))
        else:
            self.report = {"outcome": "killed" if code < 0 else "broken", "text": f"exit code {code}"}

    def _await_end(self, pid: int, signals: list[tuple[float, int]]) -> int:
        handle = os.pidfd_open(pid)
        try:
            for pause, number in [*signals, (ATTEMPT_LIMIT, signal.SIGKILL)]:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                if poll.poll(pause * 1000):
                    break

                if pause == ATTEMPT_LIMIT:
                    self._break("ends", f"it had not ended after {ATTEMPT_LIMIT:g} s")

                os.kill(pid, number)
        finally:
            os.close(handle)

        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    # what must hold

    def _await_nothing_left(self) -> None:
        end = time.monotonic() + GONE_LIMIT
        pause = 0.001
        while _reap():
            if time.monotonic() > end:
                self._break("left.process", "; ".join(_descendants()))
                _kill_descendants()
                break

            time.sleep(pause)
            pause = min(pause * 2, 0.02)

        left = [str(path.relative_to(self.folder)) for path in (self.folder / "temp").rglob("*")]
        if left:
            self._break("left.file", f"{left}")

    def _check_end(self, faults: tuple[Fault, ...], struck: list[Fault], calls: list[Call]) -> None:
        report, outcome = self.report, self.report["outcome"]
        if outcome == "broken":
            self._break("error.kind", report["text"])
            return

        for what in ("left", "threads"):
            # Ctrl-C is raised at any instruction of the main thread, also of those that open or close something.
            if report.get(what) and outcome != "interrupted":
                self._break("left.descriptor" if what == "left" else "left.thread", f"{report[what]}")

        if any(fault.what == "two_at_once" for fault in faults):
            return  # the other faults struck one of the two, and the report is of either

        musts = {fault.kind.must for fault in struck}
        slow = any(fault.kind.hangs for fault in faults)  # its limits are short: a busy machine may reach them
        if outcome == "success" and "fail" in musts:
            self._break("success.both", f"success in spite of {[fault.what for fault in struck]}: {report['text']}")
        elif outcome != "success" and musts <= {"succeed"} and not slow:
            self._break("success.reached", f"{outcome} with {[fault.what for fault in struck]}: {report['text']}")

        if outcome == "success" and calls and (not calls[-1].saw_eof or calls[-1].unanswered):
            self._break("success.both", "success, and the destination did not say so")

        if outcome == "error":
            self._check_error(struck, slow=slow)

        self._check_complete(struck, calls)

    def _check_error(self, struck: list[Fault], *, slow: bool) -> None:
        guilty = [fault for fault in struck if fault.kind.must != "succeed"]
        connectors = {f"{fault.who}-mini" for fault in guilty}
        report = self.report
        if guilty and not slow and all(fault.who != "us" for fault in guilty):
            if report["connector"] not in connectors:
                self._break("error.side", f"{report['connector']} and not {connectors}: {report['text']}")

            code = ENDED_BY.get(guilty[0].what)
            if len(guilty) == 1 and code is not None and report["exit_code"] != code and guilty[0].when != "end":
                self._break("error.exit", f"{report['exit_code']} and not {code}: {report['text']}")

            if len(guilty) == 1 and guilty[0].what == "disk_full" and "No space left" not in report["text"]:
                self._break("error.words", report["text"])

    def _check_complete(self, struck: list[Fault], calls: list[Call]) -> None:
        failed = [fault for fault in struck if fault.who == "source" and fault.kind.must == "fail"]
        told = [call for call in calls if call.completed]
        if failed and told and not self.plan.cached and all(fault.what != "incomplete" for fault in failed):
            self._break("complete.honest", f"{told[0].completed} COMPLETE in spite of {failed[0].what}")

    def _check_state(self) -> None:
        """What is committed was echoed, and all before it is there."""
        if self.plan.cached:
            return

        store = StateFolder(self.folder / "project" / ".cache" / "state")
        try:
            known = [store.load(pair) for pair in store.pairs()]
        except PyAirbyteStateError as error:
            self._break("state.readable", str(error))
            return

        for saved in known:
            assert saved is not None
            if self.plan.strategy != "replace":
                for text in lost(self.world, reads_up_to(saved)):
                    self._break("state.echo", text)

            echoed = echoed_states(self.world.calls)
            bodies = [known.state for known in saved.streams.values() if known.state is not None]
            for body in [*bodies, *([saved.document] if saved.document else [])]:
                if json.loads(body) not in echoed and not self._is_rest(json.loads(body)):
                    self._break("state.echo", f"committed, and never echoed: {body!r}")

    def _is_rest(self, body: Any) -> bool:
        """A GLOBAL document from which a refreshed stream was taken is echoed by nobody."""
        return self.plan.strategy == "replace" and "stream_states" in body

    def _check_replaced(self) -> None:
        """A replace shows the old data or the new."""
        if self.plan.strategy != "replace":
            return

        whole = [
            sorted((number + 1, index + 1) for number in range(part.records))
            for index, part in enumerate(self.plan.rounds[: self.round + 1])
        ]
        for key, table in self.world.tables.items():
            allowed = whole if self.round and self.has_succeeded else [*whole, []]
            if sorted(table.rows) not in allowed:
                kinds = dict(Counter(version for _, version in table.rows))
                self._break("replace.whole", f"{key} shows {len(table.rows)} rows, {kinds} by version")

    def _check_secrets(self) -> None:
        words = CANARY.encode()
        for name in SECRET_FREE:
            path = self.folder / name
            for file in path.rglob("*") if path.is_dir() else [path]:
                if file.is_file() and words in file.read_bytes():
                    self._break("secret", f"in {file.relative_to(self.folder)}")

        if CANARY in self.report["text"]:
            self._break("secret", "in the error")

    def _expect_all(self, part: Round) -> None:
        """After a success all is there, and with merge once."""
        if self.outcome.broken:
            return

        halves = [path.name for path in (self.folder / "project").rglob("*.new")]
        if halves:
            self._break("left.file", f"{halves}")

        keys = {(name, namespace): part.records for name, namespace, _ in self.plan.streams}
        for text in lost(self.world, keys):
            self._break("records.all", text)

        for key, table in self.world.tables.items():
            ids = [number for number, _ in table.rows]
            if key not in keys or set(ids) - set(range(1, part.records + 1)):
                self._break("records.only", f"{key}: {len(set(ids))} of {part.records}")

            if self.plan.strategy != "append" and len(ids) != len(set(ids)):
                self._break("records.once", f"{key}: {len(ids)} rows of {len(set(ids))} records")

        for name, ids in (self.report.get("rows") or {}).items():
            has_states = (
                "incremental" in self.plan.streams[0][2] and ("source", "states_never") not in self.outcome.struck
            )
            once = self.plan.strategy != "append" or has_states
            if set(ids) != set(range(1, part.records + 1)) or (once and len(ids) != part.records):
                self._break("cache.once", f"{name}: {len(ids)} rows of {len(set(ids))} records, not {part.records}")


def _signals(faults: Iterable[Fault]) -> list[tuple[float, int]]:
    """Return what is sent to the attempt: seconds after the one before, and the signal."""
    found: list[tuple[float, int]] = []
    for fault in faults:
        if fault.who == "us" and isinstance(fault.when, dict) and "seconds" in fault.when:
            number = {
                "killed_at_a_time": signal.SIGKILL,
                "sigterm": signal.SIGTERM,
                "interrupted": signal.SIGINT,
                "stopped_for_a_time": signal.SIGSTOP,
            }[fault.what]
            found.append((fault.when["seconds"], number))
            if number == signal.SIGSTOP:
                found.append((fault.how["for"], signal.SIGCONT))

    return found


def _reap() -> bool:
    """Reap what has ended; return whether anything is left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False

    return True


def _descendants() -> list[str]:
    found, waiting = [], [os.getpid()]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for pid in map(int, task.read_text(encoding="utf-8").split()):
                    waiting.append(pid)
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{pid} {words}")

    return found


def _kill_descendants() -> None:
    for text in _descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(text.split()[0]), signal.SIGKILL)

    while _reap():
        time.sleep(0.01)


def become_foster_parent() -> None:
    """Take in whatever an attempt leaves; end with the process that started this one; leave no core files."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def minimised(outcome: Outcome) -> Plan:
    """Return the plan with as few faults as still break something."""
    plan, number = outcome.plan, 0
    while number < len(plan.faults):
        smaller = plan.without(number)
        if any(run_plan(smaller).broken for _ in range(2)):
            plan = smaller
        else:
            number += 1

    return plan


def _of_seed(seed: int) -> Outcome:
    return run_plan(draw(seed))


def _of_text(text: str) -> Outcome:
    return run_plan(Plan.from_json(text))


def run_many(plans: Iterable[Any], *, jobs: int) -> Iterator[Outcome]:
    """Run plans (JSON) or seeds (numbers) side by side."""
    work = [(_of_text if isinstance(plan, str) else _of_seed, plan) for plan in plans]
    preload()
    with multiprocessing.get_context("fork").Pool(jobs, become_foster_parent) as pool:
        yield from pool.imap_unordered(_call, work)


def _call(work: tuple[Any, Any]) -> Outcome:
    run, what = work
    outcome: Outcome = run(what)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--stop", action="store_true", help="stop at the first plan that breaks something")
    parser.add_argument("--plan", help="run the plans of a file, one a line")
    parser.add_argument("--as-drawn", action="store_true", help="do not look for a smaller plan")
    given = parser.parse_args()
    plans: list[Any] = list(range(given.seed, given.seed + given.number))
    if given.plan:
        plans = Path(given.plan).read_text(encoding="utf-8").splitlines()

    outcomes = []
    for outcome in run_many(plans, jobs=given.jobs):
        outcomes.append(outcome)
        if outcome.broken:
            print(f"seed {outcome.plan.seed} breaks:", *outcome.broken, sep="\n    ", flush=True)
            if given.stop:
                break

    broken = [outcome for outcome in outcomes if outcome.broken]
    if broken and not given.as_drawn:
        become_foster_parent()
        for outcome in broken[:5]:
            print(f"seed {outcome.plan.seed}, the smallest plan that breaks:\n    {minimised(outcome).to_json()}")

    print_table(outcomes)
    return 1 if broken else 0


def print_table(outcomes: list[Outcome]) -> None:
    """Print how often each fault struck, by side and strategy."""
    columns = [(strategy, flow) for strategy in ("append", "merge", "replace") for flow in ("straight", "cached")]
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for outcome in outcomes:
        flow = "cached" if outcome.plan.cached else "straight"
        counts.update((*struck, outcome.plan.strategy, flow) for struck in outcome.struck)

    print(f"{'side':12} {'fault':22}" + "".join(f" {strategy:>8}" * 1 + f"/{flow:8}" for strategy, flow in columns))
    for who, what in sorted({(key[0], key[1]) for key in counts}):
        print(f"{who:12} {what:22}" + "".join(f" {counts[who, what, *column]:>17}" for column in columns))

    ends = Counter(end for outcome in outcomes for end in outcome.attempts)
    seconds = sum(outcome.seconds for outcome in outcomes) / max(1, len(outcomes))
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    print(f"{len(outcomes)} plans, {broken} broke something; attempts: {dict(ends)}; {seconds:.2f} CPU s a plan")


if __name__ == "__main__":
    sys.exit(main())
