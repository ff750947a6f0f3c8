"""Records as a caller of `get_records` sees them: decoded one by one, while the source runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from airbyte_exec import _portal
from airbyte_exec.aio.source import AsyncSource
from airbyte_exec.datasets import LazyDataset
from airbyte_exec.records import StreamRecord, StreamRecordHandler


class _Record(msgspec.Struct, gc=False):
    data: dict[str, Any]
    emitted_at: float


class _Line(msgspec.Struct, gc=False):
    record: _Record


_decode = msgspec.json.Decoder(_Line).decode


def decode_data(line: bytes) -> dict[str, Any]:
    """Return the `data` of a RECORD line, also where it holds NaN and the like."""
    try:
        return _decode(line).record.data
    except msgspec.MsgspecError:
        data: dict[str, Any] = json.loads(line)["record"]["data"]
        return data
