"""A child's stdout: read until its end, or, after the child's exit, for a bounded time.

What the child wrote is in the pipe when it exits. Something that it started may hold the pipe open and never write,
or write for ever; the time for either is bounded. Only time that we spend on an empty pipe counts, and bytes that
the child cannot have written: a slow consumer must not cut a healthy source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from airbyte_exec._process.ending import Ending
    from airbyte_exec._process.pipes import ReadEnd


class Stdout:
    """Reads one pipe.

    Parameters:
        drain_timeout: seconds that the pipe may stay open after the child's exit.

    Attributes:
        is_cut: whether it was given up before its end.
        is_stopping: set when nobody wants what is still to come.
    """

    def __init__(self, pipe: ReadEnd, ending: Ending, *, drain_timeout: float) -> None:
        self.pipe = pipe
        self.is_cut = False
        self.is_stopping = False
        self._ending = ending
        self._drain_timeout = drain_timeout
        self._has_ended = False
        self._after_exit = 0  # bytes read since the exit was seen
        self._waited = 0.0  # seconds on an empty pipe since then

    async def read(self) -> bytes:
        """Return as much as the pipe gives, b"" at its end or when it is given up."""
        await anyio.lowlevel.checkpoint()  # before the read, so that a cancellation never loses bytes
        while not self._has_ended:
            chunk = None if self.is_stopping else self.pipe.read_now()
            if chunk == b"":
                self._has_ended, self.is_cut = True, self.pipe.is_torn
            elif chunk is None and not self._must_cut():
                await self._wait()
            elif chunk is not None and not self._is_foreign(chunk):
                return chunk
            else:
                self.is_cut = self._has_ended = True

        return b""

    def _must_cut(self) -> bool:
        return self.is_stopping or (self._ending.seen.is_set() and self._waited >= self._drain_timeout)

    def _is_foreign(self, chunk: bytes) -> bool:
        """Return whether a chunk comes too late: more than fits into a pipe was not there when the child exited."""
        if not self._ending.seen.is_set():
            return False

        self._after_exit += len(chunk)
        is_late = anyio.current_time() - self._ending.time > self._drain_timeout
        return is_late and self._after_exit > self.pipe.size

    async def _wait(self) -> None:
        began = anyio.current_time()
        has_exited = self._ending.seen.is_set()
        await self.pipe.wait(began + self._drain_timeout - self._waited if has_exited else float("inf"))
        if self._ending.seen.is_set():
            self._waited += max(0.0, anyio.current_time() - max(began, self._ending.time))

    def notice_exit(self) -> None:
        """Bound the wait of the task that reads right now."""
        self.pipe.wake(self._ending.time + self._drain_timeout)

    async def discard(self) -> None:
        """Read to the end for nobody: a child that is stuck in a write to us could not react to SIGTERM."""
        while (chunk := self.pipe.read_now()) != b"":
            if chunk is None:
                await self.pipe.wait()
            else:
                await anyio.lowlevel.checkpoint()
