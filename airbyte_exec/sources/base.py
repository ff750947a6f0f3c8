"""`Source`: the blocking face of `airbyte_exec.aio.AsyncSource`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airbyte_exec import _portal
from airbyte_exec._connector.base import ConnectorBase
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions
from airbyte_exec.aio.source import AsyncSource, Streams
from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.executors.base import Executor
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.datasets import InMemoryDataset, LazyDataset
    from airbyte_exec.protocol.models import AirbyteCatalog, ConfiguredAirbyteCatalog
    from airbyte_exec.results import ReadResult

logger = logging.getLogger(__name__)


class Source(ConnectorBase[AsyncSource]):
    """A source that can be called.

    Parameters:
        executor: what starts the connector.
        name: its name, `source-…`.
        config: its config.
        config_change_callback: called in a worker thread with each config that the connector makes by itself.
        streams: the streams to select; `"*"` for all.
        validate: check the config against the connector's spec now.
        cursor_key_overrides: the cursor of a stream, by the stream's name.
        primary_key_overrides: the primary key of a stream, by the stream's name.
        options: how the connector is run: time limits, malformed lines, environment.
    """

    connector_type: ClassVar[Literal["destination", "source"]] = "source"

    def __init__(
        self,
        executor: Executor,
        name: str,
        config: dict[str, Any] | None = None,
        *,
        config_change_callback: ConfigChangeCallback | None = None,
        streams: str | list[str] | None = None,
        validate: bool = False,
        cursor_key_overrides: dict[str, str] | None = None,
        primary_key_overrides: dict[str, str | list[str]] | None = None,
        options: SessionOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._core = AsyncSource(
            executor,
            name,
            config,
            config_change_callback=config_change_callback,
            streams=streams,
            cursor_key_overrides=cursor_key_overrides,
            primary_key_overrides=primary_key_overrides,
            options=options,
        )
        if validate and config is not None:
            self.validate_config()

    def select_streams(self, streams: str | list[str]) -> None:
        """Select the streams to read; `"*"` for all. Without a config the names are looked at later.

        Raises:
            AirbyteStreamNotFoundError: the source has no stream of that name.
        """
        _portal.run(self._core.select_streams, streams)

    def select_all_streams(self) -> None:
        """Select all streams."""
        self._core.select("*")

    def set_streams(self, streams: list[str]) -> None:
        """Select streams: the old name of `select_streams`."""
        self.select_streams(streams)

    def get_selected_streams(self) -> list[str]:
        """Return the names of the selected streams."""
        return _portal.run(self._core.get_selected_streams)

    def get_available_streams(self) -> list[str]:
        """Return the names of all streams that the source has."""
        return _portal.run(self._core.get_available_streams)

    def set_cursor_key(self, stream_name: str, cursor_key: str) -> None:
        """Set the cursor of a stream."""
        self._core.cursor_keys[stream_name] = cursor_key

    def set_cursor_keys(self, **kwargs: str) -> None:
        """Set the cursors of streams, each by the stream's name."""
        self._core.cursor_keys.update(kwargs)

    def set_primary_key(self, stream_name: str, primary_key: str | list[str]) -> None:
        """Set the primary key of a stream: a field, or several."""
        self._core.primary_keys[stream_name] = primary_key

    def set_primary_keys(self, **kwargs: str | list[str]) -> None:
        """Set the primary keys of streams, each by the stream's name."""
        self._core.primary_keys.update(kwargs)

    @property
    def discovered_catalog(self) -> AirbyteCatalog:
        """What the source has. It is asked once for each config."""
        return _portal.run(self._core.discover)

    @property
    def configured_catalog(self) -> ConfiguredAirbyteCatalog:
        """The catalog that a read of the selected streams is given."""
        return self.get_configured_catalog()

    def get_configured_catalog(
        self, streams: Literal["*"] | list[str] | None = None, *, force_full_refresh: bool = False
    ) -> ConfiguredAirbyteCatalog:
        """Return the catalog that a read is given.

        Parameters:
            streams: which streams; `"*"` for all, None for the selected ones.
            force_full_refresh: as for `read`.

        Raises:
            AirbyteStreamNotFoundError: the source has no stream of that name.
        """

        async def get() -> ConfiguredAirbyteCatalog:
            return await self._core.get_configured_catalog(streams, force_full_refresh=force_full_refresh)

        return _portal.run(get)

    def get_stream_json_schema(self, stream_name: str) -> dict[str, Any]:
        """Return the JSON Schema of a stream's records.

        Raises:
            AirbyteStreamNotFoundError: the source has no stream of that name.
        """
        return dict(_portal.run(self._core.get_stream, stream_name).json_schema)

    def get_records(
        self,
        stream: str,
        *,
        limit: int | None = None,
        stop_event: threading.Event | None = None,
        normalize_field_names: bool = False,
        prune_undeclared_fields: bool = True,
    ) -> LazyDataset:
        """Return the records of a stream as they come; the source runs while they are iterated over.

        Leaving the loop early (or `close()`) stops the source at once.

        Parameters:
            stream: which stream.
            limit: how many records at most.
            stop_event: set it to end the iteration.
            normalize_field_names: lower-case field names, as a cache's columns have them.
            prune_undeclared_fields: leave out the fields that the stream's schema does not name.

        Raises:
            AirbyteStreamNotFoundError: the source has no stream of that name.
        """
        from airbyte_exec.sources._records import lazy_dataset

        return lazy_dataset(
            self._core,
            stream,
            limit=limit,
            stop_event=stop_event,
            normalize=normalize_field_names,
            prune=prune_undeclared_fields,
        )

    def get_samples(
        self,
        streams: Literal["*"] | list[str] | None = None,
        *,
        limit: int = 5,
        on_error: Literal["raise", "ignore", "log"] = "raise",
    ) -> dict[str, InMemoryDataset | None]:
        """Return the first records of streams, by the streams' names.

        Parameters:
            streams: which streams; `"*"` for all, None for the selected ones.
            limit: how many records of each.
            on_error: what to do where a stream cannot be read: `ignore` and `log` give None for it.

        Raises:
            AirbyteConnectorError: a stream cannot be read, and `on_error` is `raise`.
        """
        names = self.get_available_streams() if streams == "*" else streams or self.get_selected_streams()
        samples: dict[str, InMemoryDataset | None] = {}
        for name in names:
            try:
                samples[name] = self.get_records(name, limit=limit).fetch_all()
            except AirbyteConnectorError as error:
                if on_error == "raise":
                    raise

                samples[name] = None
                if on_error == "log":
                    logger.warning("No sample of stream %s: %s", name, error)

        return samples

    def print_samples(
        self,
        streams: list[str] | Literal["*"] | None = None,
        *,
        limit: int = 5,
        on_error: Literal["raise", "ignore", "log"] = "log",
    ) -> None:
        """Print the first records of streams to stdout, a table a stream; see `get_samples` for the parameters."""
        from airbyte_exec.sources._samples import samples_as_tables

        samples_as_tables(self.name, self.get_samples(streams, limit=limit, on_error=on_error))

    def read(
        self,
        cache: CacheBase | None = None,
        *,
        streams: str | Sequence[str] | None = None,
        write_strategy: str | WriteStrategy = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        skip_validation: bool = False,
    ) -> ReadResult:
        """Read the selected streams into a cache.

        Parameters:
            cache: where to; the default cache where it is left out.
            streams: which streams; overrides the selection. `"*"` for all.
            write_strategy: how rows meet those that are in the cache.
            force_full_refresh: ignore state and read everything again.
            skip_validation: do not check the config against the spec first.

        Raises:
            PyAirbyteNoStreamsSelectedError: no stream is selected.
            AirbyteConnectorReadError: the source failed; `result` holds what was done.
        """

        async def read() -> ReadResult:
            return await self._core.read(
                cache,
                streams=streams,
                write_strategy=write_strategy,
                force_full_refresh=force_full_refresh,
                skip_validation=skip_validation,
            )

        return _portal.run(read)


__all__ = ["Source", "Streams"]
