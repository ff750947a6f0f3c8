"""What a line is by `json.loads` and the rules of `protocol/README.md`: what the codec is held against."""

from __future__ import annotations

import json
from typing import Any

from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.envelope import Malformed, Noise
from airbyte_exec.protocol.lines import PAYLOAD_KEYS

UNLIKE_JSON = {
    "an integer of more than 4,300 digits": b"7" * 5000,
    "arrays deeper than Python recurses": b"[" * 9000 + b"]" * 9000,
}
"""What is taken in a RECORD or a STATE though `json.loads` refuses it. There is nothing the other way round."""


def is_taken(line: bytes) -> bool:
    """Say whether the codec takes a line (without its newline) for a message."""
    return not isinstance(classify(line + b"\n", 1), Noise | Malformed | None)


def as_json_says(line: bytes) -> bool:
    """Say whether `json.loads` and the rules of the README make the line a message."""
    try:
        message = json.loads(line.decode())
    except ValueError:  # not JSON, or not UTF-8
        return False

    return isinstance(message, dict) and is_message(message)


def is_message(message: dict[str, Any]) -> bool:
    """Say whether a JSON object is a RECORD, a STATE or a LOG by the rules."""
    kind = message.get("type")
    payload = message.get(PAYLOAD_KEYS[kind]) if isinstance(kind, str) and kind in PAYLOAD_KEYS else None
    if not isinstance(payload, dict):
        return False

    if kind == "RECORD":
        emitted_at, namespace = payload.get("emitted_at"), payload.get("namespace")
        whole = type(emitted_at) is int or (isinstance(emitted_at, float) and emitted_at.is_integer())
        return (
            isinstance(payload.get("stream"), str)
            and isinstance(payload.get("data"), dict)
            and isinstance(namespace, str | None)
            and whole
        )

    if kind == "STATE":
        return is_state(payload)

    log = payload
    return log.get("level") in ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE") and isinstance(
        log.get("message"), str
    )


def is_state(state: dict[str, Any]) -> bool:
    """Say whether the payload of a STATE is one."""
    if not all(map(_are_stats, (state.get("sourceStats"), state.get("destinationStats")))):
        return False

    match state.get("type"):
        case "STREAM":
            return _is_stream_state(state.get("stream"))
        case "GLOBAL":
            body = state.get("global")
            states = body.get("stream_states") if isinstance(body, dict) else None
            return isinstance(states, list) and all(map(_is_stream_state, states))
        case kind:
            return kind in (None, "LEGACY") and "data" in state


def _is_stream_state(body: Any) -> bool:
    descriptor = body.get("stream_descriptor") if isinstance(body, dict) else None
    return (
        isinstance(descriptor, dict)
        and isinstance(descriptor.get("name"), str)
        and isinstance(descriptor.get("namespace"), str | None)
    )


def _are_stats(body: Any) -> bool:
    if body is None:
        return True

    counts = (body.get("recordCount"), body.get("rejectedRecordCount")) if isinstance(body, dict) else (False,)
    return all(isinstance(count, int | float | None) and not isinstance(count, bool) for count in counts)
