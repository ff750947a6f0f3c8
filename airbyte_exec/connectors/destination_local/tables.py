"""The DuckDB file: a table for each stream, one transaction for each flush, and one for the end of the streams.

Rows that wait lie in the same schema, in a table named `_airbyte_staged_` and the stream's name: DuckDB can rename a
table, but cannot move it to another schema.
"""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.columns import GENERATION, columns_for, definition_of, typed_columns
from airbyte_exec.connectors.destination_local.database import connect, identifier
from airbyte_exec.connectors.destination_local.evolving import changes, fitted, full_name
from airbyte_exec.connectors.destination_local.failure import wrong_config
from airbyte_exec.connectors.destination_local.loading import Loader
from airbyte_exec.connectors.destination_local.merging import Merge
from airbyte_exec.connectors.destination_local.register import Entry, load_entries, save_entries
from airbyte_exec.connectors.destination_local.route import Route, Staged, route
from airbyte_exec.connectors.destination_local.settings import Settings
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    pass

_STAGED = "_airbyte_staged_"
_STREAMS_AT_ONCE = 500
"""So many streams end in one transaction: the cost of a transaction grows with the square of its tables."""


@dataclass(slots=True)
class _Place:
    """One stream in the file."""

    stream: ConfiguredStream
    entry: Entry
    way: Route
    columns: list[Column] | None = None

    @property
    def live(self) -> str:
        return ident(self.entry.schema_name, self.entry.table_name)

    @property
    def staged(self) -> str:
        return ident(self.entry.schema_name, _STAGED + self.entry.table_name)


class TableStore:
    """A DuckDB file that this process has open alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places: dict[StreamId, _Place] = {}
        self._types: dict[str, dict[str, str]] = {}
        self._changed: dict[StreamId, Entry] = {}
        self._dated: set[str] = set()

    def open(self, streams: Sequence[ConfiguredStream]) -> None:
        """Take the file; see `Store.open`."""
        self._database = connect(self._settings.path)
        self._loader = Loader(self._database)
        entries = load_entries(self._database)
        self._load_types()
        for stream in streams:
            schema = stream.id.namespace if stream.id.namespace is not None else self._settings.schema or "main"
            self._places[stream.id] = self._place(stream, schema, entries)

        self._make_schemas()
        self._settle([place for place in self._places.values() if place.way.leftover != "none"])

    def write(self, batches: Mapping[StreamId, Sequence[bytes]]) -> None:
        """Insert the rows of all streams in one transaction; see `Store.write`."""
        with self._transaction():
            for stream, lines in batches.items():
                place = self._places[stream]
                table = self._target(place)
                self._date(place, table)
                self._insert(place, table, lines)

    def finish(self, streams: Collection[StreamId]) -> None:
        """Make visible what waits; see `Store.finish`."""
        places = [self._places[stream] for stream in streams]
        for start in range(0, len(places), _STREAMS_AT_ONCE):
            with self._transaction():
                for place in places[start : start + _STREAMS_AT_ONCE]:
                    self._finish(place)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _load_types(self) -> None:
        """Read the columns of all tables at once: a query a stream would be slow for many."""
        rows = self._database.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND NOT internal"
        )
        for schema, table, column, kind in rows.fetchall():
            self._types.setdefault(ident(schema, table).lower(), {})[column.lower()] = kind

    def _place(self, stream: ConfiguredStream, schema: str, entries: dict[tuple[str, str], Entry]) -> _Place:
        namespace = None if stream.id.namespace is None else identifier(stream.id.namespace)
        name, schema = identifier(stream.id.name), identifier(schema)
        at = (schema.lower(), name.lower())
        entry = entries.get(at)
        if entry is None:
            if ident(*at) in self._types:
                raise wrong_config(
                    f"Stream {str(stream.id)!r}: the table {ident(schema, name)} is not from this destination.",
                    "Choose another file or another `schema`, or rename the table.",
                )

            entry = Entry(schema_name=schema, table_name=name, stream=name, namespace=namespace)
            entries[at] = entry

        if (entry.stream, entry.namespace) != (name, namespace):
            other = str(StreamId(entry.stream, entry.namespace))
            raise wrong_config(
                f"Streams {str(stream.id)!r} and {other!r} would share the table {ident(schema, name)}: "
                "DuckDB does not tell upper from lower case.",
                "Give the streams without a namespace one of their own by the config's `schema`.",
            )

        return _Place(stream, entry, route(stream, entry.standing()))

    def _make_schemas(self) -> None:
        for schema in {place.entry.schema_name for place in self._places.values()}:
            self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(schema)}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        yield
        save_entries(self._database, list(self._changed.values()))
        self._database.execute("COMMIT")  # an error leaves the transaction open, and this process ends without it
        self._changed.clear()

    def _note(self, place: _Place, entry: Entry) -> None:
        self._changed[place.stream.id] = place.entry = entry

    def _settle(self, places: list[_Place]) -> None:
        """Do with the rows that an earlier run left what the route says."""
        for place in places:
            with self._transaction():
                if place.way.leftover == "drop":
                    self._drop_staged(place)
                elif place.way.leftover == "adopt":
                    self._note(place, replace(place.entry, purpose="merge", generation=None))
                elif place.way.leftover == "fold" and place.stream.merges:
                    self._merge(place)
                elif place.way.leftover == "fold":
                    self._ensure_live(place)
                    self._copy_staged(place)
                    self._drop_staged(place)

    def _finish(self, place: _Place) -> None:
        into = place.way.into
        if into is None:
            self._ensure_live(place)
        elif into.purpose == "replace":
            self._replace(place, into)
        else:
            self._merge(place)

    def _replace(self, place: _Place, into: Staged) -> None:
        if place.entry.purpose is None:
            self._create(place, place.live)  # nothing came: no table has to wait beside it
        else:
            self._run(self._merging(place).thin_out(place.staged) if place.stream.merges else [])
            self._run([f"DROP TABLE IF EXISTS {place.live}"])
            self._run([f"ALTER TABLE {place.staged} RENAME TO {ident(place.entry.table_name)}"])
            self._types[place.live.lower()] = self._types.pop(place.staged.lower())

        done = replace(place.entry, live=True, purpose=None, generation=None)
        self._note(place, replace(done, replaced=into.generation, merge_key=_key_of(place.stream)))

    def _merge(self, place: _Place) -> None:
        key = _key_of(place.stream)
        was_there = place.entry.live
        self._ensure_live(place, key_stays=True)
        merging = self._merging(place)
        if was_there and place.entry.merge_key != key:
            self._run(merging.thin_out(place.live))

        if place.entry.purpose is not None:
            self._evolve(place.live, self._types[place.staged.lower()])
            self._run(merging.into(place.live, place.staged))
            self._drop_staged(place)

        self._note(place, replace(place.entry, merge_key=key))

    def _merging(self, place: _Place) -> Merge:
        columns = self._columns(place)
        return Merge(place.stream, columns, typed_columns(columns))

    def _target(self, place: _Place) -> str:
        into = place.way.into
        if into is None:
            self._ensure_live(place)
            return place.live

        if place.entry.purpose is None:
            self._create(place, place.staged)
            self._note(place, replace(place.entry, purpose=into.purpose, generation=into.generation))

        self._evolve(place.staged, typed_columns(self._columns(place)))
        return place.staged

    def _date(self, place: _Place, table: str) -> None:
        """Let the rows that come say this run's generation."""
        if table not in self._dated:
            generation = place.stream.generation or 0
            self._run([f"ALTER TABLE {table} ALTER COLUMN {ident(GENERATION)} SET DEFAULT {generation}"])
            self._dated.add(table)

    def _ensure_live(self, place: _Place, *, key_stays: bool = False) -> None:
        if not place.entry.live:
            self._create(place, place.live)
            self._note(place, replace(place.entry, live=True))

        if place.entry.merge_key is not None and not key_stays:
            # Rows that are merely added may repeat a key.
            self._note(place, replace(place.entry, merge_key=None))

        self._evolve(place.live, typed_columns(self._columns(place)))

    def _create(self, place: _Place, table: str) -> None:
        wanted = typed_columns(self._columns(place))
        columns = definition_of(wanted, place.stream.generation or 0)
        self._run([f"DROP TABLE {table}"] if table.lower() in self._types else [])
        self._run([f"CREATE TABLE {table} ({columns})"])
        self._dated.add(table)
        self._types[table.lower()] = {name.lower(): full_name(kind) for name, kind in wanted.items()}

    def _evolve(self, table: str, wanted: Mapping[str, str]) -> None:
        present = self._types[table.lower()]
        statements = changes(table, present, wanted)
        self._run(statements)
        if statements:
            described = self._database.execute(f"DESCRIBE {table}").fetchall()
            self._types[table.lower()] = {str(row[0]).lower(): str(row[1]) for row in described}

    def _insert(self, place: _Place, table: str, lines: Sequence[bytes]) -> None:
        present = self._types[table.lower()]
        columns = [replace(column, type=present[column.name.lower()]) for column in self._columns(place)]
        self._loader.load(place.stream.id, table, columns, lines)

    def _copy_staged(self, place: _Place) -> None:
        held = self._types[place.staged.lower()]
        self._evolve(place.live, held)
        present = self._types[place.live.lower()]
        values = listed(f"{fitted(name, kind, present)} AS {ident(name)}" for name, kind in held.items())
        self._run([f"INSERT INTO {place.live} BY NAME SELECT {values} FROM {place.staged}"])

    def _drop_staged(self, place: _Place) -> None:
        self._run([f"DROP TABLE IF EXISTS {place.staged}"])
        self._types.pop(place.staged.lower(), None)
        self._note(place, replace(place.entry, purpose=None, generation=None))

    def _columns(self, place: _Place) -> list[Column]:
        if place.columns is None:
            place.columns = columns_for(place.stream)

        return place.columns

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._database.execute(statement)


def _key_of(stream: ConfiguredStream) -> str | None:
    return json.dumps(stream.primary_key) if stream.merges else None
