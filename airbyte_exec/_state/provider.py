"""Saved state as callers read it: by stream, as messages, or as the text of a `--state` file."""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec import exceptions as exc
from airbyte_exec._state.document import input_document
from airbyte_exec._state.messages import changes_of
from airbyte_exec._state.store import Saved, merge_changes
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage, AirbyteStreamState

_NOTHING = Saved()


class StateProviderBase(abc.ABC):
    """Something that has state. A subclass of one's own says which messages it holds, oldest first."""

    @property
    @abc.abstractmethod
    def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        """The state as protocol messages; of two on one stream the later one counts."""

    @property
    def saved(self) -> Saved:
        """All that is known."""
        saved = _NOTHING
        for message in self._state_message_artifacts:
            saved = merge_changes(saved, changes_of(message, saved), now=saved.last_updated)

        return saved

    @property
    def state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        """The state as protocol messages."""
        return self._state_message_artifacts

    @property
    def known_stream_names(self) -> set[str]:
        """The names of the streams that have a state."""
        return {stream.name for stream, state in _states(self.saved) if state is not None}

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
        for stream, state in _states(self.saved):
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
        saved = self.saved
        streams = list(dict.fromkeys([*saved.streams, *(stream for stream, _ in _states(saved))]))
        # A document of no stream that is known is asked for by a name that nothing has.
        return (input_document(saved, streams or [StreamId("")]) or b"[]").decode()


class SavedStateProvider(StateProviderBase):
    """A snapshot of what is saved of one source and one destination.

    Parameters:
        saved: what the store knows, generations and positions included; None for nothing.
    """

    def __init__(self, saved: Saved | None) -> None:
        self._saved = saved or _NOTHING

    @property
    def saved(self) -> Saved:
        """All that is known, generations and positions included."""
        return self._saved

    @property
    def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        """As they would go into a `--state` file."""
        from airbyte_exec.protocol.models import AirbyteStateMessage

        if self._saved.kind == "LEGACY":
            return [AirbyteStateMessage.model_validate({"data": json.loads(self._saved.document or b"null")})]

        return [AirbyteStateMessage.model_validate(message) for message in json.loads(self.to_state_input_file_text())]


def _states(saved: Saved) -> Iterator[tuple[StreamId, dict[str, Any] | None]]:
    if saved.kind != "GLOBAL":
        for stream, known in saved.streams.items():
            yield stream, None if known.state is None else json.loads(known.state)

        return

    for entry in json.loads(saved.document or b"{}").get("stream_states", ()):
        descriptor = entry["stream_descriptor"]
        yield StreamId(descriptor["name"], descriptor.get("namespace")), entry.get("stream_state")
