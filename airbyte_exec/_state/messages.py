"""State messages as changes of what is saved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airbyte_exec._state.store import Changes, Saved, StreamSaved
from airbyte_exec.protocol.envelope import State, parse_state

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage


def changes_of(message: AirbyteStateMessage, saved: Saved) -> Changes:
    """Return what a message changes; what else is known of its streams stays."""
    return changes_of_state(parse_state(wire_line(message)), saved)


def changes_of_state(state: State, saved: Saved) -> Changes:
    """Return what a STATE changes; what else is known of its streams stays."""
    before = {stream: saved.streams.get(stream, StreamSaved()) for stream, _ in state.streams}
    if state.kind == "STREAM":
        return Changes("STREAM", {stream: replace(before[stream], state=body) for stream, body in state.streams})

    return Changes(state.kind, before, state.body)


def wire_line(message: AirbyteStateMessage) -> bytes:
    """Return the message as the line that a connector sends."""
    return b'{"type":"STATE","state":' + message.to_bytes() + b"}\n"
