"""The end of a child: noticed by a pidfd, its status read without reaping it.

A child stays a zombie until its owner is done with it. That keeps its number, and so that of its process group,
from being given to another process while we may still signal the group.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from airbyte_exec._process.errors import ExitStatusLost

if TYPE_CHECKING:
    from collections.abc import Sequence

REAP_LIMIT = 10.0  # seconds from SIGKILL to the end; only an uninterruptible system call takes longer
_POLL_FIRST = 0.001  # seconds; only where there is no pidfd
_POLL_LONGEST = 0.05  # seconds

logger = logging.getLogger(__name__)


class Ending:
    """Watches one child of this process; nothing else may wait for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.seen = anyio.Event()
        self.time = float("inf")  # on the event loop's clock
        self.is_lost = False
        self.is_reaped = False
        self._code: int | None = None
        try:
            self._handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        except OSError:  # an old kernel, a strict sandbox, or gone already
            self._handle = None

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs, or if it is lost."""
        return self._code

    def result(self) -> int:
        """Return the exit code of a child that has ended.

        Raises:
            ExitStatusLost: somebody else took it.
        """
        if self._code is None:
            raise ExitStatusLost(
                message="The exit status of a child process was lost: another part of this process took it.",
                guidance="This process must not ignore SIGCHLD, nor call os.wait() or os.waitpid(-1, …).",
                context={"pid": self.pid},
            )

        return self._code

    async def watch(self) -> None:
        """Wait for the end and keep the status at once, before anybody else asks for it."""
        if self._handle is None:
            pause = _POLL_FIRST
            while not self._look():
                await anyio.sleep(pause)
                pause = min(pause * 2, _POLL_LONGEST)
        else:
            await anyio.wait_readable(self._handle)
            self._look()

        self.time = anyio.current_time()
        self.seen.set()

    def _look(self) -> bool:
        """Return whether it has ended."""
        try:
            if hasattr(os, "waitid"):
                status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if status is not None:
                    exited = status.si_code == os.CLD_EXITED
                    self._code = status.si_status if exited else -status.si_status
            else:  # macOS before Python 3.13: it can be looked at only once
                pid, raw = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._code, self.is_reaped = os.waitstatus_to_exitcode(raw), True
        except ChildProcessError:
            self.is_lost = self.is_reaped = True

        return self.is_lost or self._code is not None

    def signal(self, number: int) -> None:
        """Send a signal to the child alone."""
        with suppress(ProcessLookupError, PermissionError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)
            elif not self.is_reaped:
                os.kill(self.pid, number)

    def release(self) -> None:
        """Reap the child, if it has ended, and forget it."""
        if not self.is_reaped:
            with suppress(ChildProcessError):
                self.is_reaped = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid

        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


async def run_to_its_end(argv: Sequence[str], *, seconds: float) -> None:
    """Run a command, without input or output, for a bounded time; one that cannot be run is logged."""
    null = subprocess.DEVNULL
    try:
        # asyncio's own way needs a child watcher, and there is nothing to wait for but the end.
        process = subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, start_new_session=True)  # noqa: ASYNC220
    except OSError as error:
        logger.warning("The command %s, which ends a child for sure, cannot be run: %s", argv[0], error)
        return

    process.returncode = 0  # ours to reap, see launch.py
    ending = Ending(process.pid)
    with anyio.move_on_after(seconds):
        await ending.watch()

    if not ending.seen.is_set():
        ending.signal(signal.SIGKILL)
        with anyio.move_on_after(REAP_LIMIT):
            await ending.watch()

    ending.release()


def run_at_once(argv: Sequence[str], *, seconds: float) -> None:
    """Run a command like `run_to_its_end`, and hold up the thread meanwhile."""
    null = subprocess.DEVNULL
    try:
        subprocess.run(argv, stdin=null, stdout=null, stderr=null, timeout=seconds, check=False, start_new_session=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("The command %s, which ends a child for sure, cannot be run: %s", argv[0], error)
