"""What one line is: a message, noise, or a message that is broken. The rules stand in `protocol/README.md`."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import msgspec

from airbyte_exec.protocol.envelope import Item, Malformed, Message, Noise, parse_plain_state
from airbyte_exec.protocol.lines import PAYLOAD_KEYS, AnyObject, Line, OddRecordLine, RecordHead, RecordLine, StateLine
from airbyte_exec.protocol.odd_state import parse_odd_state
from airbyte_exec.protocol.tolerant import (
    NotJsonError,
    Span,
    as_characters,
    as_text,
    is_integer,
    members,
    plain,
    skip_space,
    skip_value,
    utf8_error,
    was_changed,
)

_decode_line = msgspec.json.Decoder(Line).decode
_decode_odd_line = msgspec.json.Decoder(OddRecordLine | StateLine).decode  # a union: else `type` could be missing

_TYPES = "|".join(PAYLOAD_KEYS).encode()
_TYPE_SAID = re.compile(rb'"type"\s*:\s*"(' + _TYPES + rb')"')
_MEANT = re.compile(
    rb'"type"\s*:\s*"(?:' + _TYPES + rb')"'  # the type of a message, wherever it stands in the line
    rb'|^\s*\{\s*"(?:[a-zA-Z_]*\s*$|type"\s*:?\s*(?:"[A-Z_]*)?$|record"\s*:|state"\s*:)'  # the beginning of a message
    rb'|"emitted_at"\s*:\s*[0-9]'  # the end of a record
)
_OPENS = re.compile(rb"[ \t\r]*\{")
_STRING = rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")'  # possessive: to go back in a long one would take many times its size
_STREAM_SAID = re.compile(rb'"stream"\s*:\s*' + _STRING, re.DOTALL)
_DESCRIPTOR_SAID = re.compile(rb'"stream_descriptor"\s*:\s*\{[^{}]*?"name"\s*:\s*' + _STRING, re.DOTALL)
_TRACE_TYPE_SAID = re.compile(rb'"type"\s*:\s*"(ERROR|ESTIMATE|STREAM_STATUS|ANALYTICS)"')

_TELLING = {
    "record": ("stream", "data", "emitted_at"),
    "state": ("type", "stream", "global", "data"),
    "trace": ("type", "error"),
    "control": ("connectorConfig",),
    "connectionStatus": ("status",),
    "spec": ("connectionSpecification",),
    "catalog": ("streams",),
    "destination_catalog": ("operations",),
}
"""What tells a message that lost its type from a structured log line: such lines have a `record` or a `trace`, too."""


def classify(line: bytes, line_no: int, *, cut_off: bool = False) -> RecordLine | Item | None:
    """Return what the line is; None for a blank one.

    Parameters:
        line: the line with its newline.
        line_no: its number, for a malformed one and for a state.
        cut_off: the output ended in it without a newline; one was added.
    """
    if line.isspace():
        return None

    at = utf8_error(line)
    if at is not None:
        return _look_again(line, line_no, cut_off, at)

    try:
        envelope = _decode_line(line)
        if isinstance(envelope, RecordLine):
            return envelope

        if isinstance(envelope, StateLine):
            state = parse_plain_state(line)
            state.line_no = line_no
            return state

        return _message(line, line_no, str(envelope.__struct_config__.tag))
    except (msgspec.MsgspecError, RecursionError):
        return _look_again(line, line_no, cut_off, None)


def _look_again(line: bytes, line_no: int, cut_off: bool, bad_byte: int | None) -> RecordLine | Item:
    try:
        record = _odd_record_line(line)
        if record is not None and bad_byte is None:
            return record

        text = as_characters(line)
        top = members(text)
    except NotJsonError as error:
        return _not_json(line, line_no, cut_off, bad_byte, str(error))

    kind = as_text(text, top["type"]) if "type" in top else None
    if kind is None:
        return _without_type(line, line_no, text, top)

    if kind not in PAYLOAD_KEYS:
        return Noise(line, "line.unknown-type", kind)

    if bad_byte is not None:
        return _not_utf8(line, line_no, bad_byte, kind)

    return _of_type(line, line_no, text, kind, top.get(PAYLOAD_KEYS[kind]))


def _odd_record_line(line: bytes) -> RecordLine | None:
    """Take a RECORD with NaN, lone surrogates or `1.0` for `emitted_at` the fast way, if it can be.

    Raises:
        NotJsonError: it is not JSON, and no slower way would say otherwise.
    """
    try:
        odd = _decode_odd_line(plain(line))
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return None
    except msgspec.DecodeError as error:
        raise NotJsonError(str(error)) from error

    if not isinstance(odd, OddRecordLine):
        return None

    head = odd.record
    emitted_at = bytes(head.emitted_at).decode(errors="replace")  # it is taken as bytes that nobody has looked at
    if not is_integer(emitted_at) or any(was_changed(text) for text in (emitted_at, head.stream, head.namespace)):
        return None

    return RecordLine(RecordHead(head.stream, head.data, 0, head.namespace))


def _not_json(line: bytes, line_no: int, cut_off: bool, bad_byte: int | None, reason: str) -> Malformed | Noise:
    """Return what a line is that is no JSON object."""
    opens = _OPENS.match(line) is not None
    if _MEANT.search(line) is None and not (cut_off and opens):
        return Noise(line, "line.no-message" if bad_byte is None and _is_json(line) else "line.text")

    if not opens and _TYPE_SAID.search(line):
        return _malformed(line, line_no, "noise before a message", rule="line.glued")

    if cut_off:
        return _malformed(line, line_no, "the output ends in half a message", rule="line.last")

    return _malformed(line, line_no, reason) if bad_byte is None else _not_utf8(line, line_no, bad_byte)


def _is_json(line: bytes) -> bool:
    text = as_characters(line)
    try:
        return skip_space(text, skip_value(text, skip_space(text, 0))) == len(text)
    except NotJsonError:
        return False


def _without_type(line: bytes, line_no: int, text: str, top: dict[str, Span]) -> Malformed | Noise:
    for kind, key in PAYLOAD_KEYS.items():
        if key in top and text[top[key][0]] == "{" and key in _TELLING:
            inner = members(text, top[key][0])
            if any(field in inner for field in _TELLING[key]):
                is_error = kind == "TRACE" and _is_error(text, top[key])
                return _malformed(line, line_no, "it has no type", kind=kind, is_error=is_error)

    return Noise(line, "line.no-message")


def _of_type(line: bytes, line_no: int, text: str, kind: str, payload: Span | None) -> RecordLine | Item:
    is_error = kind == "TRACE" and _is_error(text, payload)
    if payload is None or text[payload[0]] != "{":
        reason = f"a {kind} needs an object `{PAYLOAD_KEYS[kind]}`"
        return _malformed(line, line_no, reason, kind=kind, is_error=is_error)

    if kind == "RECORD":
        record = members(text, payload[0])
        stream = as_text(text, record["stream"]) if "stream" in record else None
        try:
            return _odd_record(text, record, stream)
        except NotJsonError as error:
            return Malformed(line, str(error), line_no, kind, stream)

    if kind == "STATE":
        try:
            return replace(parse_odd_state(line, text, payload), line_no=line_no)
        except NotJsonError as error:
            return _malformed(line, line_no, str(error), kind=kind, is_error=False)

    return _message(line, line_no, kind)


def _odd_record(text: str, record: dict[str, Span], stream: str | None) -> RecordLine:
    if stream is None:
        raise NotJsonError("a RECORD needs a text `stream`")

    if "data" not in record or text[record["data"][0]] != "{":
        raise NotJsonError("a RECORD needs an object `data`")

    if "emitted_at" not in record or not is_integer(text[slice(*record["emitted_at"])]):
        raise NotJsonError("a RECORD needs a whole number `emitted_at`")

    span = record.get("namespace")
    namespace = None if span is None else as_text(text, span)
    if namespace is None and span is not None and text[slice(*span)] != "null":
        raise NotJsonError("the `namespace` of a RECORD must be a text")

    return RecordLine(RecordHead(stream, AnyObject(), 0, namespace))


def _message(line: bytes, line_no: int, kind: str) -> Message | Malformed:
    from pydantic import ValidationError

    from airbyte_exec.protocol.models import AirbyteMessage

    try:
        return Message(kind, line, AirbyteMessage.from_bytes(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        reason = str(error)

    text = as_characters(line)
    is_error = kind == "TRACE" and _is_error(text, members(text).get("trace"))
    return _malformed(line, line_no, reason, kind=kind, is_error=is_error)


def _is_error(text: str, trace: Span | None) -> bool:
    """Say whether a TRACE that is broken is an ERROR: it is, unless it says that it is something else."""
    if trace is None or text[trace[0]] != "{":
        return True

    kind = members(text, trace[0]).get("type")
    return kind is None or text[kind[0]] != '"' or text[slice(*kind)] == '"ERROR"'


def _not_utf8(line: bytes, line_no: int, bad_byte: int, kind: str | None = None) -> Malformed:
    return _malformed(line, line_no, f"it is not UTF-8 at byte {bad_byte}", rule="line.utf8", kind=kind)


def _malformed(
    line: bytes,
    line_no: int,
    reason: str,
    *,
    rule: str = "line.malformed",
    kind: str | None = None,
    is_error: bool | None = None,
) -> Malformed:
    if kind is None:
        said = _TYPE_SAID.search(line)
        kind = said[1].decode() if said else None

    if is_error is None:
        types = set(_TRACE_TYPE_SAID.findall(line))
        is_error = b'"TRACE"' in line and (b"ERROR" in types or not types)

    stream = _STREAM_SAID.search(line) if kind in ("RECORD", None) else _DESCRIPTOR_SAID.search(line)
    return Malformed(line, reason, line_no, kind, _unquoted(stream[1]) if stream else None, is_error, rule)


def _unquoted(quoted: bytes) -> str:
    text = quoted.decode(errors="replace")
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]
