"""A cache as the begin of a stream: what it holds, replayed.

A worker thread reads ahead of the consumer by a few batches, and no further.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager

import anyio
import anyio.from_thread
import anyio.to_thread

from airbyte_exec._connector.errors import bare_errors
from airbyte_exec.caches._connection import database_errors
from airbyte_exec.exceptions import PyAirbyteCacheError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId

BATCH_BYTES = 1 << 20
"""Bytes of lines in one batch, at least, unless it is the last."""

READ_AHEAD = 2
"""Batches that wait for the consumer."""

Items = AbstractContextManager[Iterator[Records | State]]


class CacheFeed:
    """What a cache holds, as a source would send it.

    Parameters:
        open_items: opens the database and gives the items; blocks.
        failed: turns a message into an error that names the cache.
    """

    def __init__(self, open_items: Callable[[], Items], *, failed: Callable[[str], PyAirbyteCacheError]) -> None:
        self._open_items = open_items
        self._failed = failed

    async def batches(self) -> AsyncGenerator[list[Records | State], None]:
        """Yield the data in order.

        Raises:
            PyAirbyteCacheError: the cache cannot be read.
        """
        send, receive = anyio.create_memory_object_stream[list[Records | State]](READ_AHEAD)

        def read() -> None:
            for batch in self._read():
                anyio.from_thread.run(send.send, batch)

        async def read_all() -> None:
            try:
                await anyio.to_thread.run_sync(read)
            except anyio.BrokenResourceError:
                return
            finally:
                send.close()

        with bare_errors():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read_all)
                with receive:
                    async for batch in receive:
                        yield batch

    def failed_streams(self) -> dict[StreamId, str]:
        """Return the streams that failed: none, what is in a cache has been read well."""
        return {}

    def error(self, message: str) -> PyAirbyteCacheError:
        """Return an error that says that the cache is at fault."""
        return self._failed(message)

    def _read(self) -> Iterator[list[Records | State]]:
        with database_errors("The cache could not be read."), self._open_items() as items:
            batch: list[Records | State] = []
            size = 0
            for item in items:
                batch.append(item)
                size += len(item.data) if isinstance(item, Records) else len(item.line)
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0

            if batch:
                yield batch
