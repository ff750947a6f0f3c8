"""What comes before and beside a sync: both sides made ready at the same time, configs that change during it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from airbyte_exec._connector.core import ConnectorCore
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.opening import PreparedSession
from airbyte_exec._process import Child
from airbyte_exec._state.pair import PairState
from airbyte_exec.secrets.hydration import hydrate
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.aio.source import AsyncSource


def rename_catalog(configured: Any, names: Any) -> Any:
    """Return the catalog under the names that the destination sees."""
    if all(stream == name for stream, name in names.items()):
        return configured

    streams = []
    for entry, name in zip(configured.streams, names.values(), strict=True):
        told = {field: value for field, value in entry.stream if field in entry.stream.model_fields_set}
        told.pop("namespace", None)  # one that is none stays absent: `null` is not what every connector expects
        renamed = type(entry.stream)(**{**told, **(entry.stream.model_extra or {}), **_named(name)})
        streams.append(entry.model_copy(update={"stream": renamed}))

    return configured.model_copy(update={"streams": streams})


def _named(stream: StreamId) -> dict[str, str]:
    return {"name": stream.name} if stream.namespace is None else {"name": stream.name, "namespace": stream.namespace}


async def prepare_both(source: AsyncSource, destination: ConnectorCore, *, check: bool) -> None:
    """Make both ready at the same time.

    The secrets of both are looked up first: what one of them is made of must not reach the other's environment.
    """
    for connector in (source, destination):
        await anyio.to_thread.run_sync(hydrate, connector.config)

    await side_by_side(
        lambda: prepare_source(source, check=check), lambda: prepare_destination(destination, check=check)
    )


async def prepare_source(source: AsyncSource, *, check: bool) -> None:
    """Install, validate, check and discover.

    One after the other: where a token may be used once, the first of two that run at the same time ends the other's.
    """
    await source.validate_config()
    if check:
        await source.check()

    await source.discover()


async def prepare_destination(destination: ConnectorCore, *, check: bool) -> None:
    """Install, validate and check."""
    await destination.validate_config()
    if check:
        await destination.check()


async def side_by_side(*functions: Callable[[], Awaitable[Any]]) -> None:
    """Call functions at the same time; the first error ends the others and is raised bare."""

    async def call(function: Callable[[], Awaitable[Any]]) -> None:
        await function()

    with bare_errors():
        async with anyio.create_task_group() as tasks:
            for function in functions:
                tasks.start_soon(call, function)


async def prepared_both(
    first: Callable[[], Awaitable[PreparedSession]], second: Callable[[], Awaitable[PreparedSession]]
) -> tuple[PreparedSession, PreparedSession]:
    """Make two commands ready at the same time: what that takes is the time of the slower one."""
    ready: dict[int, PreparedSession] = {}

    async def prepare(number: int, function: Callable[[], Awaitable[PreparedSession]]) -> None:
        ready[number] = await function()

    try:
        await side_by_side(lambda: prepare(1, first), lambda: prepare(2, second))
    except BaseException:
        with anyio.CancelScope(shield=True):
            for prepared in ready.values():
                await prepared.close()

        raise

    return ready[1], ready[2]


async def stop_both(*children: Child) -> None:
    """Stop children at the same time, and only then go on."""
    with anyio.CancelScope(shield=True):
        await side_by_side(*(child.stop for child in children))


@asynccontextmanager
async def following_configs(state: PairState, *connectors: ConnectorCore) -> AsyncIterator[None]:
    """Let state follow the configs that connectors make by themselves: before, and for the length of the block."""
    for connector in connectors:
        for config in connector.own_configs:
            await state.add_alias(config)

        connector.on_own_config.append(state.add_alias)

    try:
        yield
    finally:
        for connector in connectors:
            connector.on_own_config.remove(state.add_alias)
