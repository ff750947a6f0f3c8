"""Where a program puts states that it got by itself; each writer also provides what was written."""

from __future__ import annotations

import abc
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from airbyte_exec._state.messages import changes_of, wire_line
from airbyte_exec._state.provider import SavedStateProvider, StateProviderBase
from airbyte_exec._state.store import Saved, merge_changes

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage

__all__ = ["NoOpStateWriter", "StateWriterBase", "StdOutStateWriter"]


class StateWriterBase(StateProviderBase, abc.ABC):
    """Takes states, one after the other."""

    def __init__(self) -> None:
        self._saved = Saved()

    @property
    def saved(self) -> Saved:
        """What was written, by stream."""
        return self._saved

    @property
    def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
        return SavedStateProvider(self._saved).state_message_artifacts

    @final
    def write_state(self, state_message: AirbyteStateMessage) -> None:
        """Write a state; it counts as written when this returns.

        Raises:
            PyAirbyteStateError: it cannot be written.
        """
        self._write_state(state_message)
        self._saved = merge_changes(self._saved, changes_of(state_message, self._saved), now=0.0)

    @abc.abstractmethod
    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        """Put a state where this writer puts states."""


class StdOutStateWriter(StateWriterBase):
    """Writes each state to stdout as a STATE line, as a destination does."""

    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        sys.stdout.write(wire_line(state_message).decode("ascii"))
        sys.stdout.flush()


class NoOpStateWriter(StateWriterBase):
    """Keeps states in memory alone."""

    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        """Do nothing more."""
