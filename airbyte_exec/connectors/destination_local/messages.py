"""What this process says on stdout: one JSON message a line, and states given back as they came."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Literal, TypeAlias

from airbyte_exec.connectors.destination_local.failure import FailureType

Level: TypeAlias = Literal["ERROR", "WARN", "INFO", "DEBUG"]


def say(message: dict[str, Any]) -> None:
    """Write one message to stdout."""
    write_lines([json.dumps(message).encode() + b"\n"])


def write_lines(lines: list[bytes]) -> None:
    """Write whole lines to stdout, past any buffer: what was said must not be lost with the process."""
    rest = memoryview(b"".join(lines))
    while rest:
        rest = rest[os.write(1, rest) :]


def log(level: Level, message: str) -> None:
    """Say a LOG message."""
    say({"type": "LOG", "log": {"level": level, "message": message}})


def trace_error(
    message: str,
    *,
    failure_type: FailureType,
    internal_message: str | None = None,
    stack_trace: str | None = None,
    stream: dict[str, Any] | None = None,
) -> None:
    """Say a TRACE ERROR."""
    error: dict[str, Any] = {"message": message, "failure_type": failure_type}
    more = {"internal_message": internal_message, "stack_trace": stack_trace, "stream_descriptor": stream}
    error |= {key: value for key, value in more.items() if value is not None}
    say({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": time.time() * 1000, "error": error}})


def with_destination_stats(line: bytes, records: int) -> bytes:
    """Return a STATE line with `destinationStats.recordCount` in it; every other byte stays as it was.

    Counts are whole numbers with a decimal point on the wire.
    """
    from airbyte_exec.protocol.tolerant import members

    stats = f'{{"recordCount":{records}.0}}'
    text = line.decode()
    start, end = members(text)["state"]
    inner = members(text, start)
    if "destinationStats" in inner:
        start, end = inner["destinationStats"]
        return (text[:start] + stats + text[end:]).encode()

    # `end` stands behind the closing brace; a STATE that is empty never comes as far as here.
    return (text[: end - 1] + f',"destinationStats":{stats}' + text[end - 1 :]).encode()
