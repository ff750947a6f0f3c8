"""A STATE that the fast decoder refuses: it holds NaN, lone surrogates or deep nesting.

The same rules as `envelope.parse_state`, on the places that `tolerant.members` finds.
"""

from __future__ import annotations

import json

from airbyte_exec.protocol.envelope import State, StateKind
from airbyte_exec.protocol.tolerant import NotJsonError, Span, as_characters, as_text, elements, members
from airbyte_exec.types import StreamId

_Members = dict[str, Span]


def parse_odd_line(line: bytes) -> State:
    """Return the STATE that the line holds; its `type` is not looked at.

    Raises:
        NotJsonError: it is not a STATE as the protocol has it.
    """
    text = as_characters(line)
    return parse_odd_state(line, text, _object(text, members(text), "state"))


def parse_odd_state(line: bytes, text: str, payload: Span) -> State:
    """Return the STATE that the line holds.

    Parameters:
        line: the line.
        text: the same, as `tolerant.as_characters` gives it.
        payload: where its `state` object stands.

    Raises:
        NotJsonError: it is not a STATE as the protocol has it.
    """
    body = members(text, payload[0])
    kind = _kind(text, body)
    whole: bytes | None
    if kind == "STREAM":
        streams: tuple[tuple[StreamId, bytes | None], ...] = (_stream_state(line, text, _object(text, body, "stream")),)
        whole = streams[0][1]
    elif kind == "GLOBAL":
        span = _object(text, body, "global")
        inner = members(text, span[0])
        if "stream_states" not in inner:
            raise NotJsonError("a GLOBAL state needs `stream_states`")

        streams = tuple(_stream_state(line, text, at) for at in elements(text, inner["stream_states"]))
        whole = line[slice(*span)]
    elif "data" in body:
        streams, whole = (), _box(line, body["data"])
    else:
        raise NotJsonError("a state without a type must have `data`")

    source, sink = _stats(text, body, "sourceStats"), _stats(text, body, "destinationStats")
    counts = (
        _number(text, source, "recordCount"),
        _number(text, sink, "recordCount"),
        _number(text, sink, "rejectedRecordCount"),
    )
    _number(text, source, "rejectedRecordCount")
    return State(line, kind, streams, whole, *counts)


def _kind(text: str, body: _Members) -> StateKind:
    kinds: tuple[StateKind, ...] = ("STREAM", "GLOBAL", "LEGACY")
    if _is_null(text, body.get("type")):
        return "LEGACY"

    said = as_text(text, body["type"])
    for kind in kinds:
        if said == kind:
            return kind

    raise NotJsonError("the `type` of a STATE must be STREAM, GLOBAL or LEGACY")


def _stream_state(line: bytes, text: str, span: Span) -> tuple[StreamId, bytes | None]:
    if text[span[0]] != "{":
        raise NotJsonError("the state of a stream must be an object")

    inner = members(text, span[0])
    descriptor = members(text, _object(text, inner, "stream_descriptor")[0])
    name = as_text(text, descriptor["name"]) if "name" in descriptor else None
    if name is None:
        raise NotJsonError("a `stream_descriptor` needs a text `name`")

    namespace = None
    if not _is_null(text, descriptor.get("namespace")):
        namespace = as_text(text, descriptor["namespace"])
        if namespace is None:
            raise NotJsonError("the `namespace` of a `stream_descriptor` must be a text")

    box = _box(line, inner["stream_state"]) if "stream_state" in inner else None
    return StreamId(name, namespace), box


def _object(text: str, body: _Members, key: str) -> Span:
    if key not in body or text[body[key][0]] != "{":
        raise NotJsonError(f"a STATE needs an object `{key}`")

    return body[key]


def _stats(text: str, body: _Members, key: str) -> _Members:
    return {} if _is_null(text, body.get(key)) else members(text, _object(text, body, key)[0])


def _number(text: str, stats: _Members, key: str) -> float | None:
    span = stats.get(key)
    if span is None or _is_null(text, span):
        return None

    value = json.loads(text[slice(*span)], parse_int=float)
    if not isinstance(value, float):
        raise NotJsonError(f"`{key}` must be a number")

    return value


def _box(line: bytes, span: Span) -> bytes | None:
    value = line[slice(*span)]
    return None if value == b"null" else value


def _is_null(text: str, span: Span | None) -> bool:
    return span is None or text[slice(*span)] == "null"
