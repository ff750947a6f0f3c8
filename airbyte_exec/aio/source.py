"""A source, asynchronously: what it has, what of it is selected, and reading it.

Somewhat over 300 lines: one public class, each method with what it takes, gives and raises.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import anyio.to_thread

from airbyte_exec import _portal
from airbyte_exec import exceptions as exc
from airbyte_exec._connector.core import ConnectorCore
from airbyte_exec._connector.documents import in_standard_json
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.options import SessionOptions, running_with
from airbyte_exec._engine.options import (
    DEFAULT_WRITE_OPTIONS,
    WriteOptions,
    WriteOverrides,
    with_overrides,
)
from airbyte_exec.protocol.envelope import Records
from airbyte_exec.strategies import WriteStrategy, parse_strategy
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec._connector.session import Session
    from airbyte_exec.caches import CacheBase
    from airbyte_exec.protocol.catalog import CatalogPlan, Overrides
    from airbyte_exec.protocol.models import (
        AirbyteCatalog,
        AirbyteStream,
        ConfiguredAirbyteCatalog,
        ConfiguredAirbyteStream,
    )
    from airbyte_exec.results import ReadResult

logger = logging.getLogger(__name__)
Streams = str | Sequence[str | StreamId] | None


class AsyncSource(ConnectorCore):
    """A source that can be read.

    Parameters:
        executor: what starts the connector.
        name: its name, `source-…`.
        config: its config.
        config_change_callback: called with each config that the connector makes by itself.
        streams: the streams to select; `"*"` for all. Unknown names are told when the catalog is known.
        cursor_key_overrides: the cursor of a stream, by the stream's name.
        primary_key_overrides: the primary key of a stream, by the stream's name.
        options: how the connector is run.
    """

    connector_type: ClassVar[Literal["source", "destination"]] = "source"

    def __init__(
        self,
        *args: Any,
        streams: Streams = None,
        cursor_key_overrides: Mapping[str, str] | None = None,
        primary_key_overrides: Mapping[str, str | Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        self._catalog: AirbyteCatalog | None = None
        super().__init__(*args, **kwargs)
        self.selected: list[str | StreamId] | Literal["*"] | None = None
        self.cursor_keys = dict(cursor_key_overrides or {})
        self.primary_keys: dict[str, str | Sequence[str]] = dict(primary_key_overrides or {})
        if streams is not None:
            self.select(streams)

    def select(self, streams: Streams) -> None:
        """Select streams by name; the names are looked at when the catalog is known."""
        if streams is None or streams == "*" or list(streams) == ["*"]:
            self.selected = "*"
        else:
            self.selected = [streams] if isinstance(streams, str) else list(streams)

    async def select_streams(self, streams: Streams) -> None:
        """Select streams by name; `"*"` for all.

        Without a config the names are kept and looked at later, with a warning.

        Raises:
            AirbyteStreamNotFoundError: the source has no stream of that name.
        """
        if not self.has_config:
            logger.warning("%s has no config yet: the selected streams are checked once it has one.", self.name)
        elif streams not in (None, "*"):
            from airbyte_exec.protocol.selection import select_streams

            select_streams(await self.discover(), streams, connector_name=self.name)

        self.select(streams)

    async def discover(self) -> AirbyteCatalog:
        """Return what the source has; it is asked once for each config.

        Raises:
            AirbyteConnectorDiscoverFailedError: it cannot be had.
            AirbyteConnectorMissingCatalogError: the connector sent none.
        """
        if self._catalog is None:
            self._catalog = await self._known_catalog() or await self._asked_catalog()

        return self._catalog

    async def _known_catalog(self) -> AirbyteCatalog | None:
        config = self.resolved_config()
        known = await _portal.call(self.executor.known_catalog, config, may_be_abandoned=self.executor.may_be_abandoned)
        if known is None:
            return None

        from airbyte_exec.protocol.models import AirbyteCatalog

        return AirbyteCatalog.model_validate(known)

    async def _asked_catalog(self) -> AirbyteCatalog:
        await self.ensure_installation()
        config = self.resolved_config()
        found = await self._ask("discover", "catalog", config=True)
        if found is None or found.catalog is None:
            raise exc.AirbyteConnectorMissingCatalogError(
                message=f"{self.name} ended without a CATALOG message.", connector_name=self.name
            )

        catalog = in_standard_json(found.catalog, self.name, exc.AirbyteConnectorDiscoverFailedError)
        await anyio.to_thread.run_sync(self.executor.remember_catalog, config, catalog.to_bytes().decode("ascii"))
        return catalog

    @property
    def overrides(self) -> Overrides:
        """The caller's cursors and primary keys."""
        from airbyte_exec.protocol.catalog import Overrides

        return Overrides(cursors=self.cursor_keys, primary_keys=self.primary_keys)

    async def plan(
        self,
        streams: Streams = None,
        *,
        strategy: WriteStrategy = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        supported: Any = None,
    ) -> CatalogPlan:
        """Decide how each stream is read and written; `streams` overrides the selection."""
        from airbyte_exec.protocol.catalog import plan_catalog

        return plan_catalog(
            await self.discover(),
            streams=streams if streams is not None else self.selected,
            strategy=strategy,
            force_full_refresh=force_full_refresh,
            supported=supported,
            overrides=self.overrides,
            connector_name=self.name,
        )

    async def get_configured_catalog(
        self, streams: Streams = None, *, force_full_refresh: bool = False
    ) -> ConfiguredAirbyteCatalog:
        """Return the catalog that a read of these streams (or of the selected ones) is given."""
        return (await self.plan(streams, force_full_refresh=force_full_refresh)).catalog

    async def get_stream(self, name: str) -> AirbyteStream:
        """Return what is known of a stream.

        Raises:
            AirbyteStreamNotFoundError: there is none of that name.
        """
        from airbyte_exec.protocol.selection import select_streams

        return select_streams(await self.discover(), [name], connector_name=self.name)[0]

    async def get_available_streams(self) -> list[str]:
        """Return the names of all streams that the source has."""
        return [stream.name for stream in (await self.discover()).streams]

    async def get_selected_streams(self) -> list[str]:
        """Return the names of the selected streams; with nothing selected, none."""
        if self.selected == "*":
            return await self.get_available_streams()

        return [str(stream) for stream in self.selected or ()]

    @asynccontextmanager
    async def reading(
        self, catalog: ConfiguredAirbyteCatalog, state: bytes | None, options: SessionOptions | None = None
    ) -> AsyncIterator[Session]:
        """Run `read` for as long as the block lasts."""
        await self.ensure_installation()
        async with self.open("read", catalog=catalog.to_bytes(), state=state, options=options) as session:
            yield session

    async def read(
        self,
        cache: CacheBase | None = None,
        *,
        streams: Streams = None,
        write_strategy: str | WriteStrategy = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        skip_validation: bool = False,
        options: WriteOptions = DEFAULT_WRITE_OPTIONS,
        **overrides: Unpack[WriteOverrides],
    ) -> ReadResult:
        """Read the selected streams into a cache; see `Source.read`."""
        from airbyte_exec.aio._attempts import run_alone
        from airbyte_exec.aio._read import ReadFlow
        from airbyte_exec.caches import get_default_cache

        settings = with_overrides(options, overrides)
        strategy = parse_strategy(write_strategy)
        if streams is None and not self.selected:
            raise exc.PyAirbyteNoStreamsSelectedError(
                connector_name=self.name,
                available_streams=await self.get_available_streams(),
                guidance='Select streams first, or give `streams`; "*" stands for all.',
            )

        with bare_errors(), running_with(settings.session):
            if not skip_validation:
                await self.validate_config()

            flow = ReadFlow(
                source=self,
                cache=get_default_cache() if cache is None else cache,
                streams=streams,
                strategy=strategy,
                force_full_refresh=force_full_refresh,
                options=settings,
            )
            return await run_alone(flow, settings.retries)

    async def configured_stream(self, name: str) -> ConfiguredAirbyteStream:
        """Return how a stream is read by itself: all of it, without state.

        Raises:
            AirbyteStreamNotFoundError: there is none of that name.
        """
        from airbyte_exec.protocol.catalog import plan_catalog

        catalog = await self.discover()
        plan = plan_catalog(
            catalog,
            streams=[name],
            strategy=WriteStrategy.REPLACE,
            overrides=self.overrides,
            connector_name=self.name,
        )
        if len(plan.streams) > 1:
            raise exc.PyAirbyteInputError(
                message=f"{self.name} has several streams of the name {name!r}.",
                guidance=f"Say which one: {' or '.join(repr(str(found.stream)) for found in plan.streams)}.",
            )

        return plan.catalog.streams[0]

    async def record_batches(self, stream: ConfiguredAirbyteStream) -> AsyncGenerator[list[bytes], None]:
        """Yield the RECORD lines of one stream, all of them, a batch at a time; without state.

        Raises:
            AirbyteConnectorReadError: the source failed.
        """
        from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog

        wanted = StreamId(stream.stream.name, stream.stream.namespace)
        with bare_errors():
            async with self.reading(ConfiguredAirbyteCatalog(streams=[stream]), None) as session:
                async with aclosing(session.batches(heartbeat=session.options.limits.source_heartbeat)) as batches:
                    async for items in batches:
                        for item in items:
                            if isinstance(item, Records):
                                if len(item.counts) > 1 or wanted not in item.counts:
                                    _warn_of_others(session, wanted, item)

                                if (found := item.only(frozenset({wanted}))) is not None:
                                    yield found.lines()

                await session.finish(exit_timeout=session.options.limits.exit)
                _raise_failure(session)

    def _forget(self) -> None:
        super()._forget()
        self._catalog = None


def _warn_of_others(session: Session, wanted: StreamId, records: Records) -> None:
    others = [str(stream) for stream in records.counts if stream != wanted]
    if session.facts.warn(f"{session.connector} sends records of streams that nobody asked for: they are left out."):
        logger.warning("%s sends records of %s, which nobody asked for.", session.connector, ", ".join(others[:10]))


def _raise_failure(session: Session) -> None:
    failure = session.exit_error()
    failed = session.facts.failed_streams()
    if failure is None and failed:
        failure = session.error("; ".join(f"{found}: {reason}" for found, reason in failed.items()))

    if failure is not None:
        raise failure
