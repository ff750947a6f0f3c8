"""What every cache has. A cache is two things in one database: a journal, from which what a source sent is replayed
byte by byte, and typed tables for people who query. Both are written in one transaction with the state.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec import constants
from airbyte_exec._state.store import Pair
from airbyte_exec.caches._connection import MAKING_TABLES, database_errors
from airbyte_exec.caches._known import known_streams
from airbyte_exec.caches._named import NamedStreams
from airbyte_exec.caches._program_states import ProgramStateWriter
from airbyte_exec.caches._schema import columns_of
from airbyte_exec.caches._state import transaction
from airbyte_exec.caches._storage import CatalogSource
from airbyte_exec.caches._tables import TablePlan
from airbyte_exec.caches._writer import TableWriter
from airbyte_exec.caches.processor import RecordProcessor, SqlProcessor
from airbyte_exec.datasets.sql import CachedDataset
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteInputError
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.shared.state_writers import StateWriterBase
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from typing import Self

    from pandas import DataFrame
    from pyarrow.dataset import Dataset
    from sqlalchemy import Engine


class CacheBase(NamedStreams):
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
            MAKING_TABLES,
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
        with self._open() as registry, MAKING_TABLES, transaction(registry.connection):
            writer = TableWriter(registry.connection, schema=self.schema_name, on_unparsed=lambda *_: None)
            for configured in catalog.streams:
                entry = entries[StreamId(configured.stream.name, configured.stream.namespace)]
                columns = columns_of(configured.stream.json_schema, known=entry.columns)
                writer.open(TablePlan(stream=entry.stream, table=entry.table, columns=tuple(columns)))

    # What programs do by themselves

    @property
    def processor(self) -> SqlProcessor:
        """The tables of this cache, to be queried."""
        streams = [self.configured_stream(name) for name in self._named()]
        return SqlProcessor(self, CatalogProvider(ConfiguredAirbyteCatalog(streams=streams)))

    def get_record_processor(
        self, source_name: str, catalog_provider: CatalogProvider, state_writer: StateWriterBase | None = None
    ) -> RecordProcessor:
        """Return what writes the messages of a source into this cache; its streams are registered.

        Parameters:
            source_name: the source's name.
            catalog_provider: the streams that may come.
            state_writer: takes the states whose records are durable; this cache, where it is left out.
        """
        self.register_source(source_name, catalog_provider.configured_catalog)
        own = ProgramStateWriter(self._open_made, Pair(source_name, None, ""), of_journal=True)
        return RecordProcessor(
            self,
            catalog_provider,
            source_name=source_name,
            state_writer=own if state_writer is None else state_writer,
            open_registry=self._registry,
        )

    def _failed(self, message: str) -> PyAirbyteCacheError:
        return PyAirbyteCacheError(message=message, context={"cache": self.get_sql_alchemy_url()})
