"""Which way a write takes, decided from its arguments alone: nothing is started here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import anyio
import anyio.to_thread

from airbyte_exec import constants
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._engine.options import WriteOptions, with_overrides
from airbyte_exec._engine.plan import Begun
from airbyte_exec._state.store import StateStore
from airbyte_exec.aio._alone import Alone
from airbyte_exec.aio._outcome import noted
from airbyte_exec.aio._prepare import prepare_both
from airbyte_exec.aio._read import ReadFlow
from airbyte_exec.aio._replay import ReplayFlow
from airbyte_exec.aio._straight import StraightFlow
from airbyte_exec.aio.source import AsyncSource, Streams
from airbyte_exec.exceptions import AirbyteConnectorError, PyAirbyteInputError
from airbyte_exec.results import ReadResult, StreamResult, WriteResult
from airbyte_exec.strategies import WriteStrategy, parse_strategy
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.aio.destination import AsyncDestination
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.protocol.models import DestinationSyncMode

StateCache = Any
"""A cache, a `StateStore`, False for none, or None for the default store."""


class Flow(Protocol):
    """A write that is ready to run."""

    @property
    def options(self) -> WriteOptions:
        """How it is run."""
        ...

    async def run(self, alone: Alone) -> WriteResult:
        """Run it, alone on the pairs whose state it changes."""
        ...


@dataclass(frozen=True, kw_only=True)
class CachedFlow:
    """A read into a cache, then a write of what the destination has not confirmed yet.

    Parameters:
        closes_cache: the cache is nobody else's: it is closed at the end, so that other processes may have the file.
    """

    destination: AsyncDestination
    source: AsyncSource
    cache: CacheBase
    streams: Streams
    strategy: WriteStrategy
    force_full_refresh: bool
    store: StateStore | None
    options: WriteOptions
    closes_cache: bool
    begun: Begun = field(default_factory=Begun)

    def _read_flow(self, supported: Collection[DestinationSyncMode] | None) -> ReadFlow:
        return ReadFlow(
            source=self.source,
            cache=self.cache,
            streams=self.streams,
            strategy=self.strategy,
            force_full_refresh=self.force_full_refresh,
            options=self.options,
            supported=supported,
            begun=self.begun,
        )

    async def run(self, alone: Alone) -> WriteResult:
        """Read and write, and return what was written."""
        try:
            return await self._run(alone)
        finally:
            if self.closes_cache:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self.cache.close)

    async def _run(self, alone: Alone) -> WriteResult:
        with bare_errors():
            await prepare_both(self.source, self.destination, check=self.options.check)
            read_flow = self._read_flow(await self.destination.supported_sync_modes())
            try:
                read_result = await read_flow.run(alone)
            except AirbyteConnectorError as error:
                done = _read_apart(error.result)
                if done:
                    read_result = await read_flow.read_before(error.result)
                    written = await self._replay(read_result, done, alone)
                    error.result = replace(written, streams={**_not_sent(read_result.summary), **written.streams})

                raise

            return await self._replay(read_result, list(read_result.summary.streams), alone)

    async def _replay(self, read_result: ReadResult, streams: list[StreamId], alone: Alone) -> WriteResult:
        replay = ReplayFlow(
            destination=self.destination,
            read_result=read_result,
            streams=streams,
            strategy=self.strategy,
            force_full_refresh=self.force_full_refresh,
            store=self.store,
            options=self.options,
            prepared=True,
            begun=self.begun,
        )
        try:
            return _with_reading(read_result.summary, await replay.run(alone))
        except AirbyteConnectorError as error:
            if isinstance(error.result, WriteResult):
                error.result = _with_reading(read_result.summary, error.result)

            raise


def _read_apart(result: object) -> list[StreamId]:
    """Return the streams that a read completed while others failed by themselves; none where the whole read failed."""
    streams = result.streams if isinstance(result, WriteResult) else {}
    if any(found.status == "incomplete" for found in streams.values()):
        return []

    return [stream for stream, found in streams.items() if found.status == "complete"]


def _not_sent(read: WriteResult) -> dict[StreamId, StreamResult]:
    """Return what is to be said of the streams of a read that come no further."""
    return {stream: replace(found, records_delivered=0, records_confirmed=0) for stream, found in read.streams.items()}


def _with_reading(read: WriteResult, written: WriteResult) -> WriteResult:
    """Return what a write did, with what its read noted, and the time that both took."""
    seconds = written.started_at + written.duration_seconds - read.started_at
    return replace(written, started_at=read.started_at, duration_seconds=seconds, **noted([read, written]))


def choose_flow(
    destination: AsyncDestination,
    source_data: AsyncSource | ReadResult,
    *,
    streams: Streams,
    cache: CacheBase | Literal[False] | None,
    state_cache: StateCache,
    write_strategy: WriteStrategy | str,
    force_full_refresh: bool,
    options: WriteOptions,
    overrides: Mapping[str, Any],
) -> Flow:
    """Return the write that the arguments ask for.

    Raises:
        PyAirbyteInputError: they do not go together.
    """
    common: dict[str, Any] = {
        "destination": destination,
        "streams": streams,
        "strategy": parse_strategy(write_strategy),
        "force_full_refresh": force_full_refresh,
        "options": with_overrides(options, overrides),
    }
    if isinstance(source_data, ReadResult):
        if cache:
            raise PyAirbyteInputError(
                message="`cache` cannot be given together with a ReadResult, which carries a cache of its own.",
                guidance="Leave `cache` out.",
            )

        return ReplayFlow(read_result=source_data, store=pair_store(state_cache, source_data.cache), **common)

    if not isinstance(source_data, AsyncSource):
        raise PyAirbyteInputError(
            message=f"write() takes a Source or a ReadResult, not {type(source_data).__name__}.",
            input_value=type(source_data).__name__,
        )

    if cache is False:
        known = _default_cache_store() if state_cache is None else None
        return StraightFlow(source=source_data, store=pair_store(state_cache, None), also_known_to=known, **common)

    used: Any = _default_cache() if cache is None else cache
    if not hasattr(used, "open_sink"):
        raise PyAirbyteInputError(
            message=f"`cache` takes a cache, None for the default one, or False for none, not {type(used).__name__}.",
            input_value=type(used).__name__,
        )

    return CachedFlow(
        source=source_data, cache=used, store=pair_store(state_cache, used), closes_cache=cache is None, **common
    )


def _default_cache() -> CacheBase:
    from airbyte_exec.caches import get_default_cache

    return get_default_cache()


def _default_cache_store() -> StateStore | None:
    """Return the state of the default cache, if there is one: writes through it may have confirmed the same pair."""
    if not (constants.cache_root() / "default_cache" / "default_cache.duckdb").exists():
        return None

    return _default_cache().state_store()


def pair_store(state_cache: StateCache, cache: CacheBase | None) -> StateStore | None:
    """Return where the state of a source and a destination is kept.

    Parameters:
        state_cache: a cache or a store to keep it in; False keeps none; None leaves the choice.
        cache: the cache that the data goes through; the choice falls on it, and without one on the default store, files
            in the folder `state` of the cache root.
    """
    if state_cache is False:
        return None

    chosen = cache if state_cache is None else state_cache
    if chosen is None:
        from airbyte_exec._state.files import StateFolder

        return StateFolder(constants.cache_root() / "state")

    found: Any = chosen.state_store() if hasattr(chosen, "state_store") else chosen
    store: StateStore = found
    return store
