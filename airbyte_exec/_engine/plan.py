"""Everything that is decided before a connector reads or writes. Pure: it starts nothing and awaits nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airbyte_exec._state.document import input_document, is_refreshing, may_continue, streams_of, without_streams
from airbyte_exec._state.store import Saved, StreamSaved
from airbyte_exec.protocol.catalog import CatalogPlan, Generation, StreamPlan
from airbyte_exec.protocol.envelope import State
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog, SyncMode
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

_NOTHING = Saved()


@dataclass(frozen=True, slots=True)
class Begun:
    """The refreshes that the attempts of one sync have begun, by the generation of each stream.

    A sync that is to read everything again does so once: its next attempt goes on with what the last one began.

    Parameters:
        read: those of a read into a cache.
        write: those of a write.
    """

    read: dict[StreamId, int] = field(default_factory=dict)
    write: dict[StreamId, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SyncPlan:
    """What one sync does.

    Parameters:
        catalog: each stream with its method, its modes and its generation.
        state: the text of the `--state` file; None where none is given.
        templates: what is saved of each stream as soon as the sync begins.
        document: what is kept of a GLOBAL or LEGACY state as soon as the sync begins; empty for nothing, None for all.
        kept: the same as a state; None for nothing.
        continued: the streams that are read on from a saved state.
        elsewhere: the streams of a GLOBAL state that are not read now.
    """

    catalog: CatalogPlan
    state: bytes | None
    templates: dict[StreamId, StreamSaved]
    continued: frozenset[StreamId]
    document: bytes | None = None
    kept: State | None = None
    elsewhere: frozenset[StreamId] = frozenset()

    @property
    def streams(self) -> list[StreamId]:
        """The streams, in the order of the catalog."""
        return list(self.templates)

    @property
    def replaced(self) -> frozenset[StreamId]:
        """The streams whose old rows go when the new ones are complete."""
        return frozenset(
            plan.stream
            for plan in self.catalog.streams
            if plan.method is WriteMethod.REPLACE or self.templates[plan.stream].minimum_generation_id
        )

    def configured(self) -> ConfiguredAirbyteCatalog:
        """Return the catalog for the source."""
        return self.catalog.catalog


def plan_sync(
    catalog: CatalogPlan, saved: Saved | None, *, now_ms: int, begun: dict[StreamId, int] | None = None
) -> SyncPlan:
    """Give each stream its generation and its state.

    A replace or a forced full refresh starts a new generation and asks the destination to put away all older ones; an
    interrupted forced refresh goes on as one. Everything else keeps its generation and asks for nothing.

    Parameters:
        catalog: what is done with each stream.
        saved: what is known of the pair.
        now_ms: milliseconds since the epoch: ids grow also where what was known is lost.
        begun: the refreshes that earlier attempts have begun: those go on. Those that this plan begins are added.
    """
    known = saved or _NOTHING
    catalog = _going_on(catalog, known, begun or {})
    sync_id = max([now_ms, *(entry.sync_id + 1 for entry in known.streams.values())])
    templates = {
        plan.stream: _template(plan, known.streams.get(plan.stream), now_ms=now_ms, sync_id=sync_id)
        for plan in catalog.streams
    }
    reading_on = [plan.stream for plan in catalog.streams if _reads_on(plan, known)]
    generations = {
        stream: Generation(
            generation_id=entry.generation_id, minimum_generation_id=entry.minimum_generation_id, sync_id=entry.sync_id
        )
        for stream, entry in templates.items()
    }
    if begun is not None:
        begun.update({plan.stream: templates[plan.stream].generation_id for plan in catalog.streams if plan.refresh})

    anew = {plan.stream for plan in catalog.streams} - {*reading_on}
    reads_state = any(not plan.refresh and not _is_full_refresh(plan) for plan in catalog.streams) or reading_on
    state = input_document(saved, reading_on, anew) if reads_state else None
    document = without_streams(saved, [plan.stream for plan in catalog.streams if plan.refresh])
    return SyncPlan(
        catalog=catalog.with_generations(generations),
        state=state,
        templates=templates,
        continued=frozenset(reading_on) if state is not None else frozenset(),
        document=document,
        kept=_kept(known, document),
        elsewhere=streams_of(known.document) - {plan.stream for plan in catalog.streams},
    )


def _kept(known: Saved, document: bytes | None) -> State | None:
    """Return what is kept of a GLOBAL or LEGACY state: all of it, unless `document` says what."""
    body = known.document if document is None else document
    return State(b"", known.kind, (), body) if body and known.kind in ("GLOBAL", "LEGACY") else None


def _going_on(catalog: CatalogPlan, known: Saved, begun: dict[StreamId, int]) -> CatalogPlan:
    """Let a forced refresh of an incremental read go on where its generation is saved; a full one begins anew."""

    def goes_on(plan: StreamPlan) -> bool:
        entry = known.streams.get(plan.stream)
        return entry is not None and not _is_full_refresh(plan) and entry.generation_id == begun.get(plan.stream)

    plans = (replace(plan, refresh=False) if plan.refresh and goes_on(plan) else plan for plan in catalog.streams)
    return replace(catalog, streams=tuple(plans))


def _template(plan: StreamPlan, known: StreamSaved | None, *, now_ms: int, sync_id: int) -> StreamSaved:
    generation = known.generation_id if known is not None else 0
    minimum = 0
    if plan.refresh or not generation:
        generation = max(generation + 1, now_ms)
        minimum = generation if plan.refresh else 0
    elif known is not None and not known.full_refresh and is_refreshing(known):
        minimum = generation

    return StreamSaved(
        state=known.state if known is not None and _keeps_state(plan, known) else None,
        generation_id=generation,
        minimum_generation_id=minimum,
        sync_id=sync_id,
        full_refresh=_is_full_refresh(plan),
        journal=known.journal if known is not None else None,
        position=known.position if known is not None else None,
    )


def _reads_on(plan: StreamPlan, known: Saved) -> bool:
    entry = known.streams.get(plan.stream)
    if entry is None or not _keeps_state(plan, entry):
        return False

    return entry.state is not None or known.kind != "STREAM"


def _keeps_state(plan: StreamPlan, known: StreamSaved) -> bool:
    """Say whether what is saved of a stream is good for this sync: one sync mode's state means nothing to another."""
    return not plan.refresh and known.full_refresh == _is_full_refresh(plan) and may_continue(known)


def _is_full_refresh(plan: StreamPlan) -> bool:
    return plan.method is WriteMethod.REPLACE or plan.configured.sync_mode is SyncMode.full_refresh
