"""The side of a cache that the engine sees: a sink, a feed, a state store, and what is known of the streams."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airbyte_exec._state.provider import SavedStateProvider
from airbyte_exec._state.runlock import LockPlace
from airbyte_exec._state.store import Pair, Saved, StreamSaved
from airbyte_exec.caches import _journal, _rows, _state, _state_rows
from airbyte_exec.caches._connection import MAKING_TABLES, database_errors
from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._feed import CacheFeed
from airbyte_exec.caches._known import known_streams
from airbyte_exec.caches._load import Load
from airbyte_exec.caches._program_states import ProgramStateWriter
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._sink import CacheSink, open_sink
from airbyte_exec.caches._state import SqlStateStore, transaction
from airbyte_exec.exceptions import PyAirbyteCacheError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog
from airbyte_exec.shared.state_writers import StateWriterBase
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from airbyte_exec.protocol.catalog import StreamPlan


class CatalogSource(Protocol):
    """What `create_source_tables` needs of a source."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def get_selected_streams(self) -> list[str]:
        """Return the streams that are selected on it."""
        ...

    def get_configured_catalog(self, streams: Literal["*"] | list[str] | None = None) -> ConfiguredAirbyteCatalog:
        """Return the catalog that it would be read with."""
        ...


class CacheStorage(abc.ABC):
    """What the engine needs of a cache.

    Parameters:
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with.
    """

    def __init__(self, *, schema_name: str, table_prefix: str) -> None:
        self.schema_name = schema_name
        self.table_prefix = table_prefix

    @abc.abstractmethod
    def _connect(self) -> DuckDBPyConnection:
        """Return a new connection."""

    @abc.abstractmethod
    def _failed(self, message: str) -> PyAirbyteCacheError:
        """Return an error that names the cache."""

    @property
    @abc.abstractmethod
    def paired_destination_name(self) -> str:
        """The connector that writes to the same kind of database."""

    @property
    @abc.abstractmethod
    def paired_destination_config(self) -> dict[str, Any]:
        """A config with which that destination writes to the same place."""

    def get_vendor_client(self) -> DuckDBPyConnection:
        """Return a connection of the database's own library. It keeps the file locked until the caller closes it."""
        return self._connect()

    def state_store(self) -> SqlStateStore:
        """Return the store that keeps state in this cache: of its own rows, and of destinations."""
        return SqlStateStore(self._open_made, self._lock_place())

    def _lock_place(self) -> LockPlace | None:
        """Return where the locks of runs lie; None where nobody else can have the same cache."""
        return None

    def get_state_provider(
        self,
        source_name: str,
        *,
        refresh: bool = True,  # noqa: ARG002 - PyAirbyte's name
        destination_name: str | None = None,
    ) -> SavedStateProvider:
        """Return the state that is saved here, of the configs that were used last.

        Parameters:
            source_name: the source.
            refresh: kept for callers of PyAirbyte: the cache is asked at each call.
            destination_name: the destination that confirmed the state; None for the state of the rows here.
        """
        with self._open_made() as registry:
            return SavedStateProvider(_state.latest(registry, source_name, destination_name))

    def get_state_writer(self, source_name: str, destination_name: str | None = None) -> StateWriterBase:
        """Return a writer of state: the next sync of these two goes on from what is written, with whatever configs.

        Parameters:
            source_name: the source.
            destination_name: the destination; None for the state of the rows here.
        """
        return ProgramStateWriter(self._open_made, Pair(source_name, destination_name, ""))

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
        self,
        source_name: str,
        streams: Sequence[StreamId] | None = None,
        *,
        after: Mapping[StreamId, int] | None = None,
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
                yield _cached_items(registry, source_name, streams, after or {})

        return CacheFeed(open_items, failed=self._failed)

    def journal_id(self) -> str:
        """Return the id of the journal: positions mean something within it alone."""
        with (
            database_errors("The cache could not be read."),
            self._open_made() as registry,
            transaction(registry.connection),
        ):
            for source_name in {entry.source_name for entry in registry.streams()}:
                known_streams(registry, source_name)

            return registry.info("journal").decode()

    def stream_entries(self, source_name: str) -> dict[StreamId, StreamEntry]:
        """Return what is known of the streams of a source: the configured stream, the generation, the table."""
        with self._open() as registry:
            return {entry.stream: entry for entry in registry.streams() if entry.source_name == source_name}

    def states_of_rows(self, source_name: str) -> dict[Pair, Saved]:
        """Return what is saved with the rows of a source, of each config that it was read with."""
        with self._open_made() as registry:
            return {row.pair: row.saved for row in _state_rows.rows_of(registry, source_name)}

    def configured_catalog(self, source_name: str) -> ConfiguredAirbyteCatalog:
        """Return the catalog that the rows of a source were last read with."""
        return ConfiguredAirbyteCatalog(streams=[e.configured for e in self.stream_entries(source_name).values()])

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
                with MAKING_TABLES, transaction(registry.connection):
                    registry.create()

            yield registry


def _cached_items(
    registry: Registry, source_name: str, streams: Sequence[StreamId] | None, after: Mapping[StreamId, int]
) -> Iterator[Records | State]:
    wanted = None if streams is None else frozenset(streams)
    known = known_streams(registry, source_name).of(source_name)
    entries = [entry for entry in known if wanted is None or entry.stream in wanted]
    saved = _state.latest(registry, source_name)
    registry.connection.execute("SET TimeZone = 'UTC'")
    seq = registry.last_seq()
    for entry in entries:
        if not entry.has_journal and entry.stream not in after:
            known_state = saved.streams.get(entry.stream) if saved is not None else None
            state = known_state.state if known_state is not None else None
            yield from _rows.rows_as_records(registry, entry, state=state, position=seq)

    journaled = [entry for entry in entries if entry.has_journal or entry.stream in after]
    yield from _journal.replay(registry, journaled, after, is_part=len(entries) < len(known))
