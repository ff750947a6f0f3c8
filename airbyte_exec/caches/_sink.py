"""A cache as the end of a stream: batches in, confirmed states out.

`send` gathers. A batch goes to the database when it is large, or when a state has waited for a second; it is written
in a worker thread. Making its rows keeps every core busy, and its threads need Python's lock for each piece of text, so
`send` waits until that is done; the next batch is gathered while this one is committed, and `send` waits when that is
ready as well: that is the back-pressure. A state comes back from `messages` when the transaction that holds it is
committed.

Leaving the context by an exception writes nothing more. What was committed stays.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec.caches._batch import Batch
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.caches._load import Load
from airbyte_exec.exceptions import PyAirbyteCacheError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

COMMIT_BYTES = 12 << 20
"""Bytes of lines that are written in one transaction, about."""

COMMIT_INTERVAL = 1.0
"""Seconds that a state waits at most before it is written."""


@dataclass(slots=True)
class _Work:
    batch: Batch
    completed: Collection[StreamId]
    last: bool
    rows_made: anyio.Event
    written: anyio.Event


class CacheSink:
    """Takes what a source sends, and gives back the states that are durable.

    Parameters:
        load: does the writing; it blocks.
        failed: turns a message into an error that names the cache.
    """

    def __init__(self, load: Load, *, failed: Callable[[str], PyAirbyteCacheError]) -> None:
        self._load = load
        self._failed = failed
        self._builder = load.builder()
        self._lock = anyio.Lock()
        self._batches: MemoryObjectSendStream[_Work]
        self._to_write: MemoryObjectReceiveStream[_Work]
        self._batches, self._to_write = anyio.create_memory_object_stream[_Work](0)
        self._durable: MemoryObjectSendStream[list[State]]
        self._confirmed: MemoryObjectReceiveStream[list[State]]
        self._durable, self._confirmed = anyio.create_memory_object_stream[list[State]](math.inf)
        self._failure: Exception | None = None

    async def send(self, items: Sequence[Records | State]) -> None:
        """Take items; returns when there is room for more.

        Raises:
            PyAirbyteCacheError: an earlier batch could not be written.
        """
        self._builder.add(items)
        if self._builder.size >= COMMIT_BYTES:
            await self._hand_over()

    async def flush(self) -> None:
        """Write what was gathered, without waiting for more; returns when it is durable.

        Raises:
            PyAirbyteCacheError: it could not be written.
        """
        await self._write_now(())

    async def complete(self, completed: Collection[StreamId]) -> bool:
        """Write what is left, and have the rows of these streams replaced, where they are to be; the others wait.

        Raises:
            PyAirbyteCacheError: a batch could not be written.
        """
        await self._write_now(completed)
        return True

    async def end_of_input(self, completed: Collection[StreamId]) -> None:
        """Write what is left. The streams that are complete have their old rows replaced now, where they are to be.

        Raises:
            PyAirbyteCacheError: an earlier batch could not be written.
        """
        await self._hand_over(completed, last=True)
        self._batches.close()

    async def messages(self) -> AsyncGenerator[list[State], None]:
        """Yield the states that are durable, in order; ends when all is written.

        Raises:
            PyAirbyteCacheError: a batch could not be written.
        """
        async for states in self._confirmed:
            yield states

        if self._failure is not None:
            raise self._failure

    def error(self, message: str) -> PyAirbyteCacheError:
        """Return an error that says that the cache is at fault."""
        return self._failed(message)

    async def write_batches(self) -> None:
        """Write batch after batch, until the last one or the first that cannot be written."""
        with self._durable, self._to_write:
            async for work in self._to_write:
                try:
                    states = await anyio.to_thread.run_sync(_write, self._load, work)
                except PyAirbyteCacheError as error:
                    self._failure = error
                    return
                finally:
                    work.rows_made.set()
                    work.written.set()

                if states:
                    self._durable.send_nowait(states)

    async def commit_in_time(self) -> None:
        """Write what was gathered when a state has waited for long enough, also while nothing more comes."""
        while True:
            await anyio.sleep(COMMIT_INTERVAL)
            if self._builder.has_states:
                try:
                    await self._hand_over()
                except (PyAirbyteCacheError, anyio.ClosedResourceError):
                    return

    async def _write_now(self, completed: Collection[StreamId]) -> None:
        written = await self._hand_over(completed)
        await written.wait()
        if self._failure is not None:
            raise self._failure

    async def _hand_over(self, completed: Collection[StreamId] = (), *, last: bool = False) -> anyio.Event:
        """Hand what was gathered to the writer, and return what tells when it is written."""
        rows_made, written = anyio.Event(), anyio.Event()
        async with self._lock:
            try:
                await self._batches.send(_Work(self._builder.take(), completed, last, rows_made, written))
            except anyio.BrokenResourceError:
                raise self._failure or self._failed("The cache takes nothing more.") from None

            await rows_made.wait()

        return written

    def close(self) -> None:
        """Close the ends that are still open."""
        for end in (self._batches, self._to_write, self._durable, self._confirmed):
            end.close()


def _write(load: Load, work: _Work) -> list[State]:
    def on_rows() -> None:
        anyio.from_thread.run_sync(work.rows_made.set)

    with database_errors("What the source sent could not be written to the cache."):
        return load.write(work.batch, completed=work.completed, last=work.last, on_rows=on_rows)


@asynccontextmanager
async def open_sink(
    open_load: Callable[[], Load], *, failed: Callable[[str], PyAirbyteCacheError]
) -> AsyncIterator[CacheSink]:
    """Open a cache for one sync. A write that is under way when the context is left by an exception is given up.

    Parameters:
        open_load: opens the database; it blocks.
        failed: turns a message into an error that names the cache.
    """
    load = await anyio.to_thread.run_sync(open_load)
    try:
        sink = CacheSink(load, failed=failed)
        try:
            with bare_errors():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(sink.write_batches)
                    tasks.start_soon(sink.commit_in_time)
                    try:
                        yield sink
                    except BaseException:
                        load.interrupt()
                        raise

                    tasks.cancel_scope.cancel()
        finally:
            sink.close()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(load.close)
