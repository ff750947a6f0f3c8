"""State that a program holds in its hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airbyte_exec._state.provider import SavedStateProvider, StateProviderBase
from airbyte_exec._state.store import Saved

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage

__all__ = ["JoinedStateProvider", "SavedStateProvider", "StateProviderBase", "StaticInputState"]


class StaticInputState(StateProviderBase):
    """State that is given as messages.

    Parameters:
        from_state_messages: the messages, oldest first.
    """

    def __init__(self, from_state_messages: Sequence[AirbyteStateMessage]) -> None:
        self._messages = list(from_state_messages)

    @property
    def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        return self._messages


class JoinedStateProvider(StateProviderBase):
    """The state of one provider, and where it has none of a stream, that of another.

    State that is of no single stream (GLOBAL, LEGACY) is taken whole, from the first that has any state.

    Parameters:
        primary: asked first.
        secondary: asked where the first has nothing.
    """

    def __init__(self, /, primary: StateProviderBase, secondary: StateProviderBase) -> None:
        self._primary = primary
        self._secondary = secondary

    @property
    def saved(self) -> Saved:
        """All that is known."""
        first, second = self._primary.saved, self._secondary.saved
        if first.kind is None:
            return second

        if first.kind != "STREAM" or second.kind != "STREAM":
            return first

        own = {stream: known for stream, known in first.streams.items() if known.state is not None}
        return replace(first, streams={**first.streams, **second.streams, **own})

    @property
    def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        return SavedStateProvider(self.saved).state_message_artifacts
