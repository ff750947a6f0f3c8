"""Which way a write takes, decided from its arguments alone: nothing is started here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airbyte_exec import constants
from airbyte_exec._engine.options import WriteOptions
from airbyte_exec._state.store import StateStore
from airbyte_exec.aio._straight import StraightFlow
from airbyte_exec.aio.source import AsyncSource, Streams
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.results import ReadResult, WriteResult
from airbyte_exec.strategies import WriteStrategy

if TYPE_CHECKING:
    from airbyte_exec.aio.destination import AsyncDestination
    from airbyte_exec.caches.base import CacheBase


class Flow(Protocol):
    """A write that is ready to run."""

    async def run(self) -> WriteResult:
        """Run it."""
        ...


def choose_flow(
    destination: AsyncDestination,
    source_data: AsyncSource | ReadResult,
    *,
    streams: Streams,
    cache: CacheBase | Literal[False] | None,
    state_cache: CacheBase | Literal[False] | None,
    write_strategy: WriteStrategy | str,
    force_full_refresh: bool,
    options: WriteOptions,
    overrides: Mapping[str, Any],
) -> Flow:
    """Return the write that the arguments ask for.

    Raises:
        PyAirbyteInputError: they do not go together.
    """
    settings = _options(options, overrides)
    strategy = parse_strategy(write_strategy)
    if isinstance(source_data, AsyncSource):
        if cache is False:
            return StraightFlow(
                destination=destination,
                source=source_data,
                streams=streams,
                strategy=strategy,
                force_full_refresh=force_full_refresh,
                store=pair_store(state_cache),
                options=settings,
            )

        raise NotImplementedError

    raise PyAirbyteInputError(
        message=f"write() takes a Source or a ReadResult, not {type(source_data).__name__}.",
        input_value=type(source_data).__name__,
    )


def _options(options: WriteOptions, overrides: Mapping[str, Any]) -> WriteOptions:
    try:
        return replace(options, **overrides)
    except TypeError:
        known = WriteOptions.__dataclass_fields__
        unknown = [name for name in overrides if name not in known]
        raise TypeError(f"write() got an unexpected keyword argument {unknown[0]!r}") from None


def parse_strategy(strategy: WriteStrategy | str) -> WriteStrategy:
    """Return the strategy that a caller means.

    Raises:
        PyAirbyteInputError: there is none of that name.
    """
    try:
        return WriteStrategy(strategy.lower() if not isinstance(strategy, WriteStrategy) else strategy)
    except (ValueError, AttributeError):
        raise PyAirbyteInputError(
            message=f"{strategy!r} is no write strategy.",
            input_value=str(strategy),
            guidance=f"It is one of {', '.join(repr(known.value) for known in WriteStrategy)}.",
        ) from None


def pair_store(state_cache: CacheBase | Literal[False] | None) -> StateStore | None:
    """Return where the state of a source and a destination is kept: in the cache, by default in files, or nowhere."""
    if state_cache is False:
        return None

    if state_cache is None:
        from airbyte_exec._state.files import StateFolder

        return StateFolder(constants.cache_root() / "state")

    return state_cache.state_store()
