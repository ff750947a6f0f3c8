"""State in a database: a `StateStore` that the tables of a cache hold.

What PyAirbyte's tables can say is written there as well, and read from there: a state in its table that is not the one
which was last mirrored into it was written by PyAirbyte since, and is the newer one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from airbyte_exec._state.store import Changes, Pair, Saved, StreamSaved, merge_changes
from airbyte_exec.caches._registry import DESTINATION_STATE, EXEC_STATE, STATE, Registry
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.protocol.envelope import parse_state
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GLOBAL = "_GLOBAL"
LEGACY = "_LEGACY"
"""PyAirbyte's names for what is of no stream."""


@dataclass(slots=True)
class _Row:
    pair: Pair
    saved: Saved
    mirrored: dict[str, str] = field(default_factory=dict)


class SqlStateStore:
    """A `StateStore` in the tables of a cache. Each call opens the database for itself.

    Parameters:
        connect: opens the database; the tables are there.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Registry]]) -> None:
        self._connect = connect
        self._salt: bytes | None = None

    @property
    def salt(self) -> bytes:
        """The key of the digests of configs in this store: made at random when the store is made."""
        if self._salt is None:
            with self._connect() as registry:
                self._salt = registry.info("salt")

        return self._salt

    def load(self, pair: Pair) -> Saved | None:
        """Return what is known of the pair, also where one of its keys is an alias of the saved one."""
        with self._connect() as registry:
            return load(registry, pair)

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        with self._connect() as registry, transaction(registry.connection):
            save(registry, pair, changes)

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        with self._connect() as registry, transaction(registry.connection):
            row = _find(_rows(registry, pair.source_name, pair.destination_name), pair)
            known = row.saved if row is not None else _foreign(registry, pair)
            if known is None:
                return

            gone = set(known.streams if streams is None else streams)
            _forget_foreign(registry, pair, gone, everything=streams is None)
            if row is not None:
                _delete(registry, row.pair)
                if streams is not None:
                    kept = {stream: saved for stream, saved in row.saved.streams.items() if stream not in gone}
                    _insert(registry, replace_row(row, streams=kept))

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        with self._connect() as registry:
            own = [row.pair for row in _rows(registry)]
            named = {(pair.source_name, pair.destination_name) for pair in own}
            return own + [pair for pair in _foreign_pairs(registry) if (pair.source_name, pair.destination_name) not in named]


class transaction:  # noqa: N801 - reads as a noun in a `with`, as in every database library
    """Commits at the end of the block, or rolls back where it raises."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN TRANSACTION")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def load(registry: Registry, pair: Pair) -> Saved | None:
    """Return what is known of the pair; see `StateStore.load`."""
    rows = _rows(registry, pair.source_name, pair.destination_name)
    row = _find(rows, pair)
    if row is None:
        return None if rows else _foreign(registry, pair)

    return _with_foreign(registry, row)


def save(registry: Registry, pair: Pair, changes: Changes) -> None:
    """Write changes within the transaction that the connection is in."""
    rows = _rows(registry, pair.source_name, pair.destination_name)
    row = _find(rows, pair)
    before = _with_foreign(registry, row) if row is not None else None if rows else _foreign(registry, pair)
    saved = merge_changes(before, changes, now=time.time())
    mirrored = _mirror(registry, pair, saved, dict(row.mirrored) if row is not None else {})
    if row is not None:
        _delete(registry, row.pair)

    _insert(registry, _Row(row.pair if row is not None else pair, saved, mirrored))


def replace_row(row: _Row, *, streams: dict[StreamId, StreamSaved]) -> _Row:
    return _Row(row.pair, replace(row.saved, streams=streams), row.mirrored)


def _rows(registry: Registry, source_name: str | None = None, destination_name: str | None = None) -> list[_Row]:
    query = (
        "SELECT destination_name, source_name, source_key, destination_key, kind, document, aliases, streams, mirrored, "
        f"epoch(last_updated) FROM {registry.named(EXEC_STATE)} WHERE table_prefix = "
        "CASE WHEN destination_name IS NULL THEN ? ELSE '' END"
    )
    parameters: list[Any] = [registry.table_prefix]
    if source_name is not None:
        query += " AND source_name = ? AND destination_name IS NOT DISTINCT FROM ?"
        parameters += [source_name, destination_name]

    return [_row(*values) for values in registry.connection.execute(query, parameters).fetchall()]


def _row(
    destination: str | None,
    source: str,
    source_key: str,
    destination_key: str,
    kind: Any,
    document: str | None,
    aliases: str,
    streams: str,
    mirrored: str,
    last_updated: float,
) -> _Row:
    try:
        known = {
            StreamId(entry.pop("name"), entry.pop("namespace")): StreamSaved(
                state=_bytes(entry.pop("state")), **entry
            )
            for entry in json.loads(streams)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise PyAirbyteStateError(
            message="The state in the cache cannot be read.", context={"source": source, "destination": destination}
        ) from error

    saved = Saved(kind, known, _bytes(document), frozenset(json.loads(aliases)), last_updated)
    return _Row(Pair(source, destination, source_key, destination_key), saved, json.loads(mirrored))


def _find(rows: Iterable[_Row], pair: Pair) -> _Row | None:
    rows = list(rows)
    for row in rows:
        if row.pair == pair:
            return row

    for row in rows:
        keys = {row.pair.source_key, row.pair.destination_key, *row.saved.aliases}
        if pair.source_key in keys and pair.destination_key in keys:
            return row

    return None


def _insert(registry: Registry, row: _Row) -> None:
    pair, saved = row.pair, row.saved
    streams = [
        {"name": stream.name, "namespace": stream.namespace, **asdict(known), "state": _text(known.state)}
        for stream, known in saved.streams.items()
    ]
    registry.connection.execute(
        f"INSERT INTO {registry.named(EXEC_STATE)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, to_timestamp(?))",
        [
            *(pair.destination_name, pair.source_name, pair.source_key, pair.destination_key),
            *(_prefix(registry, pair), saved.kind, _text(saved.document), json.dumps(sorted(saved.aliases))),
            *(json.dumps(streams), json.dumps(row.mirrored), saved.last_updated),
        ],
    )


def _delete(registry: Registry, pair: Pair) -> None:
    registry.connection.execute(
        f"DELETE FROM {registry.named(EXEC_STATE)} WHERE table_prefix = ? AND source_name = ? AND "
        "destination_name IS NOT DISTINCT FROM ? AND source_key = ? AND destination_key = ?",
        [_prefix(registry, pair), pair.source_name, pair.destination_name, pair.source_key, pair.destination_key],
    )


def _prefix(registry: Registry, pair: Pair) -> str:
    return registry.table_prefix if pair.destination_name is None else ""


def _text(state: bytes | None) -> str | None:
    return None if state is None else state.decode()


def _bytes(state: str | None) -> bytes | None:
    return None if state is None else state.encode()


# PyAirbyte's tables


def _mirror(registry: Registry, pair: Pair, saved: Saved, before: dict[str, str]) -> dict[str, str]:
    """Write what is new into PyAirbyte's table, and return what is in it by the names that it uses."""
    messages = _messages(registry, pair, saved)
    for name, message in messages.items():
        if before.get(name) != message:
            _write_foreign(registry, pair, name, message)

    gone = before.keys() - messages.keys()
    if gone:
        _delete_foreign(registry, pair, gone)

    return messages


def _messages(registry: Registry, pair: Pair, saved: Saved) -> dict[str, str]:
    if saved.kind == "GLOBAL" and saved.document is not None:
        return {GLOBAL: f'{{"type":"GLOBAL","global":{saved.document.decode()}}}'}

    if saved.kind == "LEGACY" and saved.document is not None:
        return {LEGACY: f'{{"type":"LEGACY","data":{saved.document.decode()}}}'}

    tables = {e.stream: e for e in registry.streams() if e.source_name == pair.source_name}
    messages = {}
    for stream, known in saved.streams.items():
        entry = tables.get(stream)
        hidden = stream.namespace is not None and StreamId(stream.name) in saved.streams
        hidden = hidden or (entry is not None and not registry.is_visible_to_pyairbyte(entry))
        # PyAirbyte would take the state of a complete full refresh for a cursor, and read nothing more.
        if known.state is None or hidden or (known.full_refresh and known.complete):
            continue

        descriptor = {"name": stream.name} if stream.namespace is None else stream._asdict()
        body = f'"stream_descriptor":{json.dumps(descriptor)},"stream_state":{known.state.decode()}'
        messages[stream.name] = f'{{"type":"STREAM","stream":{{{body}}}}}'

    return messages


def _write_foreign(registry: Registry, pair: Pair, name: str, message: str) -> None:
    now = datetime.now(timezone.utc)
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


def _foreign_rows(registry: Registry, pair: Pair) -> dict[str, str]:
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


def _delete_foreign(registry: Registry, pair: Pair, names: Collection[str]) -> None:
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


def _forget_foreign(registry: Registry, pair: Pair, streams: Collection[StreamId], *, everything: bool) -> None:
    names = {stream.name for stream in streams}
    _delete_foreign(registry, pair, names | {GLOBAL, LEGACY} if everything else names)


def _foreign_pairs(registry: Registry) -> list[Pair]:
    rows = registry.connection.execute(
        f"SELECT DISTINCT source_name, NULL FROM {registry.named(STATE)} WHERE table_name = ? || stream_name "
        f"UNION ALL SELECT DISTINCT source_name, destination_name FROM {registry.named(DESTINATION_STATE)}",
        [registry.table_prefix],
    ).fetchall()
    return [Pair(source, destination, "") for source, destination in rows]


def _foreign(registry: Registry, pair: Pair) -> Saved | None:
    """Return what PyAirbyte saved of a pair that nothing of ours knows; it cannot tell one config from another."""
    rows = _foreign_rows(registry, pair)
    return _merged(Saved(), rows) if rows else None


def _with_foreign(registry: Registry, row: _Row) -> Saved:
    newer = {
        name: text for name, text in _foreign_rows(registry, row.pair).items() if row.mirrored.get(name) != text
    }
    return _merged(row.saved, newer) if newer else row.saved


def _merged(saved: Saved, messages: dict[str, str]) -> Saved:
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

    if state.kind == "STREAM":
        known = {stream: replace(saved.streams.get(stream, StreamSaved()), state=body) for stream, body in state.streams}
        return Changes("STREAM", known)

    streams = {stream: saved.streams.get(stream, StreamSaved()) for stream, _ in state.streams}
    return Changes(state.kind, streams, state.body)
