"""Records as a caller of `get_records` sees them: decoded one by one, while the source runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec

from airbyte_exec import _portal
from airbyte_exec.aio.source import AsyncSource
from airbyte_exec.datasets import LazyDataset
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.records import StreamRecord, StreamRecordHandler


class _Record(msgspec.Struct, gc=False):
    data: dict[str, Any]
    emitted_at: float


class _Line(msgspec.Struct, gc=False):
    record: _Record


_decode = msgspec.json.Decoder(_Line).decode


def decode_record(line: bytes) -> tuple[dict[str, Any], float]:
    """Return the `data` of a RECORD line and its `emitted_at`, also where it holds NaN and the like."""
    try:
        record = _decode(line).record
    except msgspec.MsgspecError:
        found = json.loads(line)["record"]
        return found["data"], found["emitted_at"]

    return record.data, record.emitted_at


def lazy_dataset(
    source: AsyncSource,
    stream: str,
    *,
    limit: int | None,
    stop_event: threading.Event | None,
    normalize: bool,
    prune: bool,
) -> LazyDataset:
    """Return the records of a stream; the source starts with the first one and ends with the iteration."""
    configured: ConfiguredAirbyteStream = _portal.run(source.configured_stream, stream)
    schema = configured.stream.json_schema
    handler = StreamRecordHandler(
        json_schema=schema, normalize_keys=normalize, prune_extra_fields=prune and bool(schema.get("properties"))
    )
    records = _records(source, configured, handler, limit=limit, stop_event=stop_event)
    return LazyDataset(records, stream_metadata=configured)


def _records(
    source: AsyncSource,
    configured: ConfiguredAirbyteStream,
    handler: StreamRecordHandler,
    *,
    limit: int | None,
    stop_event: threading.Event | None,
) -> Generator[StreamRecord, None, None]:
    left = limit
    if left == 0:
        return

    with closing(_portal.iterate(lambda: source.record_batches(configured), stop=stop_event)) as batches:
        for lines in batches:
            for line in lines:
                if stop_event is not None and stop_event.is_set():
                    return

                data, emitted_at = decode_record(line)
                yield StreamRecord(data, stream_record_handler=handler, extracted_at=_moment(emitted_at))
                left = None if left is None else left - 1
                if left == 0:
                    return


def _moment(emitted_at: float) -> datetime | None:
    """Return the time of so many milliseconds since the epoch; None for a number that is no time."""
    try:
        return datetime.fromtimestamp(emitted_at / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
