"""Runs cases: independent ones at once, each command in a child of its own; each one ends, whatever a child does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from airbyte_exec import _portal
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._process import kept_guardian
from airbyte_exec.conformance.bench import Bench, not_judged
from airbyte_exec.conformance.cases import Case, load_cases, select
from airbyte_exec.conformance.checks import Given, NotApplicableError
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.results import Report, Result, judged, masked, untried
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.exceptions import PyAirbyteError

Told = Callable[[Result], object]


def run(subject: Subject, *, rules: str | None = None, at_once: int | None = None, told: Told | None = None) -> Report:
    """Run the suite; blocking. See `run_all`."""

    async def collected() -> Report:
        return await run_all(subject, rules=rules, at_once=at_once, told=told)

    return _portal.run(collected)


async def run_all(
    subject: Subject, *, rules: str | None = None, at_once: int | None = None, told: Told | None = None
) -> Report:
    """Run the suite against a connector.

    Parameters:
        subject: the connector.
        rules: which rules; see `airbyte_exec.conformance.select`.
        at_once: how many children may run at a time.
        told: called with each result as it comes.

    Raises:
        PyAirbyteInputError: the rules name nothing.
    """
    started = time.monotonic()
    results: dict[str, Result] = {}
    async with stream(subject, rules=rules, at_once=at_once) as found:
        async for result in found:
            results[result.case.id] = result
            if told is not None:
                told(result)

    ordered = [results[case.id] for case in load_cases() if case.id in results]
    return Report(connector=subject.name, results=ordered, seconds=time.monotonic() - started)


@asynccontextmanager
async def stream(
    subject: Subject, *, rules: str | None = None, at_once: int | None = None
) -> AsyncIterator[AsyncIterable[Result]]:
    """Run the suite against a connector: `async with stream(subject) as results: async for result in results: …`.

    The result of each case comes as soon as it is there. To leave the block stops what still runs.

    Parameters:
        subject: the connector.
        rules: which rules; see `airbyte_exec.conformance.select`.
        at_once: how many children may run at a time.

    Raises:
        PyAirbyteInputError: the rules name nothing.
    """
    cases = [case for case in select(load_cases(), rules) if subject.kind in case.kinds]
    async with stream_cases(subject, cases, at_once=at_once) as results:
        yield results


@asynccontextmanager
async def stream_cases(
    subject: Subject, cases: Sequence[Case], *, at_once: int | None = None
) -> AsyncIterator[AsyncIterable[Result]]:
    """Try these cases; see `stream`."""
    send, receive = anyio.create_memory_object_stream[Result](len(cases) or 1)
    with kept_guardian(), bare_errors():
        bench = Bench(Lab(subject, at_once=at_once))
        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(_all, bench, cases, send)
            yield receive
            tasks.cancel_scope.cancel()


async def _all(bench: Bench, cases: Sequence[Case], send: Any) -> None:
    async with send, anyio.create_task_group() as tasks:
        await bench.prepare()
        for case in cases:
            tasks.start_soon(_one, bench, case, send)


async def _one(bench: Bench, case: Case, send: Any) -> None:
    started = time.monotonic()
    given = Given(case=case, subject=bench.subject, spec=bench.spec)
    try:
        result = await bench.try_case(given)
    except NotApplicableError as reason:
        result = Result(case=case, status="skip", reason=str(reason))
    except PyAirbyteError as error:
        result = untried(case, error.get_message())
    except Exception as error:  # noqa: BLE001 - the top of a task: what a connector wrote must not end the other cases
        result = _broken_off(given, error)

    result.seconds = time.monotonic() - started
    await send.send(masked(result, bench.lab.masker))


def _broken_off(given: Given, error: Exception) -> Result:
    """Return the result of a case that an error of ours ended: what has not run yet has not broken its rule."""
    if given.runs:
        return judged(given.case, [not_judged(error, given.runs[-1])], given.runs, 0.0)

    return untried(given.case, f"{type(error).__name__}: {error}")
