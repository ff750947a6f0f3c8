"""The second look at a line that the fast decoder refused.

The fast decoder is stricter than the JSON that connectors write: it refuses NaN, Infinity, lone surrogates and deep
nesting. All of these are messages and are forwarded untouched. This module finds where the members of an object stand
in the text without changing them. It is slow and rarely called.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in CPython, not in typeshed
from typing import Any

import msgspec

from airbyte_exec.protocol.envelope import State, parse_state

MAX_DEPTH = 10_000
"""The deepest nesting of arrays and objects that a message may have."""

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'[ \t\r\n]*(?:(?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
    r"|(?P<value>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity)"
    r"|(?P<mark>[{}\[\],:]))"
)
_scanner = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class NotJsonError(ValueError):
    """The text is not JSON, even with the tolerance of this module."""


Span = tuple[int, int]


def members(text: str, start: int = 0) -> dict[str, Span]:
    """Return where the value of each member of an object stands in the text: the last one of equal keys counts.

    Parameters:
        text: the text that holds the object.
        start: where the object begins; what stands behind its end is the caller's to look at where this is not 0.

    Raises:
        NotJsonError: it is not a JSON object, or (with `start` 0) something follows it.
    """
    found: dict[str, Span] = {}
    at = _skip_space(text, start)
    if text[at : at + 1] != "{":
        raise NotJsonError("not an object")

    at = _skip_space(text, at + 1)
    if text[at : at + 1] == "}":
        at += 1
    else:
        at = _read_members(text, at, found)

    if start == 0 and _skip_space(text, at) != len(text):
        raise NotJsonError(f"something follows the object at character {at}")

    return found


def _read_members(text: str, at: int, found: dict[str, Span]) -> int:
    while True:
        if text[at : at + 1] != '"':
            raise NotJsonError(f"a key was expected at character {at}")

        try:
            key, at = scanstring(text, at + 1, True)
        except ValueError as error:
            raise NotJsonError(str(error)) from error

        at = _skip_space(text, at)
        if text[at : at + 1] != ":":
            raise NotJsonError(f"a colon was expected at character {at}")

        at = _skip_space(text, at + 1)
        end = skip_value(text, at)
        found[key] = (at, end)
        at = _skip_space(text, end)
        mark = text[at : at + 1]
        if mark == "}":
            return at + 1

        if mark != ",":
            raise NotJsonError(f"a comma was expected at character {at}")

        at = _skip_space(text, at + 1)


def skip_value(text: str, at: int) -> int:
    """Return where the JSON value that begins at `at` ends.

    Raises:
        NotJsonError: there is no value, or it nests deeper than `MAX_DEPTH`.
    """
    try:
        return _scanner.scan_once(text, at)[1]  # type: ignore[attr-defined, no-any-return]
    except StopIteration as error:
        raise NotJsonError(f"a value was expected at character {error.value}") from error
    except ValueError as error:
        raise NotJsonError(str(error)) from error
    except RecursionError:
        return _skip_deep(text, at)


def _skip_deep(text: str, at: int) -> int:
    """Walk over a value of any depth with a stack of our own."""
    closers: list[str] = []
    expect = "value"
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            raise NotJsonError(f"no JSON at character {at}")

        at = token.end()
        expect = _step(token, expect, closers, at)
        if not closers and expect == "next":
            return at


def _step(token: re.Match[str], expect: str, closers: list[str], at: int) -> str:
    """Take one token and return what may follow it."""
    mark = token["mark"]
    if expect in ("value", "first") and mark in ("{", "["):
        if len(closers) == MAX_DEPTH:
            raise NotJsonError(f"nested deeper than {MAX_DEPTH}")

        closers.append("}" if mark == "{" else "]")
        return "first-key" if mark == "{" else "first"

    if expect in ("value", "first") and mark is None:
        return "next"

    if expect in ("key", "first-key") and token["text"] is not None:
        return "colon"

    if expect == "colon" and mark == ":":
        return "value"

    if expect in ("next", "first", "first-key") and closers and mark == closers[-1]:
        closers.pop()
        return "next"

    if expect == "next" and mark == "," and closers:
        return "key" if closers[-1] == "}" else "value"

    raise NotJsonError(f"{token[0].strip()!r} was not expected before character {at}")


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def as_text(text: str, span: Span) -> str | None:
    """Return the string that stands at the span, or None where another value stands there."""
    try:
        value = json.loads(text[slice(*span)])
    except (ValueError, RecursionError):
        return None

    return value if isinstance(value, str) else None


def is_integer(text: str, span: Span) -> bool:
    """Say whether a whole number stands at the span (`1`, `1.0`, `1e3`)."""
    try:
        value: Any = float(text[slice(*span)])
    except ValueError:
        return False

    return bool(value.is_integer()) and text[span[0]] != '"'


def parse_odd_state(line: bytes, text: str, payload: Span) -> State:
    """Return the STATE of a line that holds NaN, lone surrogates or deep nesting.

    The black boxes are replaced by placeholders, the rest is decoded as usual, and the texts are put back.

    Raises:
        NotJsonError: it is not a STATE as the protocol has it.
    """
    boxes: list[bytes] = []

    def shield(span: Span) -> str:
        boxes.append(text[slice(*span)].encode())
        return str(len(boxes) - 1)

    body = members(text, payload[0])
    parts = {key: text[slice(*span)] for key, span in body.items() if key in ("type", "sourceStats", "destinationStats")}
    if "data" in body:
        parts["data"] = shield(body["data"])

    if text[slice(*body.get("stream", (0, 0)))].startswith("{"):
        parts["stream"] = _shield_stream(text, body["stream"], shield)

    if text[slice(*body.get("global", (0, 0)))].startswith("{"):
        parts["global"] = _shield_global(text, body["global"], shield)

    plain = ",".join(f"{json.dumps(key)}:{value}" for key, value in parts.items())
    try:
        state = parse_state(f'{{"type":"STATE","state":{{{plain}}}}}'.encode())
    except msgspec.MsgspecError as error:
        raise NotJsonError(str(error)) from error

    def unshield(box: bytes | None) -> bytes | None:
        return None if box is None or boxes[int(box)] == b"null" else boxes[int(box)]

    whole = text[slice(*body["global"])].encode() if state.kind == "GLOBAL" else unshield(state.body)
    streams = tuple((stream, unshield(box)) for stream, box in state.streams)
    return State(
        line, state.kind, streams, whole, state.source_count, state.destination_count, state.rejected_count
    )


def _shield_stream(text: str, span: Span, shield: Any) -> str:
    inner = members(text, span[0])
    parts = []
    if "stream_descriptor" in inner:
        parts.append('"stream_descriptor":' + text[slice(*inner["stream_descriptor"])])

    if "stream_state" in inner:
        parts.append('"stream_state":' + shield(inner["stream_state"]))

    return "{" + ",".join(parts) + "}"


def _shield_global(text: str, span: Span, shield: Any) -> str:
    inner = members(text, span[0])
    states = []
    at = inner.get("stream_states", (0, 0))[0]
    if text[at : at + 1] == "[":
        at = _skip_space(text, at + 1)
        while text[at : at + 1] == "{":
            end = skip_value(text, at)
            states.append(_shield_stream(text, (at, end), shield))
            at = _skip_space(text, end)
            at = _skip_space(text, at + 1) if text[at : at + 1] == "," else at

    return '{"stream_states":[' + ",".join(states) + "]}"
