"""States that a program puts into a cache by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from airbyte_exec._state.messages import wire_line
from airbyte_exec._state.store import Pair
from airbyte_exec.caches import _mirror
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._state import transaction
from airbyte_exec.protocol.envelope import parse_state
from airbyte_exec.shared.state_writers import StateWriterBase

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteStateMessage


class ProgramStateWriter(StateWriterBase):
    """Writes states to where PyAirbyte keeps them: the next sync, with whatever config, goes on from them.

    Parameters:
        connect: opens the database; the tables are there.
        pair: the source and the destination, by their names.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Registry]], pair: Pair) -> None:
        super().__init__()
        self._connect = connect
        self._pair = pair

    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        state, text = parse_state(wire_line(state_message)), state_message.to_bytes().decode("ascii")
        with (
            database_errors("The state could not be written."),
            self._connect() as registry,
            transaction(registry.connection),
        ):
            _mirror.put(registry, self._pair, state, text)
