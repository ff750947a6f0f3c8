"""From a cache into a destination: the journal's lines as the source wrote them, from where it confirmed them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._engine.ends import DestinationSink
from airbyte_exec._engine.options import WriteOptions
from airbyte_exec._engine.plan import Begun, SyncPlan, plan_sync
from airbyte_exec._engine.transfer import Transfer
from airbyte_exec._state.pair import PairState, open_pair
from airbyte_exec._state.store import Saved, StateStore, StreamSaved
from airbyte_exec.aio._alone import Alone
from airbyte_exec.aio._outcome import with_result, write_result
from airbyte_exec.aio._prepare import following_configs, prepare_destination, rename_catalog
from airbyte_exec.results import ReadResult, WriteResult
from airbyte_exec.strategies import WriteStrategy
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.aio.destination import AsyncDestination
    from airbyte_exec.aio.source import Streams
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.protocol.catalog import CatalogPlan
    from airbyte_exec.protocol.models import AirbyteCatalog


@dataclass(frozen=True, kw_only=True)
class ReplayFlow:
    """A write of what a cache holds.

    Parameters:
        destination: where it goes.
        read_result: what was read, and the cache that holds it.
        streams: which of its streams; None for all.
        strategy: how rows meet those that are there.
        force_full_refresh: write everything that the cache holds again.
        store: where the pair's state is kept; None for nowhere.
        options: the rest.
        prepared: the destination was checked a moment ago.
        begun: what earlier attempts have begun.
    """

    destination: AsyncDestination
    read_result: ReadResult
    streams: Streams
    strategy: WriteStrategy
    force_full_refresh: bool
    store: StateStore | None
    options: WriteOptions
    prepared: bool = False
    begun: Begun = field(default_factory=Begun)

    async def _open_state(self) -> PairState:
        return await open_pair(
            self.store,
            source_name=self.read_result.source_name,
            source_config={},
            source_key=self.read_result.source_key,
            destination_name=self.destination.name,
            destination_config=self.destination.given_config,
            state_key=self.options.state_key,
        )

    async def run(self, alone: Alone) -> WriteResult:
        """Write, and return what was done."""
        with bare_errors():
            state = await self._open_state()
            await alone.on(state)
            if not self.prepared:
                await prepare_destination(self.destination, check=self.options.check)

            journal = await anyio.to_thread.run_sync(_journal_of, self.read_result.cache, self.read_result.source_name)
            known = await state.load()
            replaced = {stream for stream, entry in _streams(known).items() if journal.replaced_since(stream, entry)}
            catalog = _refreshing(await self._catalog(), replaced)
            now_ms = round(time.time() * 1000)
            plan = plan_sync(catalog, _of_journal(known, journal), now_ms=now_ms, begun=self.begun.write)
            return await self._write(plan, state, journal)

    async def _catalog(self) -> CatalogPlan:
        from airbyte_exec.protocol.catalog import plan_catalog

        cache, source_name = self.read_result.cache, self.read_result.source_name
        return plan_catalog(
            await anyio.to_thread.run_sync(_catalog_of, cache, source_name),
            streams=self.streams if self.streams is not None else list(self.read_result.summary.streams) or None,
            strategy=self.strategy,
            force_full_refresh=self.force_full_refresh,
            supported=await self.destination.supported_sync_modes(),
            connector_name=source_name,
        )

    async def _write(self, plan: SyncPlan, state: PairState, journal: _Journal) -> WriteResult:
        source_name, destination = self.read_result.source_name, self.destination
        after: dict[StreamId, int] = {}
        for stream, saved in plan.templates.items():
            fresh = saved.minimum_generation_id > 0 and stream not in plan.continued
            position = None if fresh else saved.position
            plan.templates[stream] = replace(saved, journal=journal.of(stream), position=position)
            if position is not None:
                after[stream] = position

        transfer = Transfer(plan, state, self.options, source_name=source_name, destination_name=destination.name)
        names = transfer.route.names
        catalog = rename_catalog(plan.configured(), names).to_bytes()
        async with with_result(transfer, state), AsyncExitStack() as stack:
            await transfer.begin()
            await stack.enter_async_context(following_configs(state, destination))
            feed = self.read_result.cache.open_journal(source_name, plan.streams, after=after)
            session = await stack.enter_async_context(
                destination.open("write", catalog=catalog, options=self.options.session)
            )
            transfer.summary.facts[destination.name] = session.facts
            await transfer.run(feed, DestinationSink(session, names))

        return await write_result(transfer, state)


def _catalog_of(cache: CacheBase, source_name: str) -> AirbyteCatalog:
    """Return the streams that a cache holds of a source, with the keys that they were read with as their own."""
    from airbyte_exec.protocol.models import AirbyteCatalog

    streams = []
    for configured in cache.configured_catalog(source_name).streams:
        stream = configured.stream
        update: dict[str, object] = {}
        if configured.primary_key and configured.primary_key != stream.source_defined_primary_key:
            update["source_defined_primary_key"] = configured.primary_key

        if configured.cursor_field and configured.cursor_field != stream.default_cursor_field:
            update["default_cursor_field"] = configured.cursor_field

        streams.append(stream.model_copy(update=update) if update else stream)

    return AirbyteCatalog(streams=streams)


@dataclass(frozen=True, slots=True)
class _Journal:
    """The journal of a cache, and the generation of each of its streams: a position counts in one of them.

    Parameters:
        name: the journal's id.
        generations: the generation of the rows that each stream has.
    """

    name: str
    generations: Mapping[StreamId, int]

    def of(self, stream: StreamId) -> str:
        """Return what a position of a stream is said to count in."""
        generation = self.generations.get(stream)
        return self.name if generation is None else f"{self.name}/{generation}"

    def replaced_since(self, stream: StreamId, saved: StreamSaved) -> bool:
        """Say whether the rows of a stream took the place of those that the destination was sent."""
        name, slash, generation = (saved.journal or "").partition("/")
        return bool(slash) and name == self.name and generation != str(self.generations.get(stream))


def _journal_of(cache: CacheBase, source_name: str) -> _Journal:
    entries = cache.stream_entries(source_name)
    return _Journal(cache.journal_id(), {stream: entry.generation_id for stream, entry in entries.items()})


def _streams(saved: Saved | None) -> Mapping[StreamId, StreamSaved]:
    return {} if saved is None else saved.streams


def _refreshing(catalog: CatalogPlan, streams: Collection[StreamId]) -> CatalogPlan:
    """Let streams be sent anew, as a generation that takes the place of the old ones."""
    plans = (replace(plan, refresh=True) if plan.stream in streams else plan for plan in catalog.streams)
    return replace(catalog, streams=tuple(plans))


def _of_journal(saved: Saved | None, journal: _Journal) -> Saved | None:
    """Return what is known, without positions in another journal: those mean nothing in this one."""
    if saved is None:
        return None

    streams = {
        stream: known
        if (known.journal or "").partition("/")[0] == journal.name
        else replace(known, journal=journal.of(stream), position=None)
        for stream, known in saved.streams.items()
    }
    return replace(saved, streams=streams)
