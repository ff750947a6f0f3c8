"""A child process: read, written to and ended. Bytes and exit codes only.

How a child ends, in this order: signals to its process group (SIGTERM, then SIGCONT, so that a stopped one can
react; SIGKILL after a grace), the same for what it started and put elsewhere, then our ends of its pipes close,
then it is reaped. Its stdin closes after its death and not before, unless `close_stdin` was called: a destination
takes the end of its stdin for success. Every wait in it is bounded.

A child is its first process. When that exits, it has exited, whoever else still holds its pipes.

Somewhat over 300 lines: the life of one child, whose steps share what it is.
"""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

import anyio
from anyio import CancelScope

from airbyte_exec import _crashpoints
from airbyte_exec._process import _sweep
from airbyte_exec._process.ending import REAP_LIMIT, Ending, run_at_once, run_to_its_end
from airbyte_exec._process.errors import StdinClosed
from airbyte_exec._process.pipes import leave, write_all
from airbyte_exec._process.stdout import Stdout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from airbyte_exec._process.guardian import Guard
    from airbyte_exec._process.pipes import ReadEnd, WriteEnd
    from airbyte_exec._process.stderr import Stderr

STOP_GRACE = 5.0  # seconds between SIGTERM and SIGKILL; what a database driver takes to roll back
KILL_COMMAND_LIMIT = 5.0  # seconds; `docker kill` answers within one, and an engine that hangs does not at all
DRAIN_TIMEOUT = 5.0  # seconds that a pipe may stay open after the child's exit; a log shipper flushes within one
ABANDON_COMMAND_LIMIT = 5.0  # likewise, for the command that ends a container
ABANDON_LIMIT = 1.0  # seconds that the event loop is held up by the end of a child whose orderly end was cancelled
STDERR_LIMIT = 1.0  # seconds for the rest of stderr once everything that may hold it is killed

logger = logging.getLogger(__name__)


class Child:
    """A running child; made by `open_child`, which also ends it.

    One task may read, one may write, and any may wait or stop, all at once.

    Attributes:
        pid: its process id, and the id of its process group and session.
    """

    def __init__(
        self,
        pid: int,
        *,
        stdin: WriteEnd | None,
        stdout: ReadEnd,
        stderr: Stderr,
        guard: Guard,
        token: str,
        stop_argv: tuple[str, ...] | None,
        kill_argv: tuple[str, ...] | None,
        drain_timeout: float,
        stop_grace: float,
    ) -> None:
        self.pid = pid
        self._stdin = stdin
        self._stderr = stderr
        self._guard = guard
        self._token = token
        self._stop_argv = stop_argv
        self._kill_argv = kill_argv
        self._drain_timeout = drain_timeout
        self._stop_grace = stop_grace
        self._start = _sweep.start_time(pid)
        self._ending = Ending(pid)
        self._stdout = Stdout(stdout, self._ending, drain_timeout=drain_timeout)
        self._stderr_ended = anyio.Event()
        self._stop_lock = anyio.Lock()
        self._background: list[CancelScope] = []

    async def read(self) -> bytes:
        """Return as much of stdout as its pipe gives, b"" at its end, or when it is given up (see `stdout_cut`)."""
        was_cut = self._stdout.is_cut
        chunk = await self._stdout.read()
        if self._stdout.is_cut and not (was_cut or self._stdout.is_stopping or self._stdout.pipe.is_torn):
            await self._kill_rest()

        return chunk

    @property
    def stdout_cut(self) -> bool:
        """Whether stdout was given up before its end: the child was stopped, something held it, or the way broke."""
        return self._stdout.is_cut

    async def write(self, *parts: bytes, limit: float = float("inf")) -> None:
        """Write all parts to stdin; returns when the pipe took them: that is the back-pressure.

        A cancelled write may have written a part of them; then nothing that makes sense can follow.

        Parameters:
            limit: the seconds for which the child may take nothing; each byte that it takes begins them anew.

        Raises:
            TimeoutError: the limit passed; a part may have been written.
            StdinClosed: the child closed its stdin, has exited or is being stopped, or `close_stdin` was called.
        """
        try:
            if self._stdin is None:
                raise BrokenPipeError

            await write_all(self._stdin, parts, may_write=self._may_write, limit=limit)
        except BrokenPipeError:
            raise StdinClosed(context={"pid": self.pid}) from None

    def _may_write(self) -> bool:
        return not self._stdout.is_stopping and not self._ending.seen.is_set()

    async def close_stdin(self) -> None:
        """Let the child see the end of its input. The guardian's copy goes first, else it would not see it."""
        if self._stdin is not None and self._stdin.is_open:
            await leave(self._stdin)
            self._guard.drop_stdin(self._token)
            _crashpoints.reached("input.dropped")
            self._stdin.close()

    @property
    def stderr_tail(self) -> list[str]:
        """The last lines of stderr; all of them are there once `finish` or `stop` returned."""
        return self._stderr.tail()

    def masked_stderr_tail(self, mask: Callable[[bytes], bytes]) -> list[str]:
        """Return the last lines on stderr, as `mask` leaves them. It sees them before they are cut."""
        return self._stderr.tail(mask)

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs, or if it is lost."""
        return self._ending.code

    async def wait(self) -> int:
        """Wait, as long as it takes, for the exit; return the exit code, negative for a signal.

        Raises:
            ExitStatusLost: another part of this process took it.
        """
        await self._ending.seen.wait()
        return self._ending.result()

    async def finish(self, *, exit_timeout: float, drain_timeout: float | None = None) -> int:
        """Wait for the exit of a child that has nothing more to do; return the exit code, negative for a signal.

        Call it after stdout's end (a source) or after `close_stdin` (a destination). It does not read stdout.

        Parameters:
            exit_timeout: seconds for the exit; the child is stopped when they are over.
            drain_timeout: seconds for the rest of stderr after it, as given to `open_child` if left out; then
                whatever holds it is killed.

        Raises:
            TimeoutError: it did not exit in time. It is stopped now, and its exit code means nothing.
            ExitStatusLost: another part of this process took the exit code.
        """
        with anyio.move_on_after(exit_timeout):
            await self._ending.seen.wait()

        if not self._ending.seen.is_set():
            await self.stop()
            raise TimeoutError(f"The child process {self.pid} did not exit within {exit_timeout:g} s and was stopped.")

        with anyio.move_on_after(self._drain_timeout if drain_timeout is None else drain_timeout):
            await self._stderr_ended.wait()

        if not self._stderr_ended.is_set():
            await self._kill_rest()

        return self._ending.result()

    async def stop(self) -> int | None:
        """End the child and all that it started: bounded and shielded from cancellation. Reads and writes end, too.

        Returns:
            The exit code, negative for a signal; None if it is lost, or if the system could not end the child in time.
        """
        with CancelScope(shield=True):
            async with self._stop_lock:
                if not self._stdout.is_stopping and self._guard.is_ours:
                    await self._stop()

        return self._ending.code

    async def _stop(self) -> None:
        await self._leave_pipes()
        if not self._ending.seen.is_set():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stdout.discard)
                await self._ask_to_end()
                with anyio.move_on_after(self._stop_grace):
                    await self._ending.seen.wait()

                tasks.cancel_scope.cancel()

        if self._ending.code != 0 and self._kill_argv is not None:
            await run_to_its_end(self._kill_argv, seconds=KILL_COMMAND_LIMIT)

        await self._kill_rest()
        with anyio.move_on_after(REAP_LIMIT):
            await self._ending.seen.wait()

        if not self._ending.seen.is_set():
            logger.warning("The child process %d has not ended %g s after SIGKILL.", self.pid, REAP_LIMIT)

        with anyio.move_on_after(STDERR_LIMIT):
            await self._stderr_ended.wait()

    async def _ask_to_end(self) -> None:
        if self._stop_argv is not None:
            await run_to_its_end(self._stop_argv, seconds=self._stop_grace)
            return

        _sweep.signal_group(self.pid, signal.SIGTERM)
        _sweep.signal_group(self.pid, signal.SIGCONT)

    async def _leave_pipes(self) -> None:
        self._stdout.is_stopping = True
        await leave(self._stdout.pipe)
        if self._stdin is not None:
            await leave(self._stdin)

    async def _kill_rest(self) -> None:
        """Kill what is left of the child and of what it started."""
        leaders = {} if self._ending.is_lost else {self.pid: self._start}
        rounds = _sweep.KillRounds([self._token], leaders, since=self._start or 0)
        for pause in rounds:
            await anyio.sleep(pause)

        if rounds.found_none:
            self._guard.note_gone(self._token)

    def background(self) -> list[Callable[[], Coroutine[None, None, None]]]:
        """Return what must run beside the child: shielded, it ends with `cancel_background` and not before."""
        return [self._shielded(job) for job in (self._watch_exit, self._drain_stderr, self._guard.watch)]

    def _shielded(self, job: Callable[[], Awaitable[None]]) -> Callable[[], Coroutine[None, None, None]]:
        scope = CancelScope(shield=True)
        self._background.append(scope)

        async def run() -> None:
            with scope:
                await job()

        return run

    async def _watch_exit(self) -> None:
        await self._ending.watch()
        if self._ending.is_lost:
            self._guard.forget_leader(self._token)

        self._stdout.notice_exit()
        if self._stdin is not None:
            self._stdin.wake()

    async def _drain_stderr(self) -> None:
        try:
            await self._stderr.drain()
        finally:
            self._stderr_ended.set()

    async def end(self) -> None:
        """Stop the child, or, if it has exited already, what it left."""
        await self.stop()
        await self._leave_pipes()

    def cancel_background(self) -> None:
        """Let the jobs of `background` end."""
        for scope in self._background:
            scope.cancel()

    def close(self) -> None:
        """Close everything and reap the child. It is killed first if `end` did not come through."""
        try:
            if self._guard.is_ours:
                if not self._ending.seen.is_set():
                    # asyncio's own cancellation breaks through a shield: no time for a grace, but none may be left.
                    # What stands behind a go-between ends first: the end of that one is an end of its input.
                    if self._kill_argv is not None:
                        run_at_once(self._kill_argv, seconds=ABANDON_COMMAND_LIMIT)

                    for pause in _sweep.KillRounds([self._token], {self.pid: self._start}, seconds=ABANDON_LIMIT):
                        time.sleep(pause)

                _crashpoints.reached("child.removing")
                self._guard.remove_child(self._token)
                _crashpoints.reached("child.removed")
        finally:
            if self._stdin is not None:
                self._stdin.close()

            self._stdout.pipe.close()
            self._stderr.close()
            self._ending.release()
