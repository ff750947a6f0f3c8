"""What every cache has. A cache is two things in one database: a journal, from which what a source sent is replayed
byte by byte, and typed tables for people who query. Both are written in one transaction with the state.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec import constants
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._known import known_streams
from airbyte_exec.caches._schema import columns_of
from airbyte_exec.caches._sqlalchemy import sql_table
from airbyte_exec.caches._state import transaction
from airbyte_exec.caches._statistics import TableStatistics, table_statistics
from airbyte_exec.caches._storage import CacheStorage, CatalogSource
from airbyte_exec.caches._tables import TablePlan, table_columns
from airbyte_exec.caches._writer import TableWriter
from airbyte_exec.datasets.sql import CachedDataset
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteInputError
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream
from airbyte_exec.records import StreamRecord, StreamRecordHandler
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from typing import Self

    from duckdb import DuckDBPyConnection
    from pandas import DataFrame
    from pyarrow.dataset import Dataset
    from sqlalchemy import Engine, Executable, Table


_ROWS_AT_ONCE = 1_000


class CacheBase(CacheStorage):
    """A cache: a mapping of the names of streams to their rows.

    Parameters:
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with. Caches with different prefixes in one
            schema know nothing of each other.
        cache_dir: the folder of the cache; `AIRBYTE_CACHE_ROOT`, or `.cache` in the working directory.
        cleanup: kept for callers of PyAirbyte: nothing is left behind that could be cleaned up.
    """

    def __init__(
        self,
        *,
        schema_name: str,
        table_prefix: str | None = "",
        cache_dir: Path | str | None = None,
        cleanup: bool = True,
    ) -> None:
        if not schema_name:
            raise PyAirbyteInputError(message="`schema_name` must not be empty.")

        super().__init__(schema_name=schema_name, table_prefix=table_prefix or "")
        self.cache_dir = Path(cache_dir) if cache_dir is not None else constants.cache_root()
        self.cleanup = cleanup
        self._engine: Engine | None = None

    # What a kind of database answers

    @abc.abstractmethod
    def _make_engine(self) -> Engine:
        """Return a new SQLAlchemy engine."""

    @abc.abstractmethod
    def get_sql_alchemy_url(self) -> str:
        """Return the SQLAlchemy URL of the database."""

    @abc.abstractmethod
    def get_database_name(self) -> str:
        """Return the name of the database."""

    # Opening and closing

    def close(self) -> None:
        """Close everything that is open. The cache opens again when it is used."""
        self.dispose_engine()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_sql_engine(self) -> Engine:
        """Return the SQLAlchemy engine of this cache; it is the same until `dispose_engine`."""
        if self._engine is None:
            with self._open():
                self._engine = self._make_engine()

        return self._engine

    def dispose_engine(self) -> None:
        """Close the connections of the SQLAlchemy engine and forget it."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.get_database_name()

    @property
    def config_hash(self) -> str:
        """A digest of where the cache is: database, schema, table prefix."""
        where = ":".join([self.get_sql_alchemy_url(), self.schema_name, self.table_prefix])
        return sha256(where.encode()).hexdigest()

    # SQL

    def execute_sql(self, sql: str | Sequence[str]) -> None:
        """Run one or more statements in one transaction.

        Raises:
            PyAirbyteCacheError: one of them failed; none has any effect then.
        """
        with self._open() as registry, database_errors("The SQL failed."), transaction(registry.connection):
            for statement in [sql] if isinstance(sql, str) else sql:
                registry.connection.execute(statement)

    def run_sql_query(self, sql_query: str, *, max_records: int | None = None) -> list[dict[str, Any]]:
        """Run a query and return its rows.

        Parameters:
            sql_query: one statement.
            max_records: return no more rows than this.

        Raises:
            PyAirbyteCacheError: it failed.
        """
        with self._open() as registry, database_errors("The SQL failed."):
            found = registry.connection.execute(sql_query)
            names = [column[0] for column in found.description or []]
            rows = found.fetchall() if max_records is None else found.fetchmany(max_records)
            return [dict(zip(names, row, strict=True)) for row in rows]

    # Streams

    @property
    def streams(self) -> dict[str, CachedDataset]:
        """The rows of every stream, by its name; the namespace stands before it where two have the same name."""
        return {name: CachedDataset(self, name) for name in self._named()}

    def get_records(self, stream_name: str) -> CachedDataset:
        """Return the rows of a stream.

        Raises:
            KeyError: the cache has no such stream.
        """
        return self[stream_name]

    def get_pandas_dataframe(self, stream_name: str) -> DataFrame:
        """Return the rows of a stream as a pandas data frame. This needs the extra `pandas`."""
        return self[stream_name].to_pandas()

    def get_arrow_dataset(self, stream_name: str, *, max_chunk_size: int = 100_000) -> Dataset:
        """Return the rows of a stream as an Arrow dataset. This needs the extra `arrow`."""
        return self[stream_name].to_arrow(max_chunk_size=max_chunk_size)

    def __getitem__(self, stream: str) -> CachedDataset:
        if stream not in self._named():
            raise KeyError(stream)

        return CachedDataset(self, stream)

    def __contains__(self, stream: object) -> bool:
        return stream in self._named()

    def __iter__(self) -> Iterator[tuple[str, CachedDataset]]:
        return iter(self.streams.items())

    def __len__(self) -> int:
        return len(self._named())

    def __bool__(self) -> bool:
        return True

    def register_source(
        self,
        source_name: str,
        incoming_source_catalog: ConfiguredAirbyteCatalog,
        stream_names: set[str] | None = None,
    ) -> None:
        """Note the streams of a source, without any rows.

        Parameters:
            source_name: the source's name.
            incoming_source_catalog: its configured catalog.
            stream_names: the streams of it to note; all, where it is left out.
        """
        with (
            database_errors("The streams could not be registered."),
            self._open() as registry,
            transaction(registry.connection),
        ):
            registry.create()
            known = known_streams(registry, source_name)
            registry.save(
                known.note(source_name, configured)
                for configured in incoming_source_catalog.streams
                if stream_names is None or configured.stream.name in stream_names
            )

    def create_source_tables(self, source: CatalogSource, streams: Literal["*"] | list[str] | None = None) -> None:
        """Make the tables of the streams of a source, without any rows.

        Parameters:
            source: the source.
            streams: which streams; those that are selected on the source, or all, where it is left out.
        """
        chosen = streams or source.get_selected_streams() or "*"
        catalog = source.get_configured_catalog(streams=chosen)
        self.register_source(source.name, catalog)
        entries = self.stream_entries(source.name)
        with self._open() as registry, transaction(registry.connection):
            writer = TableWriter(registry.connection, schema=self.schema_name, on_unparsed=lambda *_: None)
            for configured in catalog.streams:
                entry = entries[StreamId(configured.stream.name, configured.stream.namespace)]
                columns = columns_of(configured.stream.json_schema, known=entry.columns)
                writer.open(TablePlan(stream=entry.stream, table=entry.table, columns=tuple(columns)))

    def fetch_table_statistics(self, stream_names: list[str]) -> dict[str, TableStatistics]:
        """Return row counts, and counts of NULLs by column. Streams that the cache does not have are left out."""
        named = self._named()
        with self._open() as registry:
            return {
                name: table_statistics(registry.connection, self.schema_name, named[name][2])
                for name in stream_names
                if name in named
            }

    # What datasets ask

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

    def _failed(self, message: str) -> PyAirbyteCacheError:
        return PyAirbyteCacheError(message=message, context={"cache": self.get_sql_alchemy_url()})
