"""A sync with its attempts: alone on its pairs, tried again as it was told, and one result of all attempts."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

import anyio

from airbyte_exec._engine.retry import Attempt, Retries, Tries, retries_of
from airbyte_exec.aio._alone import Alone, alone
from airbyte_exec.aio._outcome import noted
from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.results import ReadResult, StreamResult, WriteResult

T = TypeVar("T", bound="WriteResult | ReadResult")
T_co = TypeVar("T_co", bound="WriteResult | ReadResult", covariant=True)

logger = logging.getLogger(__name__)


class Sync(Protocol[T_co]):
    """A sync that is ready to run, more than once."""

    async def run(self, alone: Alone) -> T_co:
        """Run one attempt, alone on the pairs whose state it changes."""
        ...


async def run_alone(sync: Sync[T], retries: Retries | int | None) -> T:
    """Run a sync, and again where it failed and may be tried again.

    Raises:
        PyAirbyteStateInUseError: another run works on one of its pairs.
        AirbyteConnectorError: the last attempt failed; `result` tells of all attempts.
    """
    async with alone() as locks:
        return await _run(lambda: sync.run(locks), Tries(retries_of(retries)))


async def _run(run: Callable[[], Awaitable[T]], tries: Tries) -> T:
    attempts: list[Attempt] = []
    results: list[WriteResult] = []
    while True:
        started_at, started = time.time(), time.monotonic()
        try:
            done = await run()
        except AirbyteConnectorError as error:
            result = error.result if isinstance(error.result, WriteResult) else None
            wait = tries.wait_after(error, states_committed=0 if result is None else result.states_committed)
            attempts.append(_attempt(started_at, started, result, error, wait))
            results += [] if result is None else [result]
            if wait is None:
                error.result = _of_all(results, attempts, error)
                raise

        else:
            summary = done.summary if isinstance(done, ReadResult) else cast("WriteResult", done)
            attempts.append(_attempt(started_at, started, summary))
            whole = _joined([*results, summary], attempts)
            return cast("T", done.with_summary(whole) if isinstance(done, ReadResult) else whole)

        _tell(attempts)
        await anyio.sleep(wait)


def _attempt(
    started_at: float,
    started: float,
    result: WriteResult | None,
    error: AirbyteConnectorError | None = None,
    wait: float | None = None,
) -> Attempt:
    return Attempt(
        started_at=started_at,
        duration_seconds=round(time.monotonic() - started, 3),
        processed_records=0 if result is None else result.processed_records,
        states_committed=0 if result is None else result.states_committed,
        error=None if error is None else type(error).__name__,
        failure_type=None if error is None else error.failure_type,
        message=None if error is None else error.get_message(),
        waited_seconds=wait,
    )


def _tell(attempts: Sequence[Attempt]) -> None:
    last = attempts[-1]
    logger.warning(
        "Attempt %d failed (%s, %d states were committed), the next one follows %s: %s",
        len(attempts),
        last.failure_type,
        last.states_committed,
        f"in {last.waited_seconds:g} s" if last.waited_seconds else "at once",
        last.message,
    )


def _of_all(results: list[WriteResult], attempts: list[Attempt], error: AirbyteConnectorError) -> WriteResult | Any:
    """Return what all attempts did; an only attempt that did nothing has no result."""
    if results:
        return _joined(results, attempts)

    if len(attempts) == 1:
        return error.result

    return WriteResult(
        source_name="",
        destination_name="",
        started_at=attempts[0].started_at,
        duration_seconds=time.time() - attempts[0].started_at,
        attempts=tuple(attempts),
    )


def _joined(results: Sequence[WriteResult], attempts: Sequence[Attempt]) -> WriteResult:
    last = results[-1]
    if len(attempts) == 1:
        return replace(last, attempts=tuple(attempts))

    # A read into a cache that failed counts what it brought there: nothing of it came to where the last attempt got.
    counted = [result for result in results if result.destination_name == last.destination_name]
    streams: dict[Any, StreamResult] = {}
    for result in counted:
        for stream, found in result.streams.items():
            streams[stream] = _sum_of(streams.get(stream), found)

    return replace(
        last,
        streams=streams,
        **{name: sum(getattr(result, name) for result in counted) for name in _SUMMED},
        started_at=attempts[0].started_at,
        duration_seconds=time.time() - attempts[0].started_at,
        **noted(results),
        attempts=tuple(attempts),
    )


_SUMMED = ("processed_records", "states_sent", "states_committed", "bytes_read")


def _sum_of(before: StreamResult | None, now: StreamResult) -> StreamResult:
    if before is None:
        return now

    counts = ("records_read", "records_delivered", "records_confirmed")
    return replace(now, **{name: getattr(before, name) + getattr(now, name) for name in counts})
