"""Saved state as callers read it: by stream, as messages, or as the text of a `--state` file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec import exceptions as exc
from airbyte_exec._state.document import input_document
from airbyte_exec._state.store import Saved
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage, AirbyteStreamState

_NOTHING = Saved()


class SavedStateProvider:
    """A snapshot of what is saved of one source and one destination.

    Parameters:
        saved: what the store knows; None for nothing.
    """

    def __init__(self, saved: Saved | None) -> None:
        self._saved = saved or _NOTHING

    @property
    def saved(self) -> Saved:
        """All that is known, generations and positions included."""
        return self._saved

    @property
    def known_stream_names(self) -> set[str]:
        """The names of the streams that have a state."""
        return {stream.name for stream, state in self._states() if state is not None}

    @property
    def state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        """The state as protocol messages, as they would go into a `--state` file."""
        from airbyte_exec.protocol.models import AirbyteStateMessage

        if self._saved.kind == "LEGACY":
            return [AirbyteStateMessage.model_validate({"data": json.loads(self._saved.document or b"null")})]

        return [AirbyteStateMessage.model_validate(message) for message in json.loads(self.to_state_input_file_text())]

    @property
    def stream_state_artifacts(self) -> list[AirbyteStreamState]:
        """The states of the single streams; empty for GLOBAL and LEGACY state."""
        return [message.stream for message in self.state_message_artifacts if message.stream is not None]

    def get_stream_state(self, stream_name: str, /, not_found: Literal["raise"] | Any = "raise") -> dict[str, Any]:
        """Return the state of one stream, by its name.

        Parameters:
            stream_name: the stream.
            not_found: what to return where there is none; `"raise"` raises.

        Raises:
            AirbyteStateNotFoundError: there is none.
        """
        for stream, state in self._states():
            if stream.name == stream_name and state is not None:
                return state

        if not_found != "raise":
            return not_found  # type: ignore[no-any-return]  # the caller's own value

        raise exc.AirbyteStateNotFoundError(
            message=f"There is no state of stream {stream_name!r}.",
            stream_name=stream_name,
            available_streams=sorted(self.known_stream_names),
        )

    def to_state_input_file_text(self) -> str:
        """Return the text of the `--state` file for all streams; an empty list where there is no state."""
        streams = list(dict.fromkeys([*self._saved.streams, *(stream for stream, _ in self._states())]))
        return (input_document(self._saved, streams) or b"[]").decode()

    def _states(self) -> Iterator[tuple[StreamId, dict[str, Any] | None]]:
        if self._saved.kind != "GLOBAL":
            for stream, known in self._saved.streams.items():
                yield stream, None if known.state is None else json.loads(known.state)

            return

        for entry in json.loads(self._saved.document or b"{}").get("stream_states", ()):
            descriptor = entry["stream_descriptor"]
            yield StreamId(descriptor["name"], descriptor.get("namespace")), entry.get("stream_state")
