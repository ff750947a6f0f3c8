"""What every cache has. A cache is two things in one database: a journal, from which what a source sent is replayed byte
by byte, and typed tables for people who query. Both are written in one transaction with the state.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec import constants
from airbyte_exec._state.store import Pair, StreamSaved
from airbyte_exec.caches import _journal, _rows, _state
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._feed import CacheFeed
from airbyte_exec.caches._load import Load
from airbyte_exec.caches._registry import Registry, StreamEntry
from airbyte_exec.caches._sink import CacheSink, open_sink
from airbyte_exec.caches._sqlalchemy import sql_table
from airbyte_exec.caches._state import SqlStateStore, transaction
from airbyte_exec.caches._writer import table_columns
from airbyte_exec.datasets.sql import CachedDataset
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteInputError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pandas import DataFrame
    from pyarrow.dataset import Dataset
    from sqlalchemy import Engine, Table
    from typing_extensions import Self

    from airbyte_exec.protocol.catalog import StreamPlan


class CacheBase(abc.ABC):
    """A cache: a mapping of the names of streams to their rows.

    Parameters:
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with. Caches with different prefixes in one schema know
            nothing of each other.
        cache_dir: the folder of the cache; `AIRBYTE_CACHE_ROOT`, or `.cache` in the working directory.
        cleanup: kept for callers of PyAirbyte: nothing is left behind that could be cleaned up.
    """

    paired_destination_name: str | None = None

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

        self.schema_name = schema_name
        self.table_prefix = table_prefix or ""
        self.cache_dir = Path(cache_dir) if cache_dir is not None else constants.cache_root()
        self.cleanup = cleanup
        self._engine: Engine | None = None

    # What a kind of database answers

    @abc.abstractmethod
    def _connect(self) -> DuckDBPyConnection:
        """Return a new connection."""

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
        """The rows of every stream, by its name: with its namespace before it where two streams have the same name."""
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
        with self._open() as registry, database_errors("The streams could not be registered."):
            with transaction(registry.connection):
                registry.create()
                known = registry.streams()
                registry.save(
                    registry.note(source_name, configured, known)
                    for configured in incoming_source_catalog.streams
                    if stream_names is None or configured.stream.name in stream_names
                )

    # What datasets ask

    @contextmanager
    def connection(self) -> Iterator[DuckDBPyConnection]:
        """Open a connection for as long as the context lasts."""
        with self._open() as registry:
            yield registry.connection

    def sql_table(self, stream_name: str) -> Table:
        """Return the table of a stream as SQLAlchemy has it, made of the columns that it is known to have.

        Raises:
            KeyError: the cache has no such stream.
        """
        entry = self._named()[stream_name]
        with self._open() as registry:
            columns = table_columns(registry.connection, self.schema_name, entry.table)

        return sql_table(entry.table, self.schema_name, columns)

    def configured_stream(self, stream_name: str) -> ConfiguredAirbyteStream:
        """Return a stream as it was last read.

        Raises:
            KeyError: the cache has no such stream.
        """
        return self._named()[stream_name].configured

    # The engine's side

    def state_store(self) -> SqlStateStore:
        """Return the store that keeps state in this cache: of its own rows, and of destinations."""
        return SqlStateStore(self._open_made)

    def open_sink(
        self,
        pair: Pair,
        plans: Sequence[StreamPlan],
        templates: Mapping[StreamId, StreamSaved],
        *,
        on_warning: Callable[[str], None],
    ) -> AbstractAsyncContextManager[CacheSink]:
        """Open the cache for one sync.

        Parameters:
            pair: the source, and no destination: whose state is written with the rows.
            plans: the streams.
            templates: what is saved of each stream beside its state.
            on_warning: called, from a worker thread, with what the user should know.
        """

        def open_load() -> Load:
            with database_errors("The cache could not be opened for writing."):
                return Load(self._registry(), pair, plans, templates, warn=on_warning)

        return open_sink(open_load, failed=self._failed)

    def open_journal(
        self, source_name: str, streams: Sequence[StreamId] | None = None, *, after: Mapping[StreamId, int] | None = None
    ) -> CacheFeed:
        """Return what the cache holds of a source, to be replayed.

        Parameters:
            source_name: the source.
            streams: the streams that are wanted; all, where they are left out.
            after: by stream, the position up to which it is not wanted any more.
        """

        @contextmanager
        def open_items() -> Iterator[Iterator[Records | State]]:
            with self._open_made() as registry, transaction(registry.connection):
                yield self._items(registry, source_name, streams, after or {})

        return CacheFeed(open_items, failed=self._failed)

    def journal_id(self) -> str:
        """Return the id of the journal: positions mean something within it alone."""
        with self._open_made() as registry:
            return registry.info("journal").decode()

    def stream_entries(self, source_name: str) -> dict[StreamId, StreamEntry]:
        """Return what is known of the streams of a source: the configured stream, the generation, the table."""
        with self._open() as registry:
            return {entry.stream: entry for entry in registry.streams() if entry.source_name == source_name}

    def configured_catalog(self, source_name: str) -> ConfiguredAirbyteCatalog:
        """Return the catalog that the rows of a source were last read with."""
        return ConfiguredAirbyteCatalog(streams=[e.configured for e in self.stream_entries(source_name).values()])

    def _items(
        self, registry: Registry, source_name: str, streams: Sequence[StreamId] | None, after: Mapping[StreamId, int]
    ) -> Iterator[Records | State]:
        entries = [e for e in registry.streams() if e.source_name == source_name and (streams is None or e.stream in streams)]
        saved = _state.load(registry, Pair(source_name, None, ""))
        registry.connection.execute("SET TimeZone = 'UTC'")
        for entry in [entry for entry in entries if not entry.has_journal]:
            if entry.stream not in after:
                known = saved.streams.get(entry.stream) if saved is not None else None
                state = known.state if known is not None else None
                yield from _rows.rows_as_records(registry, entry, state=state, position=0)

        yield from _journal.replay(registry, [entry for entry in entries if entry.has_journal], after)

    def _named(self) -> dict[str, StreamEntry]:
        with self._open() as registry:
            entries = registry.streams()

        counts: dict[str, int] = {}
        for entry in entries:
            counts[entry.stream.name] = counts.get(entry.stream.name, 0) + 1

        return {e.stream.name if counts[e.stream.name] == 1 else str(e.stream): e for e in entries}

    def _registry(self) -> Registry:
        return Registry(self._connect(), schema=self.schema_name, table_prefix=self.table_prefix)

    @contextmanager
    def _open(self) -> Iterator[Registry]:
        registry = self._registry()
        try:
            yield registry
        finally:
            registry.connection.close()

    @contextmanager
    def _open_made(self) -> Iterator[Registry]:
        with self._open() as registry:
            if not registry.is_there():
                with transaction(registry.connection):
                    registry.create()

            yield registry

    def _failed(self, message: str) -> PyAirbyteCacheError:
        return PyAirbyteCacheError(message=message, context={"cache": self.get_sql_alchemy_url()})
