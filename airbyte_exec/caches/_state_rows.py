"""The rows of the table of states: one a pair, with what of it was last mirrored into PyAirbyte's table.

Reads and writes them in the transaction that the connection is in; what a state means is not its affair.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from airbyte_exec._state.store import Pair, Saved, StreamSaved
from airbyte_exec.caches._layout import EXEC_STATE
from airbyte_exec.caches._registry import Registry
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId


@dataclass(slots=True)
class Row:
    """What is saved of one pair.

    Parameters:
        pair: whose it is.
        saved: what is known of it.
        mirrored: the text of each stream's state as it was last written into PyAirbyte's table.
    """

    pair: Pair
    saved: Saved
    mirrored: dict[str, str] = field(default_factory=dict)


def rows_of(registry: Registry, source_name: str | None = None, destination_name: str | None = None) -> list[Row]:
    """Return the rows of this cache, or those of a source and a destination.

    Raises:
        PyAirbyteStateError: a row cannot be read.
    """
    query = (
        "SELECT destination_name, source_name, source_key, destination_key, kind, document, aliases, streams, "
        f"mirrored, epoch(last_updated) FROM {registry.named(EXEC_STATE)} WHERE table_prefix = "
        "CASE WHEN destination_name IS NULL THEN ? ELSE '' END"
    )
    parameters: list[Any] = [registry.table_prefix]
    if source_name is not None:
        query += " AND source_name = ? AND destination_name IS NOT DISTINCT FROM ?"
        parameters += [source_name, destination_name]

    return [_row(values) for values in registry.connection.execute(query, parameters).fetchall()]


def _row(values: Sequence[Any]) -> Row:
    destination, source, source_key, destination_key, kind, document, aliases, streams, mirrored, last_updated = values
    try:
        known = {
            StreamId(entry.pop("name"), entry.pop("namespace")): StreamSaved(state=_bytes(entry.pop("state")), **entry)
            for entry in json.loads(streams)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise PyAirbyteStateError(
            message="The state in the cache cannot be read.", context={"source": source, "destination": destination}
        ) from error

    saved = Saved(kind, known, _bytes(document), tuple(json.loads(aliases)), last_updated)
    return Row(Pair(source, destination, source_key, destination_key), saved, json.loads(mirrored))


def find(rows: Iterable[Row], pair: Pair) -> Row | None:
    """Return the row of a pair: under its own keys, or else where they are aliases."""
    rows = list(rows)
    for row in rows:
        if row.pair == pair:
            return row

    for row in rows:
        keys = {row.pair.source_key, row.pair.destination_key, *row.saved.aliases}
        if pair.source_key in keys and pair.destination_key in keys:
            return row

    return None


def insert(registry: Registry, row: Row) -> None:
    """Add a row."""
    pair, saved = row.pair, row.saved
    registry.connection.execute(
        f"INSERT INTO {registry.named(EXEC_STATE)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, to_timestamp(?))",
        [
            *(pair.destination_name, pair.source_name, pair.source_key, pair.destination_key),
            *(_prefix(registry, pair), saved.kind, _text(saved.document), json.dumps(saved.aliases)),
            *(_streams_text(saved), json.dumps(row.mirrored), saved.last_updated),
        ],
    )


def update(registry: Registry, row: Row) -> None:
    """Write what has changed of a row; its aliases stay as they are."""
    saved = row.saved
    registry.connection.execute(
        f"UPDATE {registry.named(EXEC_STATE)} SET kind = ?, document = ?, streams = ?, mirrored = ?, "
        f"last_updated = to_timestamp(?) WHERE {_OF_PAIR}",
        [
            *(saved.kind, _text(saved.document), _streams_text(saved), json.dumps(row.mirrored), saved.last_updated),
            *_of(registry, row.pair),
        ],
    )


def _streams_text(saved: Saved) -> str:
    return json.dumps(
        [
            {"name": stream.name, "namespace": stream.namespace, **asdict(known), "state": _text(known.state)}
            for stream, known in saved.streams.items()
        ]
    )


_OF_PAIR = (
    "table_prefix = ? AND source_name = ? AND destination_name IS NOT DISTINCT FROM ? AND source_key = ? "
    "AND destination_key = ?"
)


def _of(registry: Registry, pair: Pair) -> list[str | None]:
    return [_prefix(registry, pair), pair.source_name, pair.destination_name, pair.source_key, pair.destination_key]


def delete(registry: Registry, pair: Pair) -> None:
    """Remove the row of a pair."""
    registry.connection.execute(f"DELETE FROM {registry.named(EXEC_STATE)} WHERE {_OF_PAIR}", _of(registry, pair))


def _prefix(registry: Registry, pair: Pair) -> str:
    return registry.table_prefix if pair.destination_name is None else ""


def _text(state: bytes | None) -> str | None:
    return None if state is None else state.decode()


def _bytes(state: str | None) -> bytes | None:
    return None if state is None else state.encode()
