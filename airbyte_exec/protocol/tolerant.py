"""The second look at a line that the fast decoder refused.

The fast decoder is stricter than the JSON that connectors write: it refuses NaN, Infinity, lone surrogates and deep
nesting. All of these are messages and are forwarded untouched. Two ways around it, the fast one first:

- `plain` makes a copy of equal length that the fast decoder takes.
- `members` finds where the members of an object stand. It is slow and rarely called.

Lines are looked at as text in which a character is a byte (`as_characters`), so that a place in it is a place in the
line, and a line of 64 MiB with one emoji in it does not become 256 MiB.
"""

from __future__ import annotations

import codecs
import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in CPython, not in typeshed

MAX_DEPTH = 10_000
"""The deepest nesting of arrays and objects in a line, the message itself being the first."""

_UTF8_SLICE = 64 * 1024  # decoding a 64 MiB line at once would need up to 256 MiB beside it
_WALK_FROM = 8 * 1024 * 1024  # from here on the memory of `json`'s scanner, which builds every value, would count
_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'[ \t\r\n]*+(?:(?P<text>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<value>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null|NaN|-?Infinity)"
    r"|(?P<mark>[{}\[\],:]))"
)
_INTEGER = re.compile(r"-?[0-9]+")
# Each begins with letters, which the search finds fast. Inside a string the change does no harm.
_ODD = (
    (re.compile(rb"NaN(?<=[:\[, \t\r]NaN)(?=[ \t\r\n,\]}])"), b"9e9"),
    (re.compile(rb"Infinity(?:(?<=[:\[, \t\r]Infinity)|(?<=[:\[, \t\r]-Infinity))(?=[ \t\r\n,\]}])"), b"9e999999"),
    (re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"), rb"\ue9e9"),
)
_scanner = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class NotJsonError(ValueError):
    """The text is not JSON, even with the tolerance of this module, or not the message that it is meant to be."""


Span = tuple[int, int]


def utf8_error(data: bytes | memoryview) -> int | None:
    """Return where the first byte that is not UTF-8 stands, or None where there is none. It needs little memory."""
    if isinstance(data, bytes) and data.isascii():
        return None

    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    start = held = 0
    try:
        for start in range(0, len(data), _UTF8_SLICE):
            held = len(decoder.getstate()[0])
            decoder.decode(view[start : start + _UTF8_SLICE])

        start, held = len(data), len(decoder.getstate()[0])
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        return start - held + error.start

    return None


def plain(data: bytes) -> bytes | bytearray:
    """Return a copy of equal length in which nothing stands that only a tolerant decoder takes.

    It is JSON exactly where `data` is, every other byte is the same, and its newlines stand where they stood. A string
    in it may differ from the one in `data`: then `was_changed` says so. Where there is nothing to change it is `data`.
    """
    copy: bytearray | None = None
    for odd, replacement in _ODD:
        for found in odd.finditer(data):
            if copy is None:
                copy = bytearray(data)

            copy[found.start() : found.end()] = replacement

    return data if copy is None else copy


def was_changed(name: str | None) -> bool:
    """Say whether a string that was read from a `plain` copy may differ from the one in the line."""
    return name is not None and ("9e9" in name or "\ue9e9" in name)


def as_characters(line: bytes) -> str:
    """Return the line as a text in which each character is one byte."""
    return line.decode("latin-1")


def members(text: str, start: int = 0) -> dict[str, Span]:
    """Return where the value of each member of an object stands in the text: the last one of equal keys counts.

    Parameters:
        text: the text that holds the object, as `as_characters` gives it.
        start: where the object begins; what stands behind its end is the caller's to look at where this is not 0.

    Raises:
        NotJsonError: it is not a JSON object, or (with `start` 0) something follows it.
    """
    found: dict[str, Span] = {}
    at = skip_space(text, start)
    if text[at : at + 1] != "{":
        raise NotJsonError("not an object")

    at = skip_space(text, at + 1)
    if text[at : at + 1] == "}":
        at += 1
    else:
        at = _read_members(text, at, found)

    if start == 0 and skip_space(text, at) != len(text):
        raise NotJsonError(f"something follows the object at byte {at}")

    return found


def _read_members(text: str, at: int, found: dict[str, Span]) -> int:
    while True:
        if text[at : at + 1] != '"':
            raise NotJsonError(f"a key was expected at byte {at}")

        try:
            key, at = scanstring(text, at + 1, True)
        except json.JSONDecodeError as error:
            raise NotJsonError(f"{error.msg.removesuffix(' at')} at byte {error.pos}") from error

        at = skip_space(text, at)
        if text[at : at + 1] != ":":
            raise NotJsonError(f"a colon was expected at byte {at}")

        at = skip_space(text, at + 1)
        end = skip_value(text, at, room=MAX_DEPTH - 1)
        found[key] = (at, end)
        at = skip_space(text, end)
        mark = text[at : at + 1]
        if mark == "}":
            return at + 1

        if mark != ",":
            raise NotJsonError(f"a comma was expected at byte {at}")

        at = skip_space(text, at + 1)


def elements(text: str, span: Span) -> list[Span]:
    """Return where the elements of the array at the span stand.

    Raises:
        NotJsonError: no array stands there.
    """
    if text[span[0]] != "[":
        raise NotJsonError(f"an array was expected at byte {span[0]}")

    found = []
    at = skip_space(text, span[0] + 1)
    while text[at] != "]":
        end = skip_value(text, at)
        found.append((at, end))
        at = skip_space(text, end)
        at = skip_space(text, at + 1) if text[at] == "," else at

    return found


def skip_value(text: str, at: int, *, room: int = MAX_DEPTH) -> int:
    """Return where the JSON value that begins at `at` ends.

    Raises:
        NotJsonError: there is no value, or it nests deeper than `room`.
    """
    if len(text) - at > _WALK_FROM:
        return _walk(text, at, room)

    try:
        return _scanner.scan_once(text, at)[1]  # type: ignore[attr-defined, no-any-return]
    except StopIteration as error:
        raise NotJsonError(f"a value was expected at byte {error.value}") from error
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg.removesuffix(' at')} at byte {error.pos}") from error
    except RecursionError:
        return _walk(text, at, room)


def _walk(text: str, at: int, room: int) -> int:
    """Walk over a value of any depth and size with a stack of our own."""
    closers: list[str] = []
    expect = "value"
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            raise NotJsonError(f"no JSON at byte {at}")

        at = token.end()
        expect = _step(token, expect, closers)
        if len(closers) > room:
            raise NotJsonError(f"nested deeper than {MAX_DEPTH} at byte {at}")

        if not closers and expect == "next":
            return at


def _step(token: re.Match[str], expect: str, closers: list[str]) -> str:
    """Take one token and return what may follow it."""
    mark = token["mark"]
    if expect in ("value", "first") and mark in ("{", "["):
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

    raise NotJsonError(f"{mark or 'a value'} is out of place before byte {token.end()}")


def skip_space(text: str, at: int) -> int:
    """Return where the space of JSON that begins at `at` ends."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def as_text(text: str, span: Span) -> str | None:
    """Return the string that stands at the span, or None where another value stands there.

    Bytes that are not UTF-8 become U+FFFD: a line with such bytes is refused for them, whatever else it is.
    """
    if text[span[0]] != '"':
        return None

    value: str = json.loads(text[slice(*span)].encode("latin-1").decode(errors="replace"))
    return value


def is_integer(number: str) -> bool:
    """Say whether the JSON value is a whole number (`1`, `1.0`, `1e3`)."""
    if _INTEGER.fullmatch(number):
        return True

    try:
        return float(number).is_integer()
    except ValueError:
        return False
