"""What a cache knows of itself: its streams, its journal's id, the key of its config digests."""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._layout import (
    EXEC_INFO,
    EXEC_JOURNAL,
    EXEC_STREAMS,
    STREAMS,
    TABLES,
)
from airbyte_exec.caches._schema import normalized
from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Registry:
    """Reads and writes these tables. All methods block, and none begins or commits a transaction.

    Parameters:
        connection: a DuckDB connection.
        schema: the schema that all tables are in.
        table_prefix: the cache's table prefix: caches with different prefixes know nothing of each other.
    """

    def __init__(self, connection: DuckDBPyConnection, *, schema: str, table_prefix: str) -> None:
        self.connection = connection
        self.schema = schema
        self.table_prefix = table_prefix

    def create(self) -> None:
        """Make the schema and the tables that are missing."""
        if self._found(TABLES) == set(TABLES):
            return

        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(self.schema)}")
        for table, columns in TABLES.items():
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {self.named(table)} ({columns})")

        if not self._rows(f"SELECT 1 FROM {self.named(EXEC_INFO)} WHERE name = 'salt'"):
            values = [("salt", os.urandom(32)), ("journal", uuid4().hex.encode())]
            self.connection.executemany(f"INSERT INTO {self.named(EXEC_INFO)} VALUES (?, ?)", values)

    def named(self, table: str) -> str:
        """Return the qualified name of a table."""
        return ident(self.schema, table)

    def is_there(self) -> bool:
        """Say whether the tables of ours have been made in this schema."""
        return self._exists(EXEC_STREAMS)

    def is_pyairbyte(self) -> bool:
        """Say whether there is a list of streams that either of us made."""
        return self._exists(STREAMS)

    def info(self, name: str) -> bytes:
        """Return `salt` (the key of config digests) or `journal` (the id of the journal)."""
        return bytes(self._rows(f"SELECT value FROM {self.named(EXEC_INFO)} WHERE name = ?", name)[0][0])

    def begin_journal(self) -> None:
        """Give the journal another id: positions in it that anyone keeps mean nothing any more."""
        self.connection.execute(
            f"UPDATE {self.named(EXEC_INFO)} SET value = ? WHERE name = 'journal'", [uuid4().hex.encode()]
        )

    def last_seq(self) -> int:
        """Return the last place taken in the journal; a place is never given twice, even if its entry was removed."""
        journal = self._rows(f"SELECT max(seq) FROM {self.named(EXEC_JOURNAL)}")[0][0] or 0
        covered = self._rows(f"SELECT max(covered) FROM {self.named(EXEC_STREAMS)}")[0][0] or 0
        return max(int(journal), int(covered))

    def streams(self, stream_name: str | None = None) -> list[StreamEntry]:
        """Return what is known of every stream, those that PyAirbyte brought in included.

        Parameters:
            stream_name: of the streams of that name alone.
        """
        found = self._own_streams(stream_name) if self.is_there() else []
        ours = {entry.table for entry in found}
        if self.is_pyairbyte():
            found += [entry for entry in self._foreign_streams(stream_name) if entry.table not in ours]

        return found

    def places(self) -> list[tuple[str, StreamId, str]]:
        """Return source, stream and table of every stream, in the order of `streams`: what is cheap to know of many."""
        found: dict[str, tuple[str, StreamId, str]] = {}
        own = self._own_places() if self.is_there() else []
        foreign = self._foreign_places() if self.is_pyairbyte() else []
        for place in own + foreign:
            found.setdefault(place[2], place)

        return list(found.values())

    def save(self, entries: Iterable[StreamEntry]) -> None:
        """Write all that is known of these streams, in the place of what was known: their order stays."""
        entries = list(entries)
        rows = {
            self._key(entry): (
                *self._key(entry),
                entry.table,
                entry.configured.to_bytes().decode("ascii"),
                json.dumps(entry.columns),
                *_progress(entry),
            )
            for entry in entries
        }
        there = self.connection.execute(
            f"UPDATE {self.named(EXEC_STREAMS)} AS known SET {_CHANGES} FROM (SELECT {_ROWS}) AS key WHERE {_IS_KEY} "
            "RETURNING known.table_prefix, known.source_name, known.stream_name, known.namespace",
            _turned([*rows.values()], len(_COLUMNS)),
        ).fetchall()
        known = set(there)
        new = [row for key, row in rows.items() if key not in known]
        self.connection.execute(f"INSERT INTO {self.named(EXEC_STREAMS)} SELECT {_ROWS}", _turned(new, len(_COLUMNS)))
        self._register([entry for entry in entries if entry.table == self.plain_table(entry.stream)])

    def save_progress(self, entries: Iterable[StreamEntry]) -> None:
        """Write how far these streams are: generations, and what is covered."""
        rows = [(*self._key(entry), *_progress(entry)) for entry in entries]
        if len(rows) <= _FEW:
            for row in rows:  # a join takes DuckDB longer to plan than these take
                self.connection.execute(
                    f"UPDATE {self.named(EXEC_STREAMS)} SET generation_id = ?, staging_generation_id = ?, covered = ?, "
                    "has_journal = ? WHERE table_prefix = ? AND source_name = ? AND stream_name = ? "
                    "AND namespace IS NOT DISTINCT FROM ?",
                    [*row[4:], *row[:4]],
                )

            return

        self.connection.execute(
            f"UPDATE {self.named(EXEC_STREAMS)} AS known SET generation_id = key.generation_id, "
            "staging_generation_id = key.staging_generation_id, covered = key.covered, has_journal = key.has_journal "
            "FROM (SELECT unnest($1::VARCHAR[]) AS table_prefix, unnest($2::VARCHAR[]) AS source_name, "
            "unnest($3::VARCHAR[]) AS stream_name, unnest($4::VARCHAR[]) AS namespace, "
            "unnest($5::BIGINT[]) AS generation_id, unnest($6::BIGINT[]) AS staging_generation_id, "
            f"unnest($7::BIGINT[]) AS covered, unnest($8::BOOLEAN[]) AS has_journal) AS key WHERE {_IS_KEY}",
            _turned(rows, 8),
        )

    def plain_table(self, stream: StreamId) -> str:
        """Return the table in which PyAirbyte would look for the stream's rows."""
        return normalized(self.table_prefix + stream.name, otherwise="stream")

    def tables(self, source_name: str) -> dict[StreamId, str]:
        """Return the tables of the streams of a source."""
        rows = self._rows(
            f"SELECT stream_name, namespace, table_name FROM {self.named(EXEC_STREAMS)} "
            "WHERE table_prefix = ? AND source_name = ?",
            self.table_prefix,
            source_name,
        )
        return {StreamId(name, namespace): table for name, namespace, table in rows}

    def _own_places(self) -> list[tuple[str, StreamId, str]]:
        rows = self._rows(
            f"SELECT source_name, stream_name, namespace, table_name FROM {self.named(EXEC_STREAMS)} "
            "WHERE table_prefix = ? ORDER BY rowid",
            self.table_prefix,
        )
        return [(source, StreamId(name, namespace), table) for source, name, namespace, table in rows]

    def _foreign_places(self) -> list[tuple[str, StreamId, str]]:
        rows = self._rows(
            f"SELECT source_name, stream_name FROM {self.named(STREAMS)} "
            "WHERE table_name = ? || stream_name ORDER BY rowid",
            self.table_prefix,
        )
        return [(source, StreamId(name), self.plain_table(StreamId(name))) for source, name in rows]

    def _own_streams(self, stream_name: str | None) -> list[StreamEntry]:
        rows = self._rows(
            "SELECT source_name, stream_name, namespace, table_name, configured, columns, generation_id, "
            f"staging_generation_id, covered, has_journal FROM {self.named(EXEC_STREAMS)} "
            "WHERE table_prefix = $1 AND ($2::VARCHAR IS NULL OR stream_name = $2) ORDER BY rowid",
            self.table_prefix,
            stream_name,
        )
        return [
            StreamEntry(
                source,
                StreamId(name, namespace),
                table,
                ConfiguredAirbyteStream.model_validate_json(configured),
                json.loads(columns),
                *rest,
            )
            for source, name, namespace, table, configured, columns, *rest in rows
        ]

    def _foreign_streams(self, stream_name: str | None) -> list[StreamEntry]:
        rows = self._rows(
            f"SELECT source_name, stream_name, catalog_metadata FROM {self.named(STREAMS)} "
            "WHERE table_name = $1 || stream_name AND ($2::VARCHAR IS NULL OR stream_name = $2) ORDER BY rowid",
            self.table_prefix,
            stream_name,
        )
        return [
            StreamEntry(
                source,
                StreamId(name),
                self.plain_table(StreamId(name)),
                _configured(name, json.loads(schema or "{}")),
                has_journal=False,
            )
            for source, name, schema in rows
        ]

    def _register(self, entries: Iterable[StreamEntry]) -> None:
        rows = [
            (
                entry.stream.name,
                entry.source_name,
                self.table_prefix + entry.stream.name,
                json.dumps(entry.configured.stream.json_schema),
            )
            for entry in entries
        ]
        self.connection.execute(
            f"INSERT INTO {self.named(STREAMS)} (stream_name, source_name, table_name, catalog_metadata) "
            "SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[]), unnest($4::VARCHAR[]) "
            "ON CONFLICT (table_name) DO UPDATE SET stream_name = excluded.stream_name, "
            "source_name = excluded.source_name, catalog_metadata = excluded.catalog_metadata",
            _turned(rows, 4),
        )

    def _key(self, entry: StreamEntry) -> tuple[str, str, str, str | None]:
        return self.table_prefix, entry.source_name, entry.stream.name, entry.stream.namespace

    def _exists(self, table: str) -> bool:
        return bool(self._found([table]))

    def _found(self, tables: Iterable[str]) -> set[str]:
        rows = self._rows(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
            "AND list_contains(?, table_name)",
            self.schema,
            list(tables),
        )
        return {name for (name,) in rows}

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, list(parameters)).fetchall()


_IS_KEY = (
    "known.table_prefix = key.table_prefix AND known.source_name = key.source_name "
    "AND known.stream_name = key.stream_name AND known.namespace IS NOT DISTINCT FROM key.namespace"
)
_FEW = 3
_COLUMNS = {
    **dict.fromkeys(("table_prefix", "source_name", "stream_name", "namespace"), "VARCHAR"),
    **dict.fromkeys(("table_name", "configured", "columns"), "VARCHAR"),
    **dict.fromkeys(("generation_id", "staging_generation_id", "covered"), "BIGINT"),
    "has_journal": "BOOLEAN",
}
_ROWS = listed(f"unnest(${n}::{kind}[]) AS {name}" for n, (name, kind) in enumerate(_COLUMNS.items(), 1))
_CHANGES = listed(f"{name} = key.{name}" for name in [*_COLUMNS][4:])


def _progress(entry: StreamEntry) -> tuple[int, int | None, int, bool]:
    return entry.generation_id, entry.staging_generation_id, entry.covered, entry.has_journal


def _turned(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return the columns of the rows."""
    return [[row[n] for row in rows] for n in range(width)]


def _configured(name: str, schema: Mapping[str, Any]) -> ConfiguredAirbyteStream:
    return ConfiguredAirbyteStream.model_validate(
        {
            "stream": {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
    )
