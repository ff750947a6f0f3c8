"""From the catalog that a source discovered to the catalog that a sync is configured with.

Pure functions over data: nothing here starts a process, reads a state or asks a destination. The order of the
streams is that of the discovered catalog, whatever the order in which they were selected.

**Method.** `AUTO` merges a stream with a primary key, else appends one that can be read incrementally, else replaces.
A stream that can only be read in full is not appended by `AUTO`: each sync would add all of its rows again. Where
the destination says what it supports and the method is not among it, the next best is taken, with a warning:

    merge    -> append -> replace      read in full under AUTO: replace -> append (the rows are all there anyway)
    append   -> merge (with a primary key) -> replace
    replace  -> merge (with a primary key) -> append

A destination that says nothing, or an empty list, is taken to support the method.

**Sync mode.** Follows the method that is left. A replace is read in full where the stream supports that. Everything
else is read incrementally where the stream supports it and has a cursor, else in full; a forced full refresh too,
since only an incremental read, begun without state, leaves a state that the next sync can go on from. A stream that
only reads incrementally and has no cursor is an error.

**Cursor.** The source's own, else the caller's, else the stream's default (the protocol's precedence). A source that
defines its cursor needs none configured; its default is passed on all the same, and the caller's is ignored.

**Primary key.** The caller's, else the one that the source defines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol.models import (
    AirbyteCatalog,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_exec.protocol.selection import Selection, by_stream, select_streams, some, stream_id
from airbyte_exec.strategies import WriteMethod, WriteStrategy
from airbyte_exec.types import StreamId

CursorKey: TypeAlias = str | Sequence[str]
"""A field, or the path to one."""
PrimaryKey: TypeAlias = str | Sequence[str | Sequence[str]]
"""A field, or several, each a name or a path."""

MERGE, APPEND, REPLACE = WriteMethod.MERGE, WriteMethod.APPEND, WriteMethod.REPLACE
_NEXT_BEST = {
    MERGE: (MERGE, APPEND, REPLACE),
    APPEND: (APPEND, MERGE, REPLACE),
    REPLACE: (REPLACE, MERGE, APPEND),
}
_NEXT_BEST_IN_FULL = {**_NEXT_BEST, MERGE: (MERGE, REPLACE, APPEND)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The three ids by which a destination tells the rows of a refresh from older ones.

    Parameters:
        generation_id: grows with each refresh of the stream.
        minimum_generation_id: rows of a generation below it go once the stream is complete; 0 keeps them all.
        sync_id: grows with each sync.
    """

    generation_id: int
    minimum_generation_id: int
    sync_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the caller knows better than the catalog, by the name of a stream.

    A name that is no stream's own is compared without regard to case.
    """

    cursors: Mapping[str, CursorKey] = field(default_factory=dict)
    primary_keys: Mapping[str, PrimaryKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is done with one stream.

    Parameters:
        stream: which one.
        method: how its rows meet those that are there.
        configured: the same in the protocol's words.
        refresh: all of it is read again, without state, and starts a generation: a replace or a forced full refresh.
    """

    stream: StreamId
    method: WriteMethod
    configured: ConfiguredAirbyteStream
    refresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPlan:
    """What is done with each stream, in the order of the catalog.

    Parameters:
        streams: one plan a stream.
        warnings: what the caller should be told: one sentence a kind, however many streams it is about.
    """

    streams: tuple[StreamPlan, ...]
    warnings: tuple[str, ...] = ()

    @property
    def catalog(self) -> ConfiguredAirbyteCatalog:
        """The configured catalog."""
        return ConfiguredAirbyteCatalog(streams=[plan.configured for plan in self.streams])

    def with_generations(self, generations: Mapping[StreamId, Generation]) -> CatalogPlan:
        """Return the plan with the generation of each stream.

        Raises:
            KeyError: a stream has none.
        """
        ids = {stream: asdict(generation) for stream, generation in generations.items()}
        plans = (replace(plan, configured=plan.configured.model_copy(update=ids[plan.stream])) for plan in self.streams)
        return replace(self, streams=tuple(plans))


def plan_catalog(
    catalog: AirbyteCatalog,
    *,
    streams: Selection = None,
    strategy: WriteStrategy = WriteStrategy.AUTO,
    force_full_refresh: bool = False,
    supported: Collection[DestinationSyncMode] | None = None,
    overrides: Overrides | None = None,
    connector_name: str | None = None,
) -> CatalogPlan:
    """Decide how each selected stream is read and written.

    Parameters:
        catalog: what the source discovered.
        streams: which streams.
        strategy: how their rows meet those that are there.
        force_full_refresh: read all of each stream again, without state.
        supported: what the destination's spec names as `supported_destination_sync_modes`.
        overrides: the caller's cursors and primary keys.
        connector_name: the source, for errors.

    Raises:
        AirbyteStreamNotFoundError: a stream is named, here or in the overrides, that the catalog does not have.
        PyAirbyteNoStreamsSelectedError: no stream is left.
        AirbyteConnectorDiscoverFailedError: the catalog has a selected stream twice.
        PyAirbyteInputError: a stream is to be merged and has no primary key, has no cursor and cannot be read
            without, or cannot be written in any way that the destination supports.
    """
    selected = select_streams(catalog, streams, connector_name=connector_name)
    known = overrides or Overrides()
    planner = _Planner(
        strategy=WriteStrategy(strategy),
        force=force_full_refresh,
        supported=frozenset(supported or DestinationSyncMode),
        cursors=by_stream(known.cursors, catalog, connector_name),
        primary_keys=by_stream(known.primary_keys, catalog, connector_name),
    )
    plans = tuple(planner.plan(stream) for stream in selected)
    planner.raise_errors()
    return CatalogPlan(streams=plans, warnings=planner.warnings())


class _Planner:
    """Plans one stream after another; gathers what is to be said about them."""

    def __init__(
        self,
        *,
        strategy: WriteStrategy,
        force: bool,
        supported: frozenset[DestinationSyncMode],
        cursors: Mapping[str, CursorKey],
        primary_keys: Mapping[str, PrimaryKey],
    ) -> None:
        self._strategy = strategy
        self._force = force
        self._methods = [method for method in WriteMethod if _sync_mode_of(method) in supported]
        self._supported = supported
        self._cursors = cursors
        self._primary_keys = primary_keys
        self._warned: dict[str, list[str]] = {}
        self._no_key: list[str] = []
        self._no_cursor: list[str] = []
        self._no_method: list[str] = []

    def plan(self, stream: AirbyteStream) -> StreamPlan:
        key, cursor = self._primary_key(stream), self._cursor(stream)
        modes = stream.supported_sync_modes
        has_cursor = bool(stream.source_defined_cursor or cursor)
        incremental = SyncMode.incremental in modes and has_cursor
        name = str(stream_id(stream))
        method = self._method(name, has_key=bool(key), incremental=incremental)
        refresh = self._force or method is REPLACE
        in_full = SyncMode.full_refresh in modes and (method is REPLACE or not incremental)
        if not in_full and not has_cursor:
            self._no_cursor.append(name)

        if method is APPEND and refresh:
            self._warn(
                "all rows are read again and appended; unless the destination removes old generations, "
                "they are there twice",
                name,
            )
        elif method is APPEND and in_full:
            self._warn("each sync reads all rows and appends them again", name)

        fields: dict[str, Any] = {"cursor_field": cursor, "primary_key": key}
        configured = ConfiguredAirbyteStream(
            stream=stream,
            sync_mode=SyncMode.full_refresh if in_full else SyncMode.incremental,
            destination_sync_mode=_sync_mode_of(method),
            **{name: value for name, value in fields.items() if value},
        )
        return StreamPlan(stream=stream_id(stream), method=method, configured=configured, refresh=refresh)

    def _method(self, name: str, *, has_key: bool, incremental: bool) -> WriteMethod:
        auto = self._strategy is WriteStrategy.AUTO
        if auto:
            preferred = MERGE if has_key else APPEND if incremental else REPLACE
        else:
            preferred = WriteMethod(self._strategy.value)

        if preferred is MERGE and not has_key:
            self._no_key.append(name)

        order = _NEXT_BEST_IN_FULL if auto and not incremental else _NEXT_BEST
        for method in order[preferred]:
            if method in self._methods and (method is preferred or method is not MERGE or has_key):
                if method is not preferred:
                    wanted = preferred.destination_sync_mode
                    self._warn(
                        f"the destination does not support {wanted}: {method.destination_sync_mode} is used instead",
                        name,
                    )

                return method

        self._no_method.append(name)
        return preferred

    def _primary_key(self, stream: AirbyteStream) -> list[list[str]]:
        given = self._primary_keys.get(stream.name)
        if given is None:
            return [path for path in stream.source_defined_primary_key or () if path]

        parts = [given] if isinstance(given, str) else given
        return [[part] if isinstance(part, str) else list(part) for part in parts]

    def _cursor(self, stream: AirbyteStream) -> list[str]:
        given = self._cursors.get(stream.name)
        if given is not None and stream.source_defined_cursor:
            self._warn("the source defines its cursor: the one that was set is ignored", str(stream_id(stream)))

        if given is None or stream.source_defined_cursor:
            return stream.default_cursor_field or []

        return [given] if isinstance(given, str) else list(given)

    def _warn(self, what: str, name: str) -> None:
        self._warned.setdefault(what, []).append(name)

    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{some(names)}: {what}." for what, names in self._warned.items())

    def raise_errors(self) -> None:
        if self._no_key:
            raise PyAirbyteInputError(
                message=f"To merge, a stream needs a primary key: {some(self._no_key)} has none.",
                guidance="Set one with set_primary_key(), or choose another write strategy.",
            )

        if self._no_cursor:
            raise PyAirbyteInputError(
                message=f"The stream is read incrementally and needs a cursor: {some(self._no_cursor)} has none.",
                guidance="Set one with set_cursor_key().",
            )

        if self._no_method:
            modes = sorted(mode.value for mode in self._supported)
            raise PyAirbyteInputError(
                message=f"The destination cannot write {some(self._no_method)}.",
                context={"supported_destination_sync_modes": modes},
            )


def _sync_mode_of(method: WriteMethod) -> DestinationSyncMode:
    return DestinationSyncMode(method.destination_sync_mode)
