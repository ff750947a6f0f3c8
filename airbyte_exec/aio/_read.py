"""From a source into a cache: rows, journal and state in the same transactions."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._engine.ends import SourceFeed
from airbyte_exec._engine.options import NameMapping, WriteOptions
from airbyte_exec._engine.plan import Begun, plan_sync
from airbyte_exec._engine.transfer import Transfer
from airbyte_exec._state.pair import PairState, open_pair
from airbyte_exec.aio._alone import Alone
from airbyte_exec.aio._outcome import with_result, write_result
from airbyte_exec.aio._prepare import following_configs, side_by_side
from airbyte_exec.results import ReadResult, WriteResult
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.aio.source import AsyncSource, Streams
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.protocol.models import DestinationSyncMode


@dataclass(frozen=True, kw_only=True)
class ReadFlow:
    """A read of a source into a cache. The source is installed, and its config is good.

    Parameters:
        source: where it comes from.
        cache: where it goes.
        streams: which streams; None for those that are selected on the source, or all.
        strategy: how rows meet those that are there.
        force_full_refresh: read everything again.
        options: the rest.
        supported: what the destination that comes after supports; None where none does.
        begun: what earlier attempts have begun.
    """

    source: AsyncSource
    cache: CacheBase
    streams: Streams
    strategy: WriteStrategy
    force_full_refresh: bool
    options: WriteOptions
    supported: Collection[DestinationSyncMode] | None = None
    begun: Begun = field(default_factory=Begun)

    async def open_state(self) -> PairState:
        """Return the state of the rows that the cache has of the source."""
        return await open_pair(
            self.cache.state_store(),
            source_name=self.source.name,
            source_config=self.source.given_config,
            destination_name=None,
            destination_config={},
            state_key=self.options.state_key,
        )

    async def run(self, alone: Alone) -> ReadResult:
        """Read, and return what was read."""
        source, cache = self.source, self.cache
        opened: list[PairState] = []

        async def open_cache() -> None:
            opened.append(await self.open_state())
            await alone.on(*opened)

        with bare_errors():
            # The cache is opened while the source discovers: both take a while, the first time.
            await side_by_side(source.discover, open_cache)
            catalog = await source.plan(
                self.streams,
                strategy=self.strategy,
                force_full_refresh=self.force_full_refresh,
                supported=self.supported,
            )
            (state,) = opened
            now_ms = round(time.time() * 1000)
            plan = plan_sync(catalog, await state.load(), now_ms=now_ms, begun=self.begun.read)
            transfer = Transfer(
                plan,
                state.without_commits(),
                replace(self.options, names=NameMapping()),
                source_name=source.name,
                destination_name=type(cache).__name__,
            )
            async with with_result(transfer, state), following_configs(state, source), AsyncExitStack() as stack:
                # The source first: it starts while the cache is made ready.
                session = await stack.enter_async_context(
                    source.reading(plan.configured(), plan.state, self.options.session)
                )
                sink = await stack.enter_async_context(
                    cache.open_sink(
                        state.pair,
                        plan.catalog.streams,
                        plan.templates,
                        on_warning=transfer.summary.warnings.append,
                    )
                )
                transfer.summary.facts[source.name] = session.facts
                transfer.summary.progress.estimates = session.facts.estimates
                await transfer.run(SourceFeed(session, plan.streams), sink)

            return ReadResult(cache, source.name, await write_result(transfer, state), source_key=state.pair.source_key)

    async def read_before(self, summary: WriteResult) -> ReadResult:
        """Return what a read has brought that ended in an error."""
        state = await self.open_state()
        return ReadResult(self.cache, self.source.name, summary, source_key=state.pair.source_key)
