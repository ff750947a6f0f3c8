"""A run alone on its pairs: their locks are held from before they are read until the last attempt has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._state.pair import PairState
from airbyte_exec._state.runlock import SIGN_EVERY, RunLock


class Alone:
    """The locks of a run. Made by `alone`."""

    def __init__(self) -> None:
        self._locks: dict[str, RunLock] = {}

    async def on(self, *pairs: PairState) -> None:
        """Hold the locks of these pairs; a store that has no place for locks (none, or one in memory) is left out.

        Raises:
            PyAirbyteStateInUseError: another run holds one of them.
        """
        for pair in pairs:
            lock = await anyio.to_thread.run_sync(pair.run_lock)
            if lock is not None and str(lock.path) not in self._locks:
                self._locks[str(lock.path)] = lock
                await anyio.to_thread.run_sync(lock.acquire)

    async def release(self) -> None:
        """Leave all locks."""
        for lock in reversed(self._locks.values()):
            await anyio.to_thread.run_sync(lock.release)

    async def give_signs(self) -> None:
        """Say that the run lives, for ever."""
        while True:
            await anyio.sleep(SIGN_EVERY)
            for lock in list(self._locks.values()):
                await anyio.to_thread.run_sync(lock.give_sign)


@asynccontextmanager
async def alone() -> AsyncIterator[Alone]:
    """Hold, until the end of the block, the locks that are asked for in it."""
    locks = Alone()
    try:
        with bare_errors():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(locks.give_signs)
                yield locks
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await locks.release()
