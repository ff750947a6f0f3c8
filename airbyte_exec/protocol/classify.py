"""What one line is: a message, noise, or a message that is broken. The rules stand in `protocol/README.md`."""

from __future__ import annotations

import re

import msgspec

from airbyte_exec.protocol.envelope import (
    PAYLOAD_KEYS,
    AnyObject,
    Item,
    Line,
    Malformed,
    Message,
    Noise,
    RecordHead,
    RecordLine,
    StateLine,
    parse_state,
)
from airbyte_exec.protocol.tolerant import (
    NotJsonError,
    Span,
    as_text,
    is_integer,
    members,
    parse_odd_state,
)

_decode_line = msgspec.json.Decoder(Line).decode

_TYPES = "|".join(PAYLOAD_KEYS).encode()
_TYPE_SAID = re.compile(rb'"type"\s*:\s*"(' + _TYPES + rb')"')
_MEANT = re.compile(
    rb'"type"\s*:\s*"(?:' + _TYPES + rb')"'  # the type of a message, wherever it stands in the line
    rb'|^\s*\{\s*"(?:type"\s*:\s*(?:"[A-Z_]*)?$|record"\s*:|state"\s*:)'  # the beginning of a message
    rb'|"emitted_at"\s*:\s*[0-9]'  # the end of a record
)
_STREAM_SAID = re.compile(rb'"(?:stream|name)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ERROR_SAID = re.compile(rb'"type"\s*:\s*"TRACE".*"type"\s*:\s*"ERROR"', re.DOTALL)


def classify(
    line: bytes, line_no: int, *, known: bool = False, cut_off: bool = False
) -> RecordLine | Item | None:
    """Return what the line is; None for a blank one.

    Parameters:
        line: the line with its newline.
        line_no: its number, for a malformed one.
        known: the fast decoder has already taken it, and it is valid UTF-8.
        cut_off: the output ended in it without a newline.
    """
    if not known and not line.strip():
        return None

    try:
        envelope = _decode_line(line)
        valid = known or _is_text(line)
        if valid and type(envelope) is RecordLine:
            return envelope

        if valid and type(envelope) is StateLine:
            return parse_state(line)

        if valid:
            return _message(line, line_no, str(envelope.__struct_config__.tag))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass

    return _look_again(line, line_no, cut_off)


def _is_text(line: bytes) -> bool:
    try:
        line.isascii() or line.decode()
    except UnicodeDecodeError:
        return False

    return True


def _look_again(line: bytes, line_no: int, cut_off: bool) -> RecordLine | Item:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        if _MEANT.search(line) or line.lstrip().startswith(b"{"):
            return _malformed(line, line_no, f"invalid UTF-8 at byte {error.start}")

        return Noise(line, "line.text")

    try:
        top = members(text)
    except NotJsonError as error:
        if _MEANT.search(line) or (cut_off and line.lstrip().startswith(b"{")):
            what = "the output ends in half a message" if cut_off else f"not JSON: {error}"
            return _malformed(line, line_no, what)

        return Noise(line, "line.no-message" if _is_json(text) else "line.text")

    return _of_object(line, line_no, text, top)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False

    return True


def _of_object(line: bytes, line_no: int, text: str, top: dict[str, Span]) -> RecordLine | Item:
    kind = as_text(text, top["type"]) if "type" in top else None
    if kind is None:
        broken = next((key for key in ("record", "state") if key in top and text[top[key][0]] == "{"), None)
        if broken is not None or ("type" in top and any(key in top for key in PAYLOAD_KEYS.values())):
            return _malformed(line, line_no, "it has no type")

        return Noise(line, "line.no-message")

    if kind not in PAYLOAD_KEYS:
        return Noise(line, "line.unknown-type", kind)

    payload = top.get(PAYLOAD_KEYS[kind])
    if payload is None or text[payload[0]] != "{":
        return _malformed(line, line_no, f"a {kind} needs an object {PAYLOAD_KEYS[kind]!r}", kind)

    try:
        if kind == "RECORD":
            return _odd_record(text, members(text, payload[0]))

        if kind == "STATE":
            return parse_odd_state(line, text, payload)
    except NotJsonError as error:
        return _malformed(line, line_no, str(error), kind)

    return _message(line, line_no, kind)


def _odd_record(text: str, record: dict[str, Span]) -> RecordLine:
    stream = as_text(text, record["stream"]) if "stream" in record else None
    if stream is None:
        raise NotJsonError("a RECORD needs a text `stream`")

    if "data" not in record or text[record["data"][0]] != "{":
        raise NotJsonError("a RECORD needs an object `data`")

    if "emitted_at" not in record or not is_integer(text, record["emitted_at"]):
        raise NotJsonError("a RECORD needs a whole number `emitted_at`")

    span = record.get("namespace")
    namespace = None if span is None or text[slice(*span)] == "null" else as_text(text, span)
    if namespace is None and span is not None and text[slice(*span)] != "null":
        raise NotJsonError("the `namespace` of a RECORD must be a text")

    return RecordLine(RecordHead(stream, AnyObject(), 0, namespace))


def _message(line: bytes, line_no: int, kind: str) -> Message | Malformed:
    from pydantic import ValidationError

    from airbyte_exec.protocol.models import AirbyteMessage

    try:
        return Message(kind, line, AirbyteMessage.model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        return _malformed(line, line_no, f"{where}: {first['msg']}", kind)


def _malformed(line: bytes, line_no: int, reason: str, kind: str | None = None) -> Malformed:
    said = _TYPE_SAID.search(line)
    stream = _STREAM_SAID.search(line)
    return Malformed(
        line,
        reason,
        line_no,
        kind or (said[1].decode() if said else None),
        stream[1].decode(errors="replace") if stream else None,
        is_error=_ERROR_SAID.search(line) is not None,
    )
