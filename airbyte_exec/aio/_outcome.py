"""From what a transfer counted to what its caller gets."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from airbyte_exec._engine.transfer import Transfer
from airbyte_exec._state.pair import PairState
from airbyte_exec._state.provider import SavedStateProvider
from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.results import StreamResult, StreamStatus, WriteResult
from airbyte_exec.types import StreamId

_STATUS: dict[str, StreamStatus] = {"complete": "complete", "failed": "failed"}


async def write_result(transfer: Transfer, state: PairState) -> WriteResult:
    """Return what a transfer did, with the state as it is saved now."""
    return _result(transfer, SavedStateProvider(await state.load()))


@asynccontextmanager
async def with_result(transfer: Transfer, state: PairState) -> AsyncIterator[None]:
    """Put what was done into an error of a connector that leaves the block."""
    try:
        yield
    except AirbyteConnectorError as error:
        if error.result is None:
            with anyio.CancelScope(shield=True):
                error.result = await write_result(transfer, state)

        raise


def noted(results: Sequence[WriteResult]) -> dict[str, Any]:
    """Return what the parts of a write noted, as fields of the result of all: warnings, and all that was left out."""
    return {
        "warnings": tuple(dict.fromkeys(text for result in results for text in result.warnings)),
        "noise": _counted(result.noise for result in results),
        "malformed_lines": sum(result.malformed_lines for result in results),
        "quarantine_files": tuple(path for result in results for path in result.quarantine_files),
        "unknown_stream_records": _counted(result.unknown_stream_records for result in results),
    }


def _counted(counts: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for found in counts:
        total.update(found)

    return dict(total)


def _result(transfer: Transfer, provider: SavedStateProvider) -> WriteResult:
    summary, progress = transfer.summary, transfer.summary.progress
    streams = {
        stream: StreamResult(
            records_read=counts.read,
            records_delivered=counts.delivered,
            records_confirmed=counts.committed,
            status=_STATUS.get(counts.status, "incomplete"),
            generation_id=transfer.plan.templates[stream].generation_id,
            continued=stream in transfer.plan.continued,
        )
        for stream, counts in progress.streams.items()
    }
    facts = summary.facts
    mask = summary.mask
    confirmed = progress.records_committed if summary.destination_counts else progress.records_delivered
    return WriteResult(
        source_name=progress.source_name,
        destination_name=progress.destination_name,
        processed_records=confirmed,
        streams=streams,
        states_sent=progress.states_sent,
        states_committed=progress.states_committed,
        bytes_read=progress.bytes_read,
        started_at=summary.started_at,
        duration_seconds=time.time() - summary.started_at,
        warnings=tuple(map(mask, (*summary.warnings, *(text for found in facts.values() for text in found.warnings)))),
        noise={f"{name} {rule}": n for name, found in facts.items() for rule, n in found.noise.items()},
        malformed_lines=sum(found.malformed for found in facts.values()),
        quarantine_files=tuple(found.quarantine for found in facts.values() if found.quarantine is not None),
        unknown_stream_records={
            StreamId(mask(stream.name), stream.namespace and mask(stream.namespace)): count
            for stream, count in summary.unknown.items()
        },
        state=provider,
    )
