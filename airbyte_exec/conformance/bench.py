"""The bench where a case is tried: its commands are run, and what they wrote is judged.

A case is skipped where the subject lacks what it needs, and where what it builds on failed already: that is told once,
by the rule that it breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import anyio

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec.conformance import expectations, images, inputs, scenario
from airbyte_exec.conformance.cases import Case
from airbyte_exec.conformance.checks import Check, Given, NotApplicableError, all_checks
from airbyte_exec.conformance.jobs import Job
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.needs import check_needs
from airbyte_exec.conformance.results import Finding, Result, judged
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.exceptions import PyAirbyteError

PRELUDE_LIMIT = 300.0  # seconds for `discover` where only a later case needs it


class Bench:
    """What all cases of a run share: what the connector said of itself.

    Parameters:
        lab: runs its commands.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.subject = lab.subject
        self.spec: dict[str, Any] | None = None
        self._discovered: dict[str, Any] | None = None
        self._asked = anyio.Lock()
        self._has_asked = False

    async def prepare(self) -> None:
        """Ask for the spec: it says what is secret, and which sync modes there are."""
        try:
            transcript = await self.lab.run(Job(command="spec"))
        except PyAirbyteError:
            return  # each case says so

        if specs := transcript.of("SPEC"):
            self.spec = self.lab.spec = specs[0].body
            self.lab.spec = self.spec.get("connectionSpecification")

    async def discovered(self) -> dict[str, Any] | None:
        """Return the catalog of the source, None where it gives none."""
        async with self._asked:
            if not self._has_asked:
                job = Job(command="discover", config=self.subject.used_config, time_limit=PRELUDE_LIMIT)
                found = (await self.lab.run(job)).of("CATALOG")
                self._discovered = found[0].body if found else None
                self._has_asked = True

            return self._discovered

    async def try_case(self, given: Given) -> Result:
        """Return the result of a case.

        Parameters:
            given: its beginning; it gets the runs, as soon as there are any.

        Raises:
            NotApplicableError: it says nothing of this subject.
        """
        case = given.case
        check_needs(case, self.subject, self.spec)
        if self.subject.kind == "source" and case.group in ("discovery", "read", "incremental"):
            given.discovered = await self.discovered()

        if "syncs" in case.input:
            return await scenario.try_scenario(self.lab, given)

        if case.input.get("image"):
            given.image = await anyio.to_thread.run_sync(images.inspect, self.subject)

        given.runs = await self._run(case, given)
        started = [run.seconds for run in given.runs]
        findings = list(_expected(case, given.runs))
        parts = _parts(case, given)
        reasons: list[NotApplicableError] = []
        for part in parts if case.check is not None else ():
            try:
                findings += await anyio.to_thread.run_sync(_checked, all_checks()[case.check or ""], part)
            except NotApplicableError as reason:
                reasons.append(reason)

            if findings:
                break  # the next run would say the same again

        if not findings and reasons and len(reasons) == len(parts):
            raise reasons[0]

        return judged(case, findings, given.runs, sum(started))

    async def _run(self, case: Case, given: Given) -> list[Transcript]:
        done: list[Transcript] = []
        catalogs = []
        for wanted, config in self._configs(case):
            try:
                catalog = self._catalog(wanted, given)
                state = self._state(wanted, done, catalog)
            except NotApplicableError:
                if wanted.get("if_possible"):
                    break  # what comes after it builds on it

                raise

            catalogs += [] if catalog is None else [catalog]
            job = Job(
                command=wanted["command"],
                config=config,
                catalog=catalog,
                state=state,
                time_limit=case.time_limit,
                turn=wanted.get("turn", 0),
                after=wanted.get("after", 0.0),
            )
            done.append(await self.lab.run(job))

        given.configured = catalogs
        await self._sample(case, given, done)
        return done

    def _configs(self, case: Case) -> list[tuple[Any, Any]]:
        """Return the runs of a case that there is a config for, with their configs.

        Raises:
            NotApplicableError: there is a config for none of them.
        """
        found: list[tuple[Any, Any]] = []
        reasons = []
        for wanted in case.input.get("runs", ()):
            try:
                which = wanted.get("config", "good")
                has_none = wanted["command"] == "spec"
                found.append((wanted, None if has_none else inputs.config_of(self.subject, which, self.spec)))
            except NotApplicableError as reason:
                reasons.append(str(reason))

        if reasons and not found:
            raise NotApplicableError(", and ".join(reasons))

        return found

    def _catalog(self, wanted: Any, given: Given) -> dict[str, Any] | None:
        if "catalog" not in wanted:
            return None

        return inputs.catalog_of(self.subject, given.discovered, wanted["catalog"])

    def _state(self, wanted: Any, done: Sequence[Transcript], catalog: Any) -> list[Any] | None:
        if "state" not in wanted:
            return None

        return inputs.state_of(done[wanted["state"]["of"]], wanted["state"].get("which", "last"), catalog)

    async def _sample(self, case: Case, given: Given, done: list[Transcript]) -> None:
        """Read on from some of the states of the first run, where a case wants that."""
        count = case.input.get("sampled_states")
        if not count or done[0].stop != "exit":
            return  # another rule tells that it did not come to its end

        if done[0].exit_code != 0:
            raise NotApplicableError(f"the `read` before it ended with exit code {done[0].exit_code}")

        states = [line.body for line in done[0].states]
        chosen = inputs.spread(len(states), max(count, len(states) // 10))
        given.facts["after"] = []

        async def read_on(index: int) -> None:
            state = inputs.merged(states[: index + 1])
            job = Job(
                command="read",
                config=self.subject.used_config,
                catalog=given.configured[0],
                state=state,
                time_limit=case.time_limit,
            )
            given.facts["after"].append((states[: index + 1], await self.lab.run(job)))

        with bare_errors():
            async with anyio.create_task_group() as tasks:
                for index in chosen:
                    tasks.start_soon(read_on, index)


def _expected(case: Case, runs: Sequence[Transcript]) -> Iterator[Finding]:
    """Yield what of the runs is not as the case expects: of all of them, or of one alone.

    Raises:
        NotApplicableError: a run broke off, which another rule tells of.
    """
    before: Transcript | None = None
    for run, wanted in zip(runs, case.input.get("runs", ()), strict=False):  # fewer runs where configs are missing
        expect = {**case.expect, **wanted.get("expect", {})}
        if "expect" in wanted and before is not None and before.exit_code != 0:
            raise NotApplicableError(f"the `{before.command}` before it ended with exit code {before.exit_code}")

        if expect:
            yield from expectations.judge(run, expect, case.time_limit)
        elif before is None or not case.input.get("each_run"):
            _check_ended(run)

        before = run


def _parts(case: Case, given: Given) -> list[Given]:
    """Return what a check is given, one after the other: all runs, or each by itself; nothing that broke off."""
    if not case.input.get("each_run"):
        return [given] if all(run.stop == "exit" for run in given.runs) else []

    whole = [n for n, run in enumerate(given.runs) if run.stop == "exit" and (n == 0 or run.exit_code == 0)]
    return [replace(given, runs=[given.runs[n]], configured=[given.configured[n]]) for n in whole]


def _checked(check: Check, given: Given) -> list[Finding]:
    """Return what a check finds, in a thread of its own. What a connector wrote may break whoever looks at it."""
    try:
        return list(check(given))
    except (NotApplicableError, PyAirbyteError):
        raise
    except Exception as error:  # noqa: BLE001 - the top of a thread: a schema may raise anything when it is used
        return [not_judged(error, given.runs[-1] if given.runs else None)]


def not_judged(error: Exception, run: Transcript | None = None) -> Finding:
    """Return that an error of ours kept us from judging a run."""
    return Finding(message=f"what it wrote cannot be judged: {type(error).__name__}: {error}", run=run)


def _check_ended(run: Transcript) -> None:
    """Raise where a command did not come to its end, which another rule tells of."""
    if run.stop in ("timeout", "flood", "not started"):
        raise NotApplicableError(f"`{run.command}` did not come to its end")
