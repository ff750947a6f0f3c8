"""States that a program puts into a cache by itself.

They look as if PyAirbyte had written them, and so does what they speak of. Where the program wrote the rows by a load
of ours, this is noted with the state: the journal has them.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import TYPE_CHECKING

from airbyte_exec._state.messages import wire_line
from airbyte_exec._state.store import Pair
from airbyte_exec.caches import _mirror
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._layout import EXEC_INFO
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
        of_journal: the journal has the rows that the states speak of.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[Registry]], pair: Pair, *, of_journal: bool = False
    ) -> None:
        super().__init__()
        self._connect = connect
        self._pair = pair
        self._of_journal = of_journal

    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        state, text = parse_state(wire_line(state_message)), state_message.to_bytes().decode("ascii")
        with (
            database_errors("The state could not be written."),
            self._connect() as registry,
            transaction(registry.connection),
        ):
            name = _mirror.put(registry, self._pair, state, text)
            if self._of_journal:
                _note(registry, self._pair.source_name, name, text)


def of_journal(registry: Registry, source_name: str, names: Collection[str]) -> set[str]:
    """Return those of the names whose state in PyAirbyte's table speaks of rows that the journal has."""
    keys = {_key(registry, source_name, name): name for name in names}
    noted = registry.connection.execute(
        f"SELECT name, value FROM {registry.named(EXEC_INFO)} WHERE list_contains(?, name)", [list(keys)]
    ).fetchall()
    texts = _mirror.read(registry, Pair(source_name, None, ""))
    return {keys[key] for key, digest in noted if bytes(digest) == _digest(texts.get(keys[key], ""))}


def _note(registry: Registry, source_name: str, name: str, text: str) -> None:
    table, key = registry.named(EXEC_INFO), _key(registry, source_name, name)
    registry.connection.execute(f"DELETE FROM {table} WHERE name = ?", [key])
    registry.connection.execute(f"INSERT INTO {table} VALUES (?, ?)", [key, _digest(text)])


def _key(registry: Registry, source_name: str, name: str) -> str:
    return "state " + json.dumps([registry.table_prefix, source_name, name])


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
