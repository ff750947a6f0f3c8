"""Saved state as callers read it: by stream, as messages, or as the text of a `--state` file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec import exceptions as exc
from airbyte_exec._state.document import input_document
from airbyte_exec._state.store import Saved

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
        entries = json.loads(self._saved.document or b"{}").get("stream_states", ()) if self._is_global else ()
        names = {entry["stream_descriptor"]["name"] for entry in entries}
        return names | {stream.name for stream, known in self._saved.streams.items() if known.state is not None}

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
        for stream, known in self._saved.streams.items():
            if stream.name == stream_name and known.state is not None:
                found: dict[str, Any] = json.loads(known.state)
                return found

        if not_found != "raise":
            return not_found  # type: ignore[no-any-return]  # the caller's own value

        raise exc.AirbyteStateNotFoundError(
            message=f"There is no state of stream {stream_name!r}.",
            stream_name=stream_name,
            available_streams=sorted(self.known_stream_names),
        )

    def to_state_input_file_text(self) -> str:
        """Return the text of the `--state` file for all streams; an empty list where there is no state."""
        return (input_document(self._saved, list(self._streams())) or b"[]").decode()

    @property
    def _is_global(self) -> bool:
        return self._saved.kind == "GLOBAL"

    def _streams(self) -> Iterable[Any]:
        if not self._is_global:
            return self._saved.streams or ((None,) if self._saved.document else ())

        from airbyte_exec.types import StreamId

        entries = json.loads(self._saved.document or b"{}").get("stream_states", ())
        found = [StreamId(e["stream_descriptor"]["name"], e["stream_descriptor"].get("namespace")) for e in entries]
        return found or (None,)
