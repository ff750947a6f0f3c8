"""The straight stream: from the source's stdout to the destination's stdin, with nothing between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.session import Session, share_masks
from airbyte_exec._engine.ends import DestinationSink, SourceFeed
from airbyte_exec._engine.options import WriteOptions
from airbyte_exec._engine.plan import Begun, plan_sync
from airbyte_exec._engine.transfer import Transfer
from airbyte_exec._state.pair import PairState, open_pair
from airbyte_exec._state.store import Saved, StateStore
from airbyte_exec.aio._alone import Alone
from airbyte_exec.aio._outcome import with_result, write_result
from airbyte_exec.aio._prepare import (
    following_configs,
    prepare_both,
    prepared_both,
    rename_catalog,
    stop_both,
)
from airbyte_exec.aio.source import AsyncSource, Streams
from airbyte_exec.results import WriteResult
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.aio.destination import AsyncDestination


@dataclass(frozen=True, kw_only=True)
class StraightFlow:
    """A write of a source that goes through no cache.

    Parameters:
        destination: where it goes.
        source: where it comes from.
        streams: which streams; None for those that are selected on the source, or all.
        strategy: how rows meet those that are there.
        force_full_refresh: read everything again.
        store: where the pair's state is kept; None for nowhere.
        also_known_to: another store that may know the pair: what that has committed later counts.
        options: the rest.
        begun: what earlier attempts have begun.
    """

    destination: AsyncDestination
    source: AsyncSource
    streams: Streams
    strategy: WriteStrategy
    force_full_refresh: bool
    store: StateStore | None
    also_known_to: StateStore | None = None
    options: WriteOptions
    begun: Begun = field(default_factory=Begun)

    async def run(self, alone: Alone) -> WriteResult:
        """Write, and return what was done."""
        source, destination = self.source, self.destination
        with bare_errors():
            state = await self._open_state(self.store)
            await alone.on(state)
            await prepare_both(source, destination, check=self.options.check)
            catalog = await source.plan(
                self.streams,
                strategy=self.strategy,
                force_full_refresh=self.force_full_refresh,
                supported=await destination.supported_sync_modes(),
            )
            now_ms = round(time.time() * 1000)
            plan = plan_sync(catalog, await self._load(state), now_ms=now_ms, begun=self.begun.write)
            transfer = Transfer(plan, state, self.options, source_name=source.name, destination_name=destination.name)
            async with with_result(transfer, state):
                await transfer.begin()
                async with following_configs(state, source, destination), self._both(transfer) as (feed, sink):
                    await transfer.run(feed, sink)

            return await write_result(transfer, state)

    async def _open_state(self, store: StateStore | None) -> PairState:
        return await open_pair(
            store,
            source_name=self.source.name,
            source_config=self.source.given_config,
            destination_name=self.destination.name,
            destination_config=self.destination.given_config,
            state_key=self.options.state_key,
        )

    async def _load(self, state: PairState) -> Saved | None:
        """Return what is known of the pair: what its destination confirmed last, through a cache or not."""
        saved = await state.load()
        if self.also_known_to is None:
            return saved

        other = await (await self._open_state(self.also_known_to)).load()
        if other is None or (saved is not None and saved.last_updated >= other.last_updated):
            return saved

        state.warnings.clear()
        return other

    @asynccontextmanager
    async def _both(self, transfer: Transfer) -> AsyncIterator[tuple[SourceFeed, DestinationSink]]:
        """Run both connectors; what one of them needs to start or to stop, it does while the other does."""
        options = self.options.session
        configured = transfer.plan.configured()
        names = transfer.route.names
        renamed = rename_catalog(configured, names).to_bytes()
        write, read = await prepared_both(
            lambda: self.destination.prepare("write", catalog=renamed, options=options),
            lambda: self.source.prepare(
                "read", catalog=configured.to_bytes(), state=transfer.plan.state, options=options
            ),
        )
        async with AsyncExitStack() as stack:
            stack.push_async_callback(write.close)
            stack.push_async_callback(read.close)
            writing: Session = await stack.enter_async_context(write.run())
            transfer.summary.facts[self.destination.name] = writing.facts
            reading: Session = await stack.enter_async_context(read.run())
            share_masks(reading, writing)
            stack.push_async_callback(stop_both, writing.child, reading.child)
            transfer.summary.facts[self.source.name] = reading.facts
            transfer.summary.progress.estimates = reading.facts.estimates
            yield SourceFeed(reading, transfer.plan.streams), DestinationSink(writing, names)
