"""A destination, asynchronously: `write` is plan, run, result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airbyte_exec._connector.core import ConnectorCore
from airbyte_exec._connector.options import running_with
from airbyte_exec._engine.options import DEFAULT_WRITE_OPTIONS, WriteOptions, WriteOverrides
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.aio.source import AsyncSource, Streams
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.results import ReadResult, WriteResult


class AsyncDestination(ConnectorCore):
    """A destination that can be written to.

    Parameters:
        executor: what starts the connector.
        name: its name, `destination-…`.
        config: its config.
        config_change_callback: called with each config that the connector makes by itself.
        options: how the connector is run.
    """

    connector_type: ClassVar[Literal["source", "destination"]] = "destination"

    async def supported_sync_modes(self) -> list[Any]:
        """Return what the spec says of the supported `DestinationSyncMode`s; empty where it says nothing."""
        return list((await self.spec()).supported_destination_sync_modes or ())

    async def write(
        self,
        source_data: AsyncSource | ReadResult,
        *,
        streams: Streams = None,
        cache: CacheBase | Literal[False] | None = None,
        state_cache: CacheBase | Literal[False] | None = None,
        write_strategy: WriteStrategy | str = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        options: WriteOptions = DEFAULT_WRITE_OPTIONS,
        **overrides: Unpack[WriteOverrides],
    ) -> WriteResult:
        """Write data from a source, or data that was already read; see `Destination.write`."""
        from airbyte_exec.aio._attempts import run_alone
        from airbyte_exec.aio._flows import choose_flow

        flow = choose_flow(
            self,
            source_data,
            streams=streams,
            cache=cache,
            state_cache=state_cache,
            write_strategy=write_strategy,
            force_full_refresh=force_full_refresh,
            options=options,
            overrides=overrides,
        )
        with running_with(flow.options.session):
            return await run_alone(flow, flow.options.retries)
