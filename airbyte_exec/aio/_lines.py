"""From lines that somebody else has into a destination: what a source printed, kept in a file or coming by a pipe.

The lines are taken as a source's output is, with the same rules, and the destination is written to as in a straight
stream. There is no source to ask, so nobody else says how it went: a stream that began in the lines (STARTED, RUNNING)
and did not end in them was cut off, and is not complete.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from airbyte_exec import logs
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.options import running_with
from airbyte_exec._connector.session import Session
from airbyte_exec._connector.stderr_log import StderrLog
from airbyte_exec._engine.ends import DestinationSink, SourceFeed
from airbyte_exec._engine.options import WriteOptions
from airbyte_exec._engine.plan import SyncPlan, plan_sync
from airbyte_exec._engine.transfer import Transfer
from airbyte_exec._state.pair import open_pair
from airbyte_exec.aio._outcome import with_result, write_result
from airbyte_exec.aio._prepare import prepare_destination, rename_catalog
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol.catalog import CatalogPlan, Generation, StreamPlan
from airbyte_exec.protocol.envelope import State
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream
from airbyte_exec.protocol.selection import some
from airbyte_exec.results import WriteResult
from airbyte_exec.secrets.masking import Masker
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec._process import Child
    from airbyte_exec.aio.destination import AsyncDestination

Read = Callable[[], Awaitable[bytes]]
OnStates = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class LinesFlow:
    """A write of protocol lines. No state is kept: whoever has the lines keeps the states that are confirmed.

    Parameters:
        destination: where the lines go.
        read: returns the next bytes of the lines, however they are cut; nothing at their end.
        name: what the lines are called in errors and counts.
        catalog: the configured catalog; a stream without generations gets new ones.
        options: the rest.
        on_states: awaited with the lines of states that the destination confirmed.
    """

    destination: AsyncDestination
    read: Read
    name: str
    catalog: ConfiguredAirbyteCatalog
    options: WriteOptions
    on_states: OnStates | None = None

    async def run(self) -> WriteResult:
        """Write, and return what was done.

        Raises:
            PyAirbyteInputError: the destination does not support a sync mode of the catalog.
            AirbyteConnectorReadError: the lines are wrong, or end too early.
            AirbyteConnectorWriteError: the destination failed.
        """
        destination, options = self.destination, self.options
        with bare_errors(), running_with(options.session):
            await prepare_destination(destination, check=options.check)
            _check_modes(self.catalog, await destination.supported_sync_modes(), destination.name)
            state = await open_pair(
                None,
                source_name=self.name,
                source_config={},
                destination_name=destination.name,
                destination_config={},
                state_key=None,
            )
            plan = _plan(self.catalog)
            transfer = Transfer(plan, state, options, source_name=self.name, destination_name=destination.name)
            names = transfer.route.names
            catalog = rename_catalog(plan.configured(), names).to_bytes()
            lines = self._session()
            transfer.summary.facts[self.name] = lines.facts
            transfer.summary.progress.estimates = lines.facts.estimates
            async with with_result(transfer, state):
                await transfer.begin()
                async with destination.open("write", catalog=catalog, options=options.session) as writing:
                    transfer.summary.facts[destination.name] = writing.facts
                    await transfer.run(_LinesFeed(lines, plan.streams), _TellingSink(writing, names, self.on_states))

            return await write_result(transfer, state)

    def _session(self) -> Session:
        """Return a session over the lines: they are taken as a source's are, though nothing runs."""

        async def take(config: dict[str, Any]) -> None:
            del config  # whose it is cannot be told

        return Session(
            cast("Child", _Lines(self.read)),
            connector=self.name,
            command="read",
            options=self.options.session,
            on_config=take,
            log=StderrLog(logs.get_logging_root() / "unused", Masker()),  # makes its file with the first byte
        )


class _Lines:
    """Stands where a session has its child."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.stderr_tail: list[str] = []

    def masked_stderr_tail(self, mask: Callable[[bytes], bytes]) -> list[str]:
        """Return nothing: nobody writes here."""
        del mask
        return []

    async def finish(self, **_: float) -> int:
        """Return what a source that ended well returns."""
        return 0


class _LinesFeed(SourceFeed):
    """The lines as a feed."""

    def failed_streams(self) -> dict[StreamId, str]:
        """Return the streams that failed, or were cut off."""
        begun = {s for s, status in self._session.facts.statuses.items() if status in ("STARTED", "RUNNING")}
        cut = {
            self._streams[stream]: "its lines end before it is complete: there is no COMPLETE of it"
            for stream in begun
            if stream in self._streams
        }
        return {**cut, **super().failed_streams()}

    def _warn_of_statuses(self) -> None:
        facts = self._session.facts
        told = {self._streams[stream] for stream in facts.statuses if stream in self._streams}
        silent = [str(stream) for stream in self._streams.all if stream not in told]
        if silent:
            name = self._session.connector
            facts.warn(f"{name} does not say whether {some(silent)} is complete: the end of the lines is taken for it.")


class _TellingSink(DestinationSink):
    """A destination whose confirmed states are told."""

    def __init__(self, session: Session, names: dict[StreamId, StreamId], on_states: OnStates | None) -> None:
        super().__init__(session, names)
        self._on_states = on_states

    async def messages(self) -> AsyncGenerator[list[State], None]:
        """Yield the states that it gives back; each is told when the ledger has taken it."""
        async with aclosing(super().messages()) as batches:
            async for states in batches:
                yield states
                if self._on_states is not None:
                    await self._on_states(b"".join(state.line for state in states))


_METHODS = {"append": WriteMethod.APPEND, "overwrite": WriteMethod.REPLACE}


def _plan(catalog: ConfiguredAirbyteCatalog) -> SyncPlan:
    """Return the plan that a configured catalog is; generations that it has are kept."""
    plans = tuple(
        StreamPlan(
            stream=StreamId(entry.stream.name, entry.stream.namespace),
            method=_METHODS.get(entry.destination_sync_mode.value, WriteMethod.MERGE),
            configured=entry,
            refresh=entry.destination_sync_mode.value == "overwrite",
        )
        for entry in catalog.streams
    )
    plan = plan_sync(CatalogPlan(streams=plans), None, now_ms=round(time.time() * 1000))
    generations = {
        found.stream: _generation(found.configured) or _generation(now.configured)
        for found, now in zip(plans, plan.catalog.streams, strict=True)
    }
    known = {stream: generation for stream, generation in generations.items() if generation is not None}
    for stream, generation in known.items():
        plan.templates[stream] = replace(
            plan.templates[stream],
            generation_id=generation.generation_id,
            minimum_generation_id=generation.minimum_generation_id,
            sync_id=generation.sync_id,
        )

    return replace(plan, catalog=plan.catalog.with_generations(known))


def _generation(entry: ConfiguredAirbyteStream) -> Generation | None:
    ids = (entry.generation_id, entry.minimum_generation_id, entry.sync_id)
    if ids[0] is None or ids[1] is None or ids[2] is None:
        return None

    return Generation(generation_id=ids[0], minimum_generation_id=ids[1], sync_id=ids[2])


def _check_modes(catalog: ConfiguredAirbyteCatalog, supported: list[Any], destination: str) -> None:
    known = {str(getattr(mode, "value", mode)) for mode in supported}
    asked = {entry.destination_sync_mode.value for entry in catalog.streams}
    if known and not asked <= known:
        raise PyAirbyteInputError(
            message=f"{destination} does not support the sync mode {', '.join(sorted(asked - known))} of the catalog.",
            guidance=f"It supports {', '.join(sorted(known))}.",
        )
