"""Our side of the guardian: one a process, shared by its runs, started with the first and ended with the last.

Order is what this is about. A child is told before it executes; the copy of a destination's stdin is dropped before
our own end is closed, so that the normal end of input is really seen. Each order is answered, at once and on this
machine, so the exchange blocks: it takes some ten microseconds. If the guardian itself dies, or does not answer, it
is started anew and told everything that is open. A fork of our process lets go of the socket and gets a guardian of
its own with its first run.

Somewhat over 300 lines: who asks, a run's `Guard`, and who answers, the process's `Guardian`, keep one order together.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from airbyte_exec import _crashpoints
from airbyte_exec._process import _stale, _sweep
from airbyte_exec._process.guardian_link import Link
from airbyte_exec.exceptions import AirbyteSubprocessError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    run_id: str
    pid: int
    start: int | None
    kill_argv: tuple[str, ...] | None
    stdin: int | None
    has_leader: bool = True


class Guardian:
    """The one guardian of this process; safe to use from several threads."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._in_exchange = False
        self._folders: dict[str, str] = {}
        self._children: dict[str, _Entry] = {}
        self._kept = 0

    def forget_in_fork(self) -> None:
        """Let go of the parent's guardian."""
        if self._link is not None:
            self._link.forget()
            self._link = None

        self._begin()

    def open_run(self, run_id: str, folder: Path) -> None:
        """Tell it of a run, before its folder is made; the first run starts it."""
        with self._lock:
            self._folders[run_id] = str(folder)
            if self._link is None:
                self._start()
            else:
                self._tell({"do": "open_run", "run": run_id, "folder": str(folder)})

    def close_run(self, run_id: str) -> None:
        """Tell it that a run has ended and left nothing; the last one ends it, for it has nothing more to do."""
        with self._lock:
            self._folders.pop(run_id)
            if self._folders or self._kept:
                self._tell({"do": "close_run", "run": run_id})
            else:
                self._stop()

    def keep(self) -> None:
        """Stay when the last run has ended, because another one is to come soon."""
        with self._lock:
            self._kept += 1

    def keep_no_more(self) -> None:
        """End with the last run again."""
        with self._lock:
            self._kept -= 1
            if not self._folders and not self._kept:
                self._stop()

    def _stop(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            self._in_exchange = False
            link.kill()

    def add_child(self, token: str, entry: _Entry) -> None:
        """Tell it of a child, before that executes."""
        with self._lock:
            self._children[token] = entry
            self._tell(*_add_order(token, entry))

    def drop_stdin(self, token: str) -> None:
        """Let it close its copy of a child's stdin; returns when that is closed."""
        with self._lock:
            entry = self._children[token]
            if entry.stdin is not None:
                self._children[token] = replace(entry, stdin=None)
                self._tell({"do": "drop_stdin", "child": token})

    def forget_leader(self, token: str) -> None:
        """Tell it that a child's pid may be another process by now."""
        with self._lock:
            self._children[token] = replace(self._children[token], has_leader=False)
            self._tell({"do": "forget_leader", "child": token})

    def remove_child(self, token: str) -> None:
        """Tell it that a child has ended."""
        with self._lock:
            if self._children.pop(token, None) is not None:
                self._tell({"do": "remove_child", "child": token})

    def revive(self) -> None:
        """Start it anew if it has ended."""
        with self._lock:
            if self._link is not None:
                self._tell({"do": "nothing"})

    def handle(self) -> int | None:
        """Return a new handle that becomes readable when the guardian ends; None where there is no such thing."""
        with self._lock:
            return None if self._link is None or self._link.handle is None else os.dup(self._link.handle)

    def _tell(self, order: dict[str, Any], stdin: int | None = None) -> None:
        """Give an order, wait until it is obeyed; a guardian that is gone is replaced by one that knows everything."""
        if self._link is not None and not self._in_exchange:
            # Stays set if a KeyboardInterrupt comes between question and answer: the two no longer fit together then.
            self._in_exchange = True
            try:
                self._link.send(order, stdin)
                self._link.settle()
            except OSError as error:
                logger.warning("The process that guards this one's children ended (%s); it is started anew.", error)
            else:
                self._in_exchange = False
                return

        self._start()

    def _start(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            link.kill()

        try:
            self._link = link = Link()
            for run_id, folder in self._folders.items():
                link.send({"do": "open_run", "run": run_id, "folder": folder})

            for token, entry in self._children.items():
                link.send(*_add_order(token, entry))
                if not entry.has_leader:
                    link.send({"do": "forget_leader", "child": token})

            # With no child yet nothing hangs on its answer: it may start while we go on.
            if self._children:
                link.settle()
        except OSError as error:
            raise AirbyteSubprocessError(
                message="The process that guards this one's children could not be started.",
                context={"reason": str(error)},
            ) from error

        self._in_exchange = False


def _add_order(token: str, entry: _Entry) -> tuple[dict[str, Any], int | None]:
    order = {
        "do": "add_child",
        "run": entry.run_id,
        "child": token,
        "pid": entry.pid,
        "start": entry.start,
        "kill_argv": entry.kill_argv,
        "with_stdin": entry.stdin is not None,
    }
    return order, entry.stdin


_guardian = Guardian()
os.register_at_fork(after_in_child=_guardian.forget_in_fork)


class Guard:
    """One run's entry at the guardian.

    Parameters:
        run_id: marks every descendant of the run, through AIRBYTE_EXEC_RUN in its environment.
        folder: 0700; removed when the run ends or we die.
    """

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self.folder = folder
        self._owner = os.getpid()
        self._count = 0
        self._may_live: set[str] = set()
        self._lock = threading.Lock()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that opened it, and no fork of that."""
        return os.getpid() == self._owner

    def new_token(self) -> str:
        """Return a mark for one more child."""
        with self._lock:
            self._count += 1
            token = f"{self.run_id}-{self._count}"
            self._may_live.add(token)
            return token

    def note_gone(self, token: str) -> None:
        """Note that no process of a child lives, nor can be born any more."""
        with self._lock:
            self._may_live.discard(token)

    @property
    def is_gone(self) -> bool:
        """Whether no process of any child can live: all of a run is its children, and what they started."""
        with self._lock:
            return not self._may_live

    def marks(self, token: str) -> dict[str, str]:
        """Return the variables that mark a child, after the marks of the run that this process is itself part of."""
        pairs = ((_sweep.RUN_MARK, self.run_id), (_sweep.CHILD_MARK, token))
        above = [(name, os.environ.get(name), mark) for name, mark in pairs]
        return {name: f"{outer}{_sweep.MARK_SEPARATOR}{mark}" if outer else mark for name, outer, mark in above}

    def add_child(
        self, token: str, pid: int, *, kill_argv: tuple[str, ...] | None = None, stdin: int | None = None
    ) -> None:
        """Tell the guardian of a child; with `stdin` it holds a copy of that write end."""
        _guardian.add_child(token, _Entry(self.run_id, pid, _sweep.start_time(pid), kill_argv, stdin))

    def drop_stdin(self, token: str) -> None:
        """Let the guardian close its copy of the child's stdin."""
        _guardian.drop_stdin(token)

    def forget_leader(self, token: str) -> None:
        """Tell the guardian that somebody else reaped the child: its pid is free for others."""
        _guardian.forget_leader(token)

    def remove_child(self, token: str) -> None:
        """Tell the guardian that the child and its descendants have ended."""
        _guardian.remove_child(token)

    @contextmanager
    def ends_by(self, argv: tuple[str, ...] | None) -> Iterator[None]:
        """Let the guardian run a command if we die in the block: for what is made before a child, and outlives it."""
        token = f"{self.run_id}-elsewhere"
        if argv is not None:
            _guardian.add_child(token, _Entry(self.run_id, 0, None, argv, None, has_leader=False))

        try:
            yield
        finally:
            _guardian.remove_child(token)

    async def watch(self) -> None:
        """Start the guardian anew as soon as it ends, for as long as this runs."""
        while (handle := _guardian.handle()) is not None:
            try:
                await anyio.wait_readable(handle)
            finally:
                os.close(handle)

            _guardian.revive()


@contextmanager
def kept_guardian() -> Iterator[None]:
    """Let all runs of the block, one after the other, have the same guardian: its start is a tenth of a short sync."""
    owner = os.getpid()
    _guardian.keep()
    try:
        yield
    finally:
        if os.getpid() == owner:
            _guardian.keep_no_more()


@contextmanager
def open_guard() -> Iterator[Guard]:
    """Open a run: a folder for its files, and a guardian that ends its children if we cannot.

    At the end nothing of the run is left: processes are killed, the folder is removed.

    Raises:
        AirbyteSubprocessError: the guardian cannot be started.
        OSError: the folder cannot be made.
    """
    run_id = secrets.token_hex(16)
    folder = Path(tempfile.gettempdir()).absolute() / f"airbyte-exec-{run_id}"
    guard = Guard(run_id, folder)
    claim: int | None = None
    try:
        # Told first: there is no moment at which a folder exists that the guardian would not remove.
        _crashpoints.reached("run.opening")
        _guardian.open_run(run_id, folder)
        _crashpoints.reached("run.told")
        folder.mkdir(mode=0o700)
        _crashpoints.reached("run.opened")
        claim = _stale.claim(folder)
        _stale.sweep_once(folder.parent)
        yield guard
    finally:
        if claim is not None:
            os.close(claim)

        if guard.is_ours:
            _close(guard)


def _close(guard: Guard) -> None:
    try:
        _crashpoints.reached("run.closing")
        if not guard.is_gone:
            _sweep.kill_run(guard.run_id)

        if not _sweep.remove_folder(str(guard.folder)):
            logger.warning("The folder %s could not be removed.", guard.folder)

        _crashpoints.reached("run.removed")
    finally:
        _guardian.close_run(guard.run_id)
        _crashpoints.reached("run.closed")
