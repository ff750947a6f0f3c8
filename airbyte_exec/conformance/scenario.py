"""Writes of a destination case, one sync after the other, and what is judged after each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import anyio

from airbyte_exec.conformance import expectations, inputs
from airbyte_exec.conformance.checks import Given, NotApplicableError, destination, echoes
from airbyte_exec.conformance.jobs import Job
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.messages import Names, Sync, make_sync, shortened
from airbyte_exec.conformance.modes import with_modes
from airbyte_exec.conformance.readback import PLACE, ReadBack, placed
from airbyte_exec.conformance.results import Finding, Result, judged
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.exceptions import PyAirbyteError


async def try_scenario(lab: Lab, given: Given) -> Result:
    """Return the result of a case that writes.

    Raises:
        NotApplicableError: it says nothing of this destination.
    """
    case = given.case
    syncs = shortened(with_modes(case, given.spec), given.subject.longest_text)
    names = Names(tag=f"{case.code.lower()}{secrets.token_hex(2)}")
    place = names.tag
    findings: list[Finding] = []
    is_judged = False
    given.runs = []
    started = time.monotonic()
    config = _placed(lab.subject.used_config, place)
    async with lab.alone(shared_place=config == dict(lab.subject.used_config)):
        for body in syncs:
            sync = make_sync(body, names)
            run = await lab.run(_job(lab, given, body, sync, config=config, place=place))
            given.runs = [*given.runs, run]
            try:
                findings = await _broken(given, body, sync, run, names, place=place)
            except NotApplicableError:
                if is_judged:
                    break  # the rule was kept as far as it could be tried

                raise

            is_judged = is_judged or not body.get("given")
            if findings:
                break

    return judged(case, findings, given.runs, time.monotonic() - started)


def _job(lab: Lab, given: Given, body: Mapping[str, Any], sync: Sync, *, config: Mapping[str, Any], place: str) -> Job:
    which = body.get("config", "good")
    chosen = config if which == "good" else inputs.config_of(lab.subject, which, given.spec)
    return Job(
        command="write",
        config=_placed(chosen, place),
        catalog=sync.catalog,
        send=tuple(sync.steps),
        time_limit=given.case.time_limit,
    )


async def _broken(
    given: Given, body: Mapping[str, Any], sync: Sync, run: Transcript, names: Names, *, place: str
) -> list[Finding]:
    """Return what a sync breaks.

    Raises:
        NotApplicableError: it is what the rule builds on, and not so.
    """
    found = await _judged(given, body, sync, run, names, place=place)
    if found and body.get("given"):
        raise NotApplicableError(f"what it builds on is not so, which other rules tell of: {found[0].message}")

    return found


async def _judged(
    given: Given, body: Mapping[str, Any], sync: Sync, run: Transcript, names: Names, *, place: str
) -> list[Finding]:
    expect = body.get("expect", {})
    found = list(expectations.judge(run, expect, given.case.time_limit))
    if found and run.stop not in ("exit", "killed"):
        return found

    if "awaited" in expect and len(run.states) < expect["awaited"]:
        raise NotApplicableError(f"it echoed {len(run.states)} states before the end of its input")

    if run.exit_code != 0 and "exit_code" not in expect and run.stop != "killed":
        raise NotApplicableError(f"the write failed (exit code {run.exit_code}), which other rules tell of")

    found += echoes.echoes(run, sync, expect.get("states"))
    if "counts" in expect:
        found += echoes.counts(run, sync, needed=expect["counts"] == "needed")

    if expect.get("failure_type"):
        found += destination.failure_types(run)

    stored = body.get("stored", {})
    if stored and given.subject.read_back is not None:
        adapter = placed(given.subject.read_back, place)
        found += await anyio.to_thread.run_sync(_stored, adapter, stored, names, run)

    return found


def _stored(adapter: ReadBack, wanted: Mapping[str, Any], names: Names, run: Transcript) -> list[Finding]:
    """Return what is wrong with the rows, in a thread of its own. Rows that nobody can read count as not there."""
    try:
        return destination.stored(adapter, wanted, names, run)
    except PyAirbyteError as error:
        return [Finding(message=f"the rows cannot be read back: {error.get_message()}", run=run)]
    except Exception as error:  # noqa: BLE001 - the top of a thread: an adapter of an author's own may raise anything
        return [Finding(message=f"the rows cannot be read back: {type(error).__name__}: {error}", run=run)]


def _placed(value: Any, place: str) -> Any:
    """Return a config with the place of a case in all its texts, however deep they stand."""
    if isinstance(value, Mapping):
        return {name: _placed(inner, place) for name, inner in value.items()}

    if isinstance(value, list):
        return [_placed(inner, place) for inner in value]

    return value.replace(PLACE, place) if isinstance(value, str) else value
