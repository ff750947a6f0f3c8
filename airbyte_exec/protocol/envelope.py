"""The items that a stream of lines becomes.

A run of RECORD lines is one item, `Records`, however long it is: nothing that is done per item is done per record.
Records and states keep the bytes that the connector wrote. This module knows no newline logic (see `codec`), no
process and no SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteMessage

StateKind: TypeAlias = Literal["STREAM", "GLOBAL", "LEGACY"]


@dataclass(slots=True)
class Records:
    """A run of RECORD lines.

    Parameters:
        data: the whole lines, each ending in a newline, as the connector wrote them.
        counts: how many there are of each stream.
        order: the stream of each line; None where all of them are of one stream.
    """

    data: bytes
    counts: dict[StreamId, int]
    order: tuple[StreamId, ...] | None = None

    def __len__(self) -> int:
        return sum(self.counts.values())

    def lines(self) -> list[bytes]:
        """Return the lines one by one, each with its newline."""
        return self.data.splitlines(keepends=True) if b"\r" not in self.data else _split(self.data)

    def by_stream(self) -> Iterator[tuple[StreamId, bytes, int]]:
        """Yield stream, lines and count; the order of the lines is kept within a stream."""
        if self.order is None:
            (stream, count), *_ = self.counts.items()
            yield stream, self.data, count
            return

        groups: dict[StreamId, list[bytes]] = {stream: [] for stream in self.counts}
        for stream, line in zip(self.order, self.lines(), strict=True):
            groups[stream].append(line)

        for stream, lines in groups.items():
            yield stream, b"".join(lines), len(lines)

    def only(self, wanted: frozenset[StreamId]) -> Records | None:
        """Return the lines of the wanted streams, or None where there are none."""
        if wanted.issuperset(self.counts):
            return self

        counts = {stream: count for stream, count in self.counts.items() if stream in wanted}
        if not counts or self.order is None:
            return None

        kept = [(s, line) for s, line in zip(self.order, self.lines(), strict=True) if s in wanted]
        order = tuple(stream for stream, _ in kept) if len(counts) > 1 else None
        return Records(b"".join(line for _, line in kept), counts, order)


@dataclass(slots=True)
class State:
    """One STATE line.

    Parameters:
        line: the line as it came, ending in a newline.
        kind: STREAM, GLOBAL, or LEGACY where the message has no type.
        streams: the streams that it speaks of, each with the JSON text of its `stream_state` (None where it has none).
        body: the JSON text of the `stream_state` (STREAM), the `global` object (GLOBAL) or `data` (LEGACY).
        source_count: `sourceStats.recordCount`.
        destination_count: `destinationStats.recordCount`.
        rejected_count: `destinationStats.rejectedRecordCount`.
        position: where it stands in the journal of a cache, if it comes from there.
        line_no: the number of the line on the connector's stdout, from 1; 0 where it comes from elsewhere.
    """

    line: bytes
    kind: StateKind
    streams: tuple[tuple[StreamId, bytes | None], ...]
    body: bytes | None
    source_count: float | None = None
    destination_count: float | None = None
    rejected_count: float | None = None
    position: int | None = None
    line_no: int = field(default=0, compare=False)


@dataclass(slots=True)
class Message:
    """One line of any other type, such as LOG or TRACE."""

    type: str
    line: bytes
    content: AirbyteMessage

    def decode(self) -> AirbyteMessage:
        """Return the message as a model."""
        return self.content


@dataclass(slots=True)
class Noise:
    """A line that is no message.

    Parameters:
        line: the line as it came.
        rule: the id of the rule in `protocol/README.md`: `line.text`, `line.no-message` or `line.unknown-type`.
        type: the type that nobody knows, for `line.unknown-type`.
    """

    line: bytes
    rule: str
    type: str | None = None


@dataclass(slots=True)
class Malformed:
    """A line that was meant as a message and cannot be one.

    Parameters:
        line: the exact bytes.
        reason: what is wrong with it.
        line_no: the number of the line on the connector's stdout, from 1.
        type: the message type, as far as it can be told.
        stream: the stream, as far as it can be told.
        is_error: the line is a TRACE ERROR: it counts as one, however broken it is.
        rule: the id of the rule in `protocol/README.md`: `line.malformed`, `line.utf8`, `line.glued` or, for half a
            message at the end of the output, `line.last`.
    """

    line: bytes
    reason: str
    line_no: int = 0
    type: str | None = None
    stream: str | None = None
    is_error: bool = False
    rule: str = "line.malformed"


Item: TypeAlias = Records | State | Message | Noise | Malformed


class _Descriptor(Struct, gc=False):
    name: str
    namespace: str | None = None


class _StreamState(Struct, gc=False):
    stream_descriptor: _Descriptor
    stream_state: Raw = Raw()


class _GlobalState(Struct, gc=False):
    stream_states: list[_StreamState]
    shared_state: Raw = Raw()


class _Stats(Struct, gc=False):
    recordCount: float | None = None  # noqa: N815 - the wire's own name
    rejectedRecordCount: float | None = None  # noqa: N815


class _StateBody(Struct, gc=False):
    type: Literal["STREAM", "GLOBAL", "LEGACY"] | None = None
    stream: Raw = Raw()
    global_: Raw = msgspec.field(name="global", default=Raw())
    data: Raw = Raw()
    sourceStats: _Stats | None = None  # noqa: N815
    destinationStats: _Stats | None = None  # noqa: N815


class _StateEnvelope(Struct, gc=False):
    state: _StateBody


_decode_state = msgspec.json.Decoder(_StateEnvelope).decode
_decode_stream_state = msgspec.json.Decoder(_StreamState).decode
_decode_global_state = msgspec.json.Decoder(_GlobalState).decode


def parse_state(line: bytes) -> State:
    """Return the STATE that the line holds.

    Raises:
        ValueError: it is not a STATE as the protocol has it (`tolerant.NotJsonError`).
    """
    try:
        return parse_plain_state(line)
    except (msgspec.MsgspecError, RecursionError):
        from airbyte_exec.protocol.odd_state import parse_odd_line  # a rare way, and it builds on this module

        return parse_odd_line(line)


def parse_plain_state(line: bytes) -> State:
    """Return the STATE that the line holds, if it holds no NaN, no lone surrogate and no deep nesting.

    Raises:
        msgspec.MsgspecError: it is not a STATE as the protocol has it, or holds such.
        RecursionError: it is nested deep.
    """
    body = _decode_state(line).state
    raw: bytes | None
    if body.type == "STREAM":
        states = [_decode_stream_state(body.stream)]
        raw = _text(states[0].stream_state)
    elif body.type == "GLOBAL":
        states = _decode_global_state(body.global_).stream_states
        raw = bytes(body.global_)
    elif bytes(body.data):
        states, raw = [], _text(body.data)
    else:
        raise msgspec.ValidationError("a state without a type must have `data`")

    source, sink = body.sourceStats or _Stats(), body.destinationStats or _Stats()
    return State(
        line,
        body.type or "LEGACY",
        tuple((StreamId(*_names(s.stream_descriptor)), _text(s.stream_state)) for s in states),
        raw,
        source.recordCount,
        sink.recordCount,
        sink.rejectedRecordCount,
    )


def _names(descriptor: _Descriptor) -> tuple[str, str | None]:
    return descriptor.name, descriptor.namespace


def _text(raw: Raw) -> bytes | None:
    text = bytes(raw)
    return None if text in (b"", b"null") else text


def _split(data: bytes) -> list[bytes]:
    """Split at newlines alone: `splitlines` would split at a carriage return too."""
    lines = data.split(b"\n")
    lines.pop()
    return [line + b"\n" for line in lines]
