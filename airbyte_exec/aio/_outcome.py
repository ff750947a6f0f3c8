"""From what a transfer counted to what its caller gets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
