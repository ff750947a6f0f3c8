"""Lines and bytes as a connector may write them, for the tests of the codec."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.codec import MAX_LINE, LineDecoder
from airbyte_exec.protocol.envelope import Item, Malformed, Message, Noise, Records, State
from airbyte_exec.protocol.lines import RecordLine
from airbyte_exec.types import StreamId

RECORD = b'{"type":"RECORD","record":{"stream":"users","data":{"id":1},"emitted_at":1}}'
STATE = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}'
LOG = b'{"type":"LOG","log":{"level":"INFO","message":"hello"}}'

ODD = [
    b"",
    b" ",
    b"\r",
    b"\t \r",
    b"plain text",
    b"caf\xe9",
    b"42",
    b"{}",
    b"[1,2",
    b"{",
    b"}",
    b"}{",
    b"\x00",
    b"\xef\xbb\xbf" + RECORD,
    b"DEBUG " + RECORD,
    RECORD + b" done",
    RECORD + RECORD,
    RECORD + b" " + RECORD,
    RECORD + STATE,
    RECORD[:-1],
    RECORD[:40],
    RECORD + b"}",
    RECORD.replace(b'{"id":1}', b'{"id":{}'),
    b',"x":1}' + RECORD[1:],
    b'{"x":1}}',
    RECORD.replace(b"1}}", b"1.0}}"),
    RECORD.replace(b"1}}", b"1.5}}"),
    RECORD.replace(b'{"id":1}', b"[]"),
    RECORD.replace(b"users", b"9e9").replace(b"1}", b"NaN}", 1),
    RECORD.replace(b"users", b"u\xff"),
    RECORD.replace(b":1}}", b':"\xff"}}'),
    RECORD.replace(b"1}", b"NaN}", 1),
    RECORD.replace(b"1}", b"-Infinity }", 1),
    RECORD.replace(b"1}", b"-NaN}", 1),
    RECORD.replace(b"1}", b'"\\ud800"}', 1),
    RECORD.replace(b"1}", b'"\xff"}', 1),
    RECORD.replace(b"1}", b'"\xe2\x80\xa8"}', 1),
    RECORD.replace(b"1}", b"[" * 1200 + b"]" * 1200 + b"}", 1),
    STATE.replace(b'"}}', b'"},"stream_state":NaN}', 1),
    b'{"type":"FOO"}',
    b'{"type":"TRACE","trace":{"type":"ERROR"}}',
    b'{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1}}',
    b'{"type":"LOG","log":{}}',
]
"""Lines that are no plain message, and some that look like the joint of two."""

names = st.sampled_from(["users", "orders", "größe", "a b", 'q"\\', "\U0001f600", "", "9e9"])
namespaces = st.sampled_from([None, None, None, "public", ""])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # NaN and Infinity are among them
    | st.text(max_size=8)
    | st.sampled_from(["}\r{", "\ud800", ":NaN,", '"}', "\\", "\u2028"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
data = st.dictionaries(st.text(max_size=4), values, max_size=3)


def dumped(value: Any, *, ascii_only: bool) -> bytes:
    """Return the value as JSON; what no UTF-8 can hold is escaped."""
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") if ascii_only else escaped(text).encode()


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    record = {"stream": draw(names), "data": draw(data), "emitted_at": draw(st.integers())}
    if (namespace := draw(namespaces)) is not None or draw(st.booleans()):
        record["namespace"] = namespace

    keys = draw(st.permutations(list(record)))
    return dumped({"type": "RECORD", "record": {key: record[key] for key in keys}}, ascii_only=draw(st.booleans()))


def _mutated(parts: tuple[bytes, int, bytes]) -> bytes:
    line, at, piece = parts
    at %= len(line)
    return line[:at] + piece.replace(b"\n", b"") + line[at + 1 :]


broken = st.tuples(
    st.sampled_from([RECORD, STATE, LOG]),
    st.integers(min_value=0),
    st.sampled_from(
        [b"", b"{", b"}", b'"', b",", b"[", b"]", b"\\", b"NaN", b"\xff", b"}{", b"\x00", b" ", b"0", b"-"]
    ),
).map(_mutated)
lines = st.sampled_from(ODD) | st.sampled_from([RECORD, STATE, LOG]) | records() | broken


@st.composite
def outputs(draw: st.DrawFn) -> list[bytes]:
    """Return lines with their endings; most of them are plain records, as in life."""
    found: list[bytes] = []
    for line in draw(st.lists(lines, max_size=12)):
        found += [RECORD + b"\n"] * draw(st.integers(min_value=0, max_value=3))
        found.append(line + draw(st.sampled_from([b"\n", b"\n", b"\r\n"])))

    return found


def one_by_one(given: Sequence[bytes]) -> list[Item]:
    """Return what each line is by itself, runs of records joined."""
    found: list[Item] = []
    for number, line in enumerate(given, 1):
        item = classify(line, number)
        if isinstance(item, RecordLine):
            stream = StreamId(item.record.stream, item.record.namespace)
            found.append(Records(line, {stream: 1}))
        elif item is not None:
            found.append(item)

    return joined(found)


def joined(items: Sequence[Item]) -> list[Item]:
    """Return the items with neighbouring runs made one: where a run is cut has no meaning."""
    found: list[Item] = []
    for item in items:
        last = found[-1] if found else None
        if isinstance(item, Records) and isinstance(last, Records):
            order = (*streams_of(last), *streams_of(item))
            counts = {stream: order.count(stream) for stream in dict.fromkeys(order)}
            found[-1] = Records(last.data + item.data, counts, order if len(counts) > 1 else None)
        else:
            found.append(item)

    return found


def streams_of(run: Records) -> tuple[StreamId, ...]:
    return run.order if run.order is not None else tuple(run.counts) * len(run)


def bytes_of(item: Item) -> bytes:
    match item:
        case Records():
            return item.data
        case State() | Message() | Noise() | Malformed():
            return item.line


def fed(pieces: Sequence[bytes], *, max_line: int = MAX_LINE) -> list[Item]:
    decoder = LineDecoder(max_line=max_line)
    found = [item for piece in pieces for item in decoder.feed(piece)]
    return found + decoder.end()
