"""The tables in which a cache keeps what it knows of itself.

`_airbyte_streams`, `_airbyte_state` and `_airbyte_destination_state` are PyAirbyte's, column by column. What their
keys cannot say is in tables of ours beside them, `_airbyte_exec_*`, which PyAirbyte does not look at. A cache file
of either can be opened and continued by the other.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airbyte_exec.caches._schema import normalized, suffixed
from airbyte_exec.caches._sql import ident
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STREAMS = "_airbyte_streams"
STATE = "_airbyte_state"
DESTINATION_STATE = "_airbyte_destination_state"
EXEC_INFO = "_airbyte_exec_info"
EXEC_STREAMS = "_airbyte_exec_streams"
EXEC_STATE = "_airbyte_exec_state"
EXEC_JOURNAL = "_airbyte_exec_journal"
STAGING_PREFIX = "_airbyte_exec_staging_"

_TABLES = {
    STREAMS: """
        stream_name VARCHAR, source_name VARCHAR, table_name VARCHAR NOT NULL, catalog_metadata VARCHAR,
        PRIMARY KEY (table_name)""",
    STATE: """
        source_name VARCHAR, stream_name VARCHAR, table_name VARCHAR NOT NULL, state_json VARCHAR,
        last_updated TIMESTAMP WITH TIME ZONE, PRIMARY KEY (table_name)""",
    DESTINATION_STATE: """
        destination_name VARCHAR NOT NULL, source_name VARCHAR NOT NULL, stream_name VARCHAR NOT NULL, state_json
        VARCHAR, last_updated TIMESTAMP WITH TIME ZONE, PRIMARY KEY (destination_name, source_name, stream_name)""",
    EXEC_INFO: "name VARCHAR, value BLOB",
    EXEC_STREAMS: """
        table_prefix VARCHAR, source_name VARCHAR, stream_name VARCHAR, namespace VARCHAR, table_name VARCHAR,
        configured VARCHAR, columns VARCHAR, generation_id BIGINT, staging_generation_id BIGINT, covered BIGINT,
        has_journal BOOLEAN""",
    EXEC_STATE: """
        destination_name VARCHAR, source_name VARCHAR, source_key VARCHAR, destination_key VARCHAR, table_prefix
        VARCHAR, kind VARCHAR, document VARCHAR, aliases VARCHAR, streams VARCHAR, mirrored VARCHAR,
        last_updated TIMESTAMP WITH TIME ZONE""",
    EXEC_JOURNAL: """
        seq BIGINT, table_prefix VARCHAR, source_name VARCHAR, stream_name VARCHAR, namespace VARCHAR,
        generation_id BIGINT, kind VARCHAR, records BIGINT, data BLOB""",
}


@dataclass(slots=True)
class StreamEntry:
    """What a cache knows of a stream.

    Parameters:
        source_name: the source that it comes from.
        stream: which one.
        table: the table that holds its rows.
        configured: the configured stream that its rows were last read with.
        columns: the names of its columns, by property.
        generation_id: the generation of the rows in the table.
        staging_generation_id: the generation that is being collected to take their place.
        covered: the last entry of the journal that a state covers: what comes after it will be read again.
        has_journal: the journal has every row of the table; not so where PyAirbyte wrote some.
    """

    source_name: str
    stream: StreamId
    table: str
    configured: ConfiguredAirbyteStream
    columns: dict[str, str] = field(default_factory=dict)
    generation_id: int = 0
    staging_generation_id: int | None = None
    covered: int = 0
    has_journal: bool = True

    @property
    def staging(self) -> str:
        """The table in which rows are collected that are to take the place of the others."""
        return STAGING_PREFIX + self.table


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
        if all(self._exists(table) for table in _TABLES):
            return

        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(self.schema)}")
        for table, columns in _TABLES.items():
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

    def streams(self) -> list[StreamEntry]:
        """Return what is known of every stream, those that PyAirbyte brought in included."""
        found = self._own_streams() if self.is_there() else []
        ours = {entry.table for entry in found}
        if self.is_pyairbyte():
            found += [entry for entry in self._foreign_streams() if entry.table not in ours]

        return found

    def note(self, source_name: str, configured: ConfiguredAirbyteStream, known: list[StreamEntry]) -> StreamEntry:
        """Return the entry of a stream that is to be read; a new one has a table that no other stream has."""
        stream = StreamId(configured.stream.name, configured.stream.namespace)
        for entry in known:
            if entry.source_name == source_name and entry.stream == stream:
                entry.configured = configured
                return entry

        entry = StreamEntry(source_name, stream, self.table_for(source_name, stream, known), configured)
        known.append(entry)
        return entry

    def save(self, entries: Iterable[StreamEntry]) -> None:
        """Write what is known of these streams, in the place of what was known."""
        for entry in entries:
            stream = entry.stream
            self.connection.execute(
                f"DELETE FROM {self.named(EXEC_STREAMS)} WHERE table_prefix = ? AND source_name = ? "
                "AND stream_name = ? AND namespace IS NOT DISTINCT FROM ?",
                [self.table_prefix, entry.source_name, stream.name, stream.namespace],
            )
            self.connection.execute(
                f"INSERT INTO {self.named(EXEC_STREAMS)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *(self.table_prefix, entry.source_name, stream.name, stream.namespace, entry.table),
                    *(entry.configured.model_dump_json(exclude_unset=True, by_alias=True), json.dumps(entry.columns)),
                    *(entry.generation_id, entry.staging_generation_id, entry.covered, entry.has_journal),
                ],
            )
            if entry.table == self.plain_table(stream):
                self._register(entry)

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

    def table_for(self, source_name: str, stream: StreamId, known: Iterable[StreamEntry]) -> str:
        """Return a table for a stream that has none: PyAirbyte's name for it, unless another stream has that one."""
        taken = {entry.table.casefold() for entry in known}
        names = [
            [stream.name],
            *([[stream.namespace, stream.name]] if stream.namespace else []),
            [source_name, *([stream.namespace] if stream.namespace else []), stream.name],
        ]
        for parts in names:
            table = normalized(self.table_prefix + "_".join(parts), otherwise="stream")
            if table not in taken and not table.startswith("_airbyte_"):
                return table

        return suffixed(self.plain_table(stream), json.dumps([source_name, *stream]))

    def _own_streams(self) -> list[StreamEntry]:
        rows = self._rows(
            "SELECT source_name, stream_name, namespace, table_name, configured, columns, generation_id, "
            f"staging_generation_id, covered, has_journal FROM {self.named(EXEC_STREAMS)} "
            "WHERE table_prefix = ? ORDER BY rowid",
            self.table_prefix,
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

    def _foreign_streams(self) -> list[StreamEntry]:
        rows = self._rows(
            f"SELECT source_name, stream_name, catalog_metadata FROM {self.named(STREAMS)} "
            "WHERE table_name = ? || stream_name",
            self.table_prefix,
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

    def _register(self, entry: StreamEntry) -> None:
        self.connection.execute(
            f"INSERT INTO {self.named(STREAMS)} (stream_name, source_name, table_name, catalog_metadata) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (table_name) DO UPDATE SET stream_name = excluded.stream_name, "
            "source_name = excluded.source_name, catalog_metadata = excluded.catalog_metadata",
            [
                entry.stream.name,
                entry.source_name,
                self.table_prefix + entry.stream.name,
                json.dumps(entry.configured.stream.json_schema),
            ],
        )

    def _exists(self, table: str) -> bool:
        return bool(
            self._rows(
                "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
                "AND table_name = ?",
                self.schema,
                table,
            )
        )

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, list(parameters)).fetchall()


def _configured(name: str, schema: Mapping[str, Any]) -> ConfiguredAirbyteStream:
    return ConfiguredAirbyteStream.model_validate(
        {
            "stream": {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
    )
