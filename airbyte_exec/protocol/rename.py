"""Other names for streams and namespaces, in lines that otherwise stay as they are, byte for byte.

A name is exchanged where it stands; nothing is decoded and written again, so that big integers, decimals, NaN, the
order of keys and the spaces between them are kept. A `namespace` that goes away becomes `null`; one that comes is
written behind the name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.protocol.tolerant import NotJsonError, Span, as_characters, as_text, elements, members
from airbyte_exec.types import StreamId

_Edit = tuple[int, int, bytes]

_STREAM = re.compile(rb'("stream"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')
_NAMESPACE = re.compile(rb'("namespace"\s*:\s*)"[^"\\]*(?:\\.[^"\\]*)*"')


def rename_record(line: bytes, to: StreamId) -> bytes:
    """Return the RECORD line as one of another stream.

    Raises:
        NotJsonError: the line is no RECORD.
    """
    text = as_characters(line)
    record = members(text, _member(members(text), "record")[0])
    return _spliced(line, _edits(text, record, "stream", to))


def rename_records(records: Records, names: Mapping[StreamId, StreamId]) -> Records:
    """Return the run with the streams that `names` names called otherwise.

    Parameters:
        records: the run.
        names: the new identity of each stream that gets one; the others keep theirs.
    """
    changes = {stream: names[stream] for stream in records.counts if names.get(stream, stream) != stream}
    if not changes:
        return records

    counts: dict[StreamId, int] = {}
    for stream, count in records.counts.items():
        renamed = changes.get(stream, stream)
        counts[renamed] = counts.get(renamed, 0) + count

    if records.order is None:
        ((was, to),) = changes.items()
        data = _swapped(records.data, len(records), was, to)
        if data is None:
            data = b"".join(_renamed(line, was, to) for line in records.lines())

        return Records(data, counts)

    lines = [
        _renamed(line, stream, changes[stream]) if stream in changes else line
        for stream, line in zip(records.order, records.lines(), strict=True)
    ]
    order = tuple(changes.get(stream, stream) for stream in records.order) if len(counts) > 1 else None
    return Records(b"".join(lines), counts, order)


def rename_state(state: State, names: Mapping[StreamId, StreamId]) -> State:
    """Return the state with the streams that `names` names called otherwise; a LEGACY state names none.

    Parameters:
        state: a state, of any kind.
        names: the new identity of each stream that gets one; the others keep theirs.
    """
    if all(names.get(stream, stream) == stream for stream, _ in state.streams):
        return state

    text = as_characters(state.line)
    body = members(text, _member(members(text), "state")[0])
    edits: list[_Edit] = []
    for (stream, _), span in zip(state.streams, _stream_states(text, state, body), strict=True):
        if names.get(stream, stream) != stream:
            descriptor = members(text, _member(members(text, span[0]), "stream_descriptor")[0])
            edits += _edits(text, descriptor, "name", names[stream])

    return replace(parse_state(_spliced(state.line, edits)), position=state.position)


def _stream_states(text: str, state: State, body: dict[str, Span]) -> Iterator[Span]:
    if state.kind == "STREAM":
        yield _member(body, "stream")
    else:
        yield from elements(text, _member(members(text, _member(body, "global")[0]), "stream_states"))


def _member(found: dict[str, Span], key: str) -> Span:
    if key not in found:
        raise NotJsonError(f"it has no `{key}`")

    return found[key]


def _edits(text: str, found: dict[str, Span], key: str, to: StreamId) -> list[_Edit]:
    """Return what is to be changed in an object that names a stream by `key` and `namespace`."""
    start, end = _member(found, key)
    name = text[start:end].encode("latin-1") if as_text(text, (start, end)) == to.name else _quoted(to.name)
    if "namespace" in found:
        return [(start, end, name), (*found["namespace"], _quoted(to.namespace))]

    return [(start, end, name if to.namespace is None else name + b',"namespace":' + _quoted(to.namespace))]


def _spliced(line: bytes, edits: list[_Edit]) -> bytes:
    parts = []
    at = 0
    for start, end, new in sorted(edits):
        parts += [line[at:start], new]
        at = end

    return b"".join((*parts, line[at:]))


def _renamed(line: bytes, was: StreamId, to: StreamId) -> bytes:
    return _swapped(line, 1, was, to) or rename_record(line, to)


def _swapped(data: bytes, number: int, was: StreamId, to: StreamId) -> bytes | None:
    r"""Exchange the names in all lines at once, or return None where it cannot be told that nothing else is hit.

    Each of the lines is a record of the stream `was`, so that each has the key `"stream"` in its record, and
    `"namespace"` too if the stream has one. (Only `\u006.` and `\u007.` could spell them otherwise.) Where there are
    as many as lines, there is none elsewhere, neither in `data` nor in a text.
    """
    if data.count(b'"stream"') != number:
        return None

    if b"\\u00" in data and (b"\\u006" in data or b"\\u007" in data):
        return None

    if data.count(b'"namespace"') != (0 if was.namespace is None else number):
        return None

    pairs = [(_STREAM, _quoted(to.name))]
    if was.namespace is not None:
        pairs.append((_NAMESPACE, _quoted(to.namespace)))
    elif to.namespace is not None:
        pairs[0] = (_STREAM, _quoted(to.name) + b',"namespace":' + _quoted(to.namespace))

    for pattern, new in pairs:
        found = pattern.search(data)
        if found is None or (number > 1 and data.count(found[0]) != number):
            return None

        data = data.replace(found[0], found[1] + new)

    return data


def _quoted(name: str | None) -> bytes:
    return json.dumps(name).encode("ascii")
