"""What a cache knows of its streams by the names that people use: tables, schemas, statistics."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airbyte_exec.caches._sqlalchemy import sql_table
from airbyte_exec.caches._statistics import TableStatistics, table_statistics
from airbyte_exec.caches._storage import CacheStorage
from airbyte_exec.caches._tables import table_columns
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.records import StreamRecord, StreamRecordHandler
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlalchemy import Engine, Executable, Table

_ROWS_AT_ONCE = 1_000


class NamedStreams(CacheStorage):
    """The streams of a cache by their names; the namespace stands before it where two have the same name."""

    @abc.abstractmethod
    def get_sql_engine(self) -> Engine:
        """Return the SQLAlchemy engine of this cache; it is the same until `dispose_engine`."""

    def fetch_table_statistics(self, stream_names: list[str]) -> dict[str, TableStatistics]:
        """Return row counts, and counts of NULLs by column. Streams that the cache does not have are left out."""
        named = self._named()
        with self._open() as registry:
            return {
                name: table_statistics(registry.connection, self.schema_name, named[name][2])
                for name in stream_names
                if name in named
            }

    @contextmanager
    def connection(self) -> Iterator[DuckDBPyConnection]:
        """Open a connection for as long as the context lasts."""
        with self._open() as registry:
            yield registry.connection

    def records(self, stream_name: str, statement: Executable) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query on the table of a stream; their keys are found in any case."""
        schema = self.configured_stream(stream_name).stream.json_schema
        handler = StreamRecordHandler(json_schema=schema, normalize_keys=True, prune_extra_fields=False)
        with self.get_sql_engine().connect() as connection:
            for rows in connection.execute(statement).mappings().partitions(_ROWS_AT_ONCE):
                for row in rows:
                    yield StreamRecord.from_row(row, stream_record_handler=handler)

    def table_name(self, stream_name: str) -> str:
        """Return the name of the table of a stream; of one that is not there yet, the name that it would get."""
        named = self._named()
        if stream_name in named:
            return named[stream_name][2]

        with self._open() as registry:
            return registry.plain_table(StreamId(stream_name))

    def sql_table(self, stream_name: str) -> Table:
        """Return the table of a stream as SQLAlchemy has it, made of the columns that it is known to have.

        Raises:
            KeyError: the cache has no such stream.
        """
        _, _, table = self._named()[stream_name]
        with self._open() as registry:
            columns = table_columns(registry.connection, self.schema_name, table)

        return sql_table(table, self.schema_name, columns)

    def configured_stream(self, stream_name: str) -> ConfiguredAirbyteStream:
        """Return a stream as it was last read.

        Raises:
            KeyError: the cache has no such stream.
        """
        _, stream, table = self._named()[stream_name]
        with self._open() as registry:
            (entry,) = [entry for entry in registry.streams(stream.name) if entry.table == table]

        return entry.configured

    def _named(self) -> dict[str, tuple[str, StreamId, str]]:
        with self._open() as registry:
            places = registry.places()

        counts = Counter(stream.name for _, stream, _ in places)
        return {stream.name if counts[stream.name] == 1 else str(stream): (s, stream, t) for s, stream, t in places}
