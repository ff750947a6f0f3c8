"""The tables of a cache, for programs that query them by themselves, or that write messages into them without a source.

    catalog = CatalogProvider(configured_catalog)
    processor = cache.get_record_processor("source-mine", catalog)
    processor.process_airbyte_messages(messages, write_strategy=WriteStrategy.APPEND)

A `Destination.write` or a `Source.read` needs none of this.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from airbyte_exec._state.document import is_refreshing
from airbyte_exec._state.runlock import RunLock
from airbyte_exec._state.store import Pair
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._load import Load
from airbyte_exec.caches._messages import Tracker, Writing
from airbyte_exec.caches._statistics import TableStatistics, row_count
from airbyte_exec.caches._tables import table_columns
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteInputError, PyAirbyteWarning
from airbyte_exec.protocol.catalog import StreamPlan
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.strategies import WriteMethod, WriteStrategy, parse_strategy
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

    from airbyte_exec._state.store import Saved
    from airbyte_exec.caches._entry import StreamEntry
    from airbyte_exec.caches._registry import Registry
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.protocol.models import AirbyteMessage
    from airbyte_exec.shared.state_writers import StateWriterBase


class SqlProcessor:
    """The tables of a cache.

    Parameters:
        cache: the cache.
        catalog_provider: its streams.
    """

    def __init__(self, cache: CacheBase, catalog_provider: CatalogProvider) -> None:
        self._cache = cache
        self._catalog_provider = catalog_provider

    @property
    def sql_config(self) -> CacheBase:
        """The cache."""
        return self._cache

    @property
    def catalog_provider(self) -> CatalogProvider:
        """The streams."""
        return self._catalog_provider

    @property
    def database_name(self) -> str:
        """The name of the database."""
        return self._cache.get_database_name()

    def get_sql_alchemy_url(self) -> str:
        """Return the SQLAlchemy URL of the database."""
        return self._cache.get_sql_alchemy_url()

    def get_sql_engine(self) -> Engine:
        """Return the SQLAlchemy engine of the cache."""
        return self._cache.get_sql_engine()

    @contextmanager
    def get_sql_connection(self) -> Iterator[Connection]:
        """Open a connection with a transaction, which is committed at the end, or rolled back by an exception."""
        with self.get_sql_engine().begin() as connection:
            yield connection

    def get_sql_table_name(self, stream_name: str) -> str:
        """Return the name of the table of a stream; of one that is not there yet, the name that it would get."""
        return self._cache.table_name(stream_name)

    def get_sql_table(self, stream_name: str) -> Table:
        """Return the table of a stream as SQLAlchemy has it.

        Raises:
            KeyError: the cache has no such stream.
        """
        return self._cache.sql_table(stream_name)

    def fetch_row_count(self, table_name: str) -> int:
        """Return the number of rows of a table.

        Raises:
            PyAirbyteCacheError: there is no such table.
        """
        with self._cache.connection() as connection, database_errors("The table could not be read."):
            return row_count(connection, self._cache.schema_name, table_name)

    def fetch_column_info(self, table_name: str) -> list[dict[str, str]]:
        """Return `column_name` and `column_type` of each column of a table, as the database has them.

        Raises:
            PyAirbyteCacheError: there is no such table.
        """
        with self._cache.connection() as connection:
            types = table_columns(connection, self._cache.schema_name, table_name)

        if not types:
            raise PyAirbyteCacheError(
                message=f"There is no table {table_name!r}.", context={"cache": repr(self._cache)}
            )

        return [{"column_name": name, "column_type": kind} for name, kind in types.items()]

    def fetch_table_statistics(self, stream_names: list[str]) -> dict[str, TableStatistics]:
        """Return row counts, and counts of NULLs by column. Streams that the cache does not have are left out."""
        return self._cache.fetch_table_statistics(stream_names)


class RecordProcessor(SqlProcessor):
    """The tables of one source in a cache, and a way to write into them.

    Parameters:
        cache: the cache.
        catalog_provider: the streams that may come.
        source_name: the source's name.
        state_writer: takes the states whose records are durable.
        open_registry: opens the database for a load, which closes it.
    """

    def __init__(
        self,
        cache: CacheBase,
        catalog_provider: CatalogProvider,
        *,
        source_name: str,
        state_writer: StateWriterBase,
        open_registry: Callable[[], Registry],
    ) -> None:
        super().__init__(cache, catalog_provider)
        self._source_name = source_name
        self._state_writer = state_writer
        self._open_registry = open_registry

    @property
    def state_writer(self) -> StateWriterBase:
        """What takes the states whose records are durable."""
        return self._state_writer

    def process_airbyte_messages(
        self,
        messages: Iterable[AirbyteMessage],
        *,
        write_strategy: WriteStrategy | str = WriteStrategy.AUTO,
        progress_tracker: Tracker | None = None,
    ) -> None:
        """Write the records of the messages, and hand each state on when the records before it are durable.

        A batch is one transaction; its states are written after it. If the program dies between the two, the records
        come once more the next time: at least once, and exactly once where they are merged. The rows of a replace take
        the place of the old ones at the end, and their states are handed on then.

        An error leaves all that was added or merged until then, with or without a state after it. A call whose process
        is killed leaves what a state follows: the next call removes what else it added.

        Parameters:
            messages: what a source sends.
            write_strategy: how rows meet those that are there.
            progress_tracker: is told of each batch.

        Raises:
            AirbyteStreamNotFoundError: a record of a stream that is not in the catalog.
            AirbyteConnectorReadError: a TRACE ERROR, or a stream that is INCOMPLETE; raised after the last message. The
                streams that were to be replaced are as they were.
            PyAirbyteCacheError: it could not be written.
            PyAirbyteInputError: no such strategy, a merge of a stream without a primary key, or a stream that an
                interrupted read is about to replace.
            PyAirbyteStateInUseError: another call, or a read, writes rows of this source into the cache.
        """
        strategy = parse_strategy(write_strategy)
        with self._alone(), database_errors("What was sent could not be written to the cache."):
            plans = self._plans(strategy)
            load = Load(self._open_registry(), Pair(self._source_name, None, ""), plans, None, warn=_warn)
            try:
                writing = Writing(load, plans, self._state_writer, progress_tracker)
                writing.take(messages)
                writing.finish(self._source_name)
            finally:
                load.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the locks of the source's rows, with whatever config they were read, until the end of the block."""
        place = self._cache.state_store().lock_place
        with ExitStack() as locks:
            if place is not None:
                own = Pair(self._source_name, None, "")
                for pair in dict.fromkeys([own, *self._cache.states_of_rows(self._source_name)]):
                    lock = RunLock(place, pair)
                    lock.acquire()
                    locks.callback(lock.release)

            yield

    def _plans(self, strategy: WriteStrategy) -> list[StreamPlan]:
        entries = self._cache.stream_entries(self._source_name)
        known = self._cache.states_of_rows(self._source_name).values()
        plans = []
        for configured in self._catalog_provider.with_write_strategy(strategy).configured_catalog.streams:
            stream = StreamId(configured.stream.name, configured.stream.namespace)
            alone = CatalogProvider(ConfiguredAirbyteCatalog(streams=[configured]))  # another may have its name
            method = alone.resolve_write_method(stream.name, strategy)
            entry = entries.get(stream)
            if entry is not None:
                _require_not_refreshing(entry, known)

            refresh = method is WriteMethod.REPLACE
            numbers = _generation(entry, refresh=refresh)
            plans.append(
                StreamPlan(
                    stream=stream, method=method, configured=configured.model_copy(update=numbers), refresh=refresh
                )
            )

        return plans


def _generation(entry: StreamEntry | None, *, refresh: bool) -> dict[str, int]:
    held = entry.generation_id if entry is not None else 0
    if not refresh:
        # Rows that are added are of the generation that is there: a destination would be sent all of a new one.
        return {"generation_id": held, "minimum_generation_id": 0}

    # A replace that was interrupted has begun a generation: this one is another.
    begun = entry.staging_generation_id if entry is not None else None
    generation = max(held, begun or 0) + 1
    return {"generation_id": generation, "minimum_generation_id": generation}


def _require_not_refreshing(entry: StreamEntry, known: Iterable[Saved]) -> None:
    """Raise where a read is to go on with rows that are put aside: this would drop them, and not the read's state."""
    found = [saved.streams[entry.stream] for saved in known if entry.stream in saved.streams]
    if any(is_refreshing(saved) and saved.generation_id == entry.staging_generation_id for saved in found):
        raise PyAirbyteInputError(
            message=f"A read that replaces stream {entry.stream} was interrupted: its rows are not in place yet.",
            guidance="Read the source into the cache again, which ends it.",
            context={"stream_name": str(entry.stream)},
        )


def _warn(text: str) -> None:
    warnings.warn(text, PyAirbyteWarning, stacklevel=2)
