"""State in the tables that PyAirbyte reads and writes, beside ours.

They hold one message a stream, or one under a name of its own for what is of no stream. They are written whenever ours
are. A message that is not the one which was written last comes from PyAirbyte, and is the newer one.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import msgspec

from airbyte_exec._state.messages import changes_of_state
from airbyte_exec._state.store import Changes, Pair, Saved, merge_changes
from airbyte_exec.caches._layout import DESTINATION_STATE, STATE
from airbyte_exec.caches._registry import Registry
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.protocol.envelope import State, parse_state
from airbyte_exec.types import StreamId

GLOBAL = "_GLOBAL"
LEGACY = "_LEGACY"
"""PyAirbyte's names for what is of no stream."""


class Mirror:
    """Writes the state of one pair into PyAirbyte's table, many times; what is in it is read once.

    Parameters:
        registry: the cache, with the connection that is used.
        pair: whose state it is.
    """

    def __init__(self, registry: Registry, pair: Pair) -> None:
        self._registry = registry
        self._pair = pair
        self._names: set[str] | None = None
        self._tables: dict[StreamId, str] = {}

    def write(self, saved: Saved, before: Mapping[str, str]) -> dict[str, str]:
        """Write what is new, and return what is in the table by the names that PyAirbyte uses.

        Parameters:
            saved: what is known of the pair.
            before: what was returned last.
        """
        found = before
        if self._names is None:
            found = read(self._registry, self._pair)  # what we wrote last may have been written over since
            self._names = set(found)
            self._tables = self._registry.tables(self._pair.source_name)

        messages = self._messages(saved)
        for name, message in messages.items():
            if name not in self._names:
                _write(self._registry, self._pair, name, message)
            elif found.get(name) != message:
                _rewrite(self._registry, self._pair, name, message)

        # What else is there may be of another config, of which this table knows nothing.
        ours = {GLOBAL, LEGACY, *before, *(stream.name for stream in saved.streams)} & self._names
        delete(self._registry, self._pair, ours - messages.keys())
        self._names = (self._names - ours) | messages.keys()
        return messages

    def _messages(self, saved: Saved) -> dict[str, str]:
        if saved.kind == "GLOBAL" and saved.document is not None:
            return {GLOBAL: f'{{"type":"GLOBAL","global":{saved.document.decode()}}}'}

        if saved.kind == "LEGACY" and saved.document is not None:
            return {LEGACY: f'{{"type":"LEGACY","data":{saved.document.decode()}}}'}

        messages = {}
        for stream, known in saved.streams.items():
            table = self._tables.get(stream)
            hidden = stream.namespace is not None and StreamId(stream.name) in saved.streams
            hidden = hidden or (table is not None and table != self._registry.plain_table(stream))
            # PyAirbyte would take the state of a complete full refresh for a cursor, and read nothing more.
            if known.state is None or hidden or (known.full_refresh and known.complete):
                continue

            descriptor = {"name": stream.name} if stream.namespace is None else stream._asdict()
            body = f'"stream_descriptor":{json.dumps(descriptor)},"stream_state":{known.state.decode()}'
            messages[stream.name] = f'{{"type":"STREAM","stream":{{{body}}}}}'

        return messages


def put(registry: Registry, pair: Pair, state: State, text: str) -> str:
    """Write a state as PyAirbyte does, and return its name there: it is newer than ours from then on.

    Parameters:
        state: the state.
        text: its message, without the envelope.
    """
    kinds = {"GLOBAL": GLOBAL, "LEGACY": LEGACY}
    name = kinds.get(state.kind) or state.streams[0][0].name
    _write(registry, pair, name, text)
    return name


def _write(registry: Registry, pair: Pair, name: str, message: str) -> None:
    now = datetime.now(UTC)
    update = "DO UPDATE SET state_json = excluded.state_json, last_updated = excluded.last_updated"
    if pair.destination_name is None:
        registry.connection.execute(
            f"INSERT INTO {registry.named(STATE)} (source_name, stream_name, table_name, state_json, last_updated) "
            f"VALUES (?, ?, ?, ?, ?) ON CONFLICT (table_name) {update}, source_name = excluded.source_name",
            [pair.source_name, name, registry.table_prefix + name, message, now],
        )
    else:
        registry.connection.execute(
            f"INSERT INTO {registry.named(DESTINATION_STATE)} "
            "(destination_name, source_name, stream_name, state_json, last_updated) "
            f"VALUES (?, ?, ?, ?, ?) ON CONFLICT (destination_name, source_name, stream_name) {update}",
            [pair.destination_name, pair.source_name, name, message, now],
        )


def _rewrite(registry: Registry, pair: Pair, name: str, message: str) -> None:
    """Write a state that is there, in half of the time that asking whether it is there takes."""
    now = datetime.now(UTC)
    if pair.destination_name is None:
        registry.connection.execute(
            f"UPDATE {registry.named(STATE)} SET state_json = ?, last_updated = ? "
            "WHERE source_name = ? AND table_name = ?",
            [message, now, pair.source_name, registry.table_prefix + name],
        )
    else:
        registry.connection.execute(
            f"UPDATE {registry.named(DESTINATION_STATE)} SET state_json = ?, last_updated = ? "
            "WHERE source_name = ? AND destination_name = ? AND stream_name = ?",
            [message, now, pair.source_name, pair.destination_name, name],
        )


def read(registry: Registry, pair: Pair) -> dict[str, str]:
    """Return the states that are in PyAirbyte's table, by the names that it uses."""
    if pair.destination_name is None:
        rows = registry.connection.execute(
            f"SELECT stream_name, state_json FROM {registry.named(STATE)} WHERE source_name = ? "
            "AND table_name = ? || stream_name",
            [pair.source_name, registry.table_prefix],
        ).fetchall()
    else:
        rows = registry.connection.execute(
            f"SELECT stream_name, state_json FROM {registry.named(DESTINATION_STATE)} "
            "WHERE source_name = ? AND destination_name = ?",
            [pair.source_name, pair.destination_name],
        ).fetchall()

    return {name: text for name, text in rows if text}


def delete(registry: Registry, pair: Pair, names: Collection[str]) -> None:
    """Remove states from PyAirbyte's table."""
    for name in names:
        if pair.destination_name is None:
            registry.connection.execute(
                f"DELETE FROM {registry.named(STATE)} WHERE source_name = ? AND table_name = ?",
                [pair.source_name, registry.table_prefix + name],
            )
        else:
            registry.connection.execute(
                f"DELETE FROM {registry.named(DESTINATION_STATE)} "
                "WHERE source_name = ? AND destination_name = ? AND stream_name = ?",
                [pair.source_name, pair.destination_name, name],
            )


def pairs(registry: Registry) -> list[Pair]:
    """Return the pairs that PyAirbyte has a state of; it cannot tell one config from another."""
    rows = registry.connection.execute(
        f"SELECT DISTINCT source_name, NULL FROM {registry.named(STATE)} WHERE table_name = ? || stream_name "
        f"UNION ALL SELECT DISTINCT source_name, destination_name FROM {registry.named(DESTINATION_STATE)}",
        [registry.table_prefix],
    ).fetchall()
    return [Pair(source, destination, "") for source, destination in rows]


def merged(saved: Saved, messages: Mapping[str, str]) -> Saved:
    """Return what is known when the states that PyAirbyte wrote are the newer ones."""
    for text in messages.values():
        saved = merge_changes(saved, _changes(saved, text), now=saved.last_updated or time.time())

    return saved


def _changes(saved: Saved, text: str) -> Changes:
    try:
        # PyAirbyte writes every field of its model, and `global` under the name that the model has for it.
        body = {name: value for name, value in json.loads(text).items() if value is not None}
        if "global_" in body:
            body["global"] = body.pop("global_")

        state = parse_state(json.dumps({"type": "STATE", "state": body}).encode())
    except (ValueError, msgspec.MsgspecError) as error:
        raise PyAirbyteStateError(message="A state that PyAirbyte wrote cannot be read.", log_text=text) from error

    return changes_of_state(state, saved)
