"""`Destination`: the blocking face of `airbyte_exec.aio.AsyncDestination`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from airbyte_exec import _portal
from airbyte_exec._connector.base import ConnectorBase
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions
from airbyte_exec._connector.writer import AirbyteWriterInterface
from airbyte_exec._engine.options import DEFAULT_WRITE_OPTIONS, WriteOptions, WriteOverrides
from airbyte_exec.aio.destination import AsyncDestination
from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors.base import Executor
from airbyte_exec.sources.base import Source
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.results import ReadResult, WriteResult


_DUCKDB_PATHS = {"destination-duckdb": "destination_path", "destination-local": "path"}
"""Destinations that write a DuckDB file, and the key of their config that names it."""


class Destination(ConnectorBase[AsyncDestination], AirbyteWriterInterface):
    """A destination that can be called.

    Parameters:
        executor: what starts the connector.
        name: its name, `destination-…`.
        config: its config.
        config_change_callback: called in a worker thread with each config that the connector makes by itself.
        validate: check the config against the connector's spec now.
        options: how the connector is run when it is checked.
    """

    connector_type: ClassVar[Literal["destination", "source"]] = "destination"

    def __init__(
        self,
        executor: Executor,
        name: str,
        config: dict[str, object] | None = None,
        *,
        config_change_callback: ConfigChangeCallback | None = None,
        validate: bool = False,
        options: SessionOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._core = AsyncDestination(
            executor, name, config, config_change_callback=config_change_callback, options=options
        )
        if validate and config is not None:
            self.validate_config()

    @property
    def is_cache_supported(self) -> bool:
        """Whether `get_sql_cache` can open what this destination writes."""
        return self.name in _DUCKDB_PATHS

    def get_sql_cache(self, *, schema_name: str | None = None) -> CacheBase:
        """Return a cache on the database that this destination writes to, to query what it holds.

        Parameters:
            schema_name: the schema to look at; the destination's own where it is left out.

        Raises:
            ValueError: the destination does not write to a database that is known here.
            AirbyteConnectorConfigurationMissingError: it has no config yet.
        """
        from airbyte_exec.caches import DuckDBCache

        config = self.get_config()
        if not self.is_cache_supported or config.get("format", "duckdb") != "duckdb":
            raise PyAirbyteInputError(
                message=f"What {self.name} writes cannot be opened as a cache.",
                guidance=f"It works for {', '.join(_DUCKDB_PATHS)} with a DuckDB file.",
            )

        path = str(config[_DUCKDB_PATHS[self.name]])
        return DuckDBCache(db_path=path, schema_name=schema_name or str(config.get("schema") or "main"))

    def write(
        self,
        source_data: Source | ReadResult,
        *,
        streams: Literal["*"] | list[str] | None = None,
        cache: CacheBase | Literal[False] | None = None,
        state_cache: CacheBase | Literal[False] | None = None,
        write_strategy: WriteStrategy | str = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        options: WriteOptions = DEFAULT_WRITE_OPTIONS,
        **overrides: Unpack[WriteOverrides],
    ) -> WriteResult:
        """Write data from a source, or data that was already read.

        Success means: the source ended well, the destination ended well, and it confirmed every state. What was
        confirmed before a failure stays saved, and the next write goes on from there.

        Parameters:
            source_data: a `Source`, or a `ReadResult`.
            streams: which streams; `"*"` for all. Left out: those that are selected on the source, or all.
            cache: the cache to read into first, by default the default cache; False streams straight from the source
                to the destination. Must be left out where `source_data` carries a cache.
            state_cache: where state is kept for a straight stream; False keeps none.
            write_strategy: how rows meet those that are there. AUTO merges a stream with a primary key, else appends
                one with a cursor, else replaces. What the destination does not support falls back to the next best.
            force_full_refresh: ignore state and read everything again.
            options: everything else.
            overrides: single fields of `options`.

        Raises:
            AirbyteConnectorReadError: the source failed; `result` of any such error holds what was done.
            AirbyteConnectorWriteError: the destination failed.
            AirbyteConnectorCheckFailedError: one of them does not accept its config.
            PyAirbyteInputError: the arguments do not go together.
        """
        data = source_data._core if isinstance(source_data, Source) else source_data

        async def write() -> WriteResult:
            return await self._core.write(
                data,
                streams=streams,
                cache=cache,
                state_cache=state_cache,
                write_strategy=write_strategy,
                force_full_refresh=force_full_refresh,
                options=options,
                **overrides,
            )

        return _portal.run(write)
