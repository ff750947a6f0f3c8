"""Our ends of the pipes to children: non-blocking, larger than usual where that pays, never left to a fork of ours.

Knows bytes and file descriptors; nothing of processes.

Somewhat over 300 lines: both ends of a pipe, and what they share.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from anyio import BusyResourceError, CancelScope, ClosedResourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

DEFAULT_SIZE = 1 << 16  # bytes; what Linux gives a pipe while its user's quota lasts
GROWN_SIZE = 1 << 20  # bytes; the largest an unprivileged user may ask for by default (pipe-max-size)
_SOFT_LIMIT_FILE = Path("/proc/sys/fs/pipe-user-pages-soft")
_SOFT_LIMIT_DEFAULT = 16384  # pages; the kernel's own default, also our bound where the limit is off
_SHARE = 4  # we take a quarter at most: past its quota every further pipe of the user shrinks to two pages
_IOV_MAX = 1024  # buffers; Linux and macOS agree

_ours: set[int] = set()


def _close_in_fork() -> None:
    # A fork of the host that kept the write end of a child's stdin would keep that child from ever seeing its end.
    for fd in _ours:
        try:
            os.close(fd)
        except OSError:
            continue

    _ours.clear()
    _budget.reset()


class _Budget:
    """Counts the pages of this process's enlarged pipes; locked, since runs may live in several threads."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[int, int] = {}

    def grow(self, fd: int) -> None:
        setting = getattr(fcntl, "F_SETPIPE_SZ", None)
        if setting is None or pipe_size(fd) < DEFAULT_SIZE:  # a small one: the user's quota is used up already
            return

        pages = GROWN_SIZE // os.sysconf("SC_PAGE_SIZE")
        with self._lock:
            if (sum(self._pages.values()) + pages) * _SHARE > _soft_limit():
                return

            try:
                fcntl.fcntl(fd, setting, GROWN_SIZE)
            except OSError as error:
                # EPERM: past the quota or pipe-max-size. EBUSY: it holds more than fits. Both leave it as it was.
                if error.errno not in (errno.EPERM, errno.EBUSY, errno.EINVAL):
                    raise

                return

            # Other processes of this user count too; nobody tells their sum, but a new pipe shows whether it is over.
            if _new_pipes_are_small():
                fcntl.fcntl(fd, setting, DEFAULT_SIZE)
            else:
                self._pages[fd] = pages

    def release(self, fd: int) -> None:
        with self._lock:
            self._pages.pop(fd, None)


_budget = _Budget()
os.register_at_fork(after_in_child=_close_in_fork)


def _soft_limit() -> int:
    try:
        return int(_SOFT_LIMIT_FILE.read_text(encoding="ascii")) or _SOFT_LIMIT_DEFAULT
    except (OSError, ValueError):
        return _SOFT_LIMIT_DEFAULT


def _new_pipes_are_small() -> bool:
    ends = os.pipe()
    try:
        return pipe_size(ends[0]) < DEFAULT_SIZE
    finally:
        for end in ends:
            os.close(end)


def pipe_size(fd: int) -> int:
    """Return how many bytes the pipe holds."""
    getting = getattr(fcntl, "F_GETPIPE_SZ", None)
    return DEFAULT_SIZE if getting is None or not _is_pipe(fd) else fcntl.fcntl(fd, getting)


def _is_pipe(fd: int) -> bool:
    # What leads into a container is a socket: its buffers are the kernel's to choose.
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


class PipeEnd:
    """Our end of a pipe: non-blocking, closed on exec and in a fork, waited for by one task at a time.

    Parameters:
        grow: enlarge the pipe to 1 MiB, if the user's quota leaves room for it.

    Attributes:
        size: how many bytes the pipe holds.
    """

    def __init__(self, fd: int, *, grow: bool = False) -> None:
        self._fd: int | None = fd
        self._scope: CancelScope | None = None
        os.set_blocking(fd, False)
        _ours.add(fd)
        if grow and _is_pipe(fd):
            _budget.grow(fd)

        self.size = pipe_size(fd)

    @property
    def fd(self) -> int:
        """The file descriptor.

        Raises:
            ClosedResourceError: the end is closed.
        """
        if self._fd is None:
            raise ClosedResourceError

        return self._fd

    @property
    def is_open(self) -> bool:
        """Whether it is not closed yet."""
        return self._fd is not None

    @property
    def is_awaited(self) -> bool:
        """Whether a task is waiting for it."""
        return self._scope is not None

    def wake(self, deadline: float | None = None) -> None:
        """End the wait of the task that waits for this end, at once or at a time of the event loop's clock."""
        if self._scope is None:
            return

        if deadline is None:
            self._scope.cancel()
        else:
            self._scope.deadline = deadline

    async def _wait(self, ready: Callable[[int], Awaitable[None]], deadline: float) -> bool:
        if self._scope is not None:
            raise BusyResourceError("using")

        with CancelScope(deadline=deadline) as scope:
            self._scope = scope
            try:
                await ready(self.fd)
            finally:
                self._scope = None

        return not scope.cancelled_caught

    def close(self) -> None:
        """Close it; a second time does nothing. Nobody may be waiting for it."""
        if self._fd is None:
            return

        fd, self._fd = self._fd, None
        if fd in _ours:  # else a fork closed it already, and the number may be another file's
            _ours.remove(fd)
            _budget.release(fd)
            os.close(fd)


class ReadEnd(PipeEnd):
    """The end that we read.

    Attributes:
        is_torn: whether what it led to broke, and its end is none. A pipe cannot.
    """

    is_torn = False

    def read_now(self) -> bytes | None:
        """Return what is there, b"" at the end of the stream, None where there is nothing yet."""
        try:
            return os.read(self.fd, self.size)
        except BlockingIOError:
            return None

    async def wait(self, deadline: float = float("inf")) -> bool:
        """Wait until there is something to read; False if it was woken or the deadline passed."""
        return await self._wait(anyio.wait_readable, deadline)

    async def read(self) -> bytes:
        """Return as much as the pipe gives, b"" at the end."""
        await anyio.lowlevel.checkpoint()  # before the read, so that a cancellation never loses bytes
        while (chunk := self.read_now()) is None:
            await self.wait()

        return chunk


class WriteEnd(PipeEnd):
    """The end that we write to."""

    def write_now(self, parts: Sequence[memoryview]) -> int:
        """Write what the pipe takes at once, of 1,024 parts at most; return the number of bytes, 0 where it is full.

        Raises:
            BrokenPipeError: nobody reads it any more.
        """
        try:
            if signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL:
                return _write_without_signal(self.fd, parts)

            return os.writev(self.fd, parts)
        except BlockingIOError:
            return 0
        except ConnectionResetError:  # a socket's word for it
            raise BrokenPipeError from None

    async def wait(self, deadline: float = float("inf")) -> bool:
        """Wait until the pipe takes bytes; False if it was woken or the deadline passed."""
        return await self._wait(anyio.wait_writable, deadline)


def _write_without_signal(fd: int, parts: Sequence[memoryview]) -> int:
    # The host gave SIGPIPE its default action, as command line tools do: a broken pipe would end the host.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
    try:
        return os.writev(fd, parts)
    except BrokenPipeError:
        if hasattr(signal, "sigtimedwait"):
            signal.sigtimedwait([signal.SIGPIPE], 0)

        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def write_all(
    end: WriteEnd, parts: Sequence[bytes], *, may_write: Callable[[], bool], limit: float = float("inf")
) -> None:
    """Write all parts; returns when the pipe took them.

    Parameters:
        may_write: asked before each turn, and after `end.wake()`.
        limit: the seconds for which the pipe may take nothing; each byte that it takes begins them anew.

    Raises:
        BrokenPipeError: nobody reads any more, or `may_write` said no.
        TimeoutError: the limit passed.
    """
    views = [memoryview(part) for part in parts if part]
    first = 0
    while first < len(views):
        await anyio.lowlevel.checkpoint()
        if not end.is_open or not may_write():
            raise BrokenPipeError

        written = end.write_now(views[first : first + _IOV_MAX])
        if not written:
            deadline = anyio.current_time() + limit
            if not await end.wait(deadline) and anyio.current_time() >= deadline and may_write():
                raise TimeoutError

        while written:
            size = len(views[first])
            if written < size:
                views[first] = views[first][written:]
                break

            written -= size
            first += 1


async def leave(end: PipeEnd) -> None:
    """Let the task that waits for a pipe leave it, so that it can be closed, or used by another."""
    while end.is_awaited:
        end.wake()
        await anyio.lowlevel.checkpoint()
