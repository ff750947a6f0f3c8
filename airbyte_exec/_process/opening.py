"""Opens a child: pipes, shim, guardian, word to go; and on the way out everything in reverse.

The guardian hears of the child before it executes. The jobs beside the child (its stderr, its exit) live in a task
group of its own; that group never touches what the body of the `async with` raises, and a failure of a job comes
out as itself.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio import CancelScope

from airbyte_exec import _crashpoints
from airbyte_exec._process.child import DRAIN_TIMEOUT, STOP_GRACE, Child
from airbyte_exec._process.frames import FrameEnd
from airbyte_exec._process.launch import Launch, make_pipe, start_shim
from airbyte_exec._process.pipes import ReadEnd, WriteEnd
from airbyte_exec._process.stderr import Stderr, open_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from types import TracebackType

    from airbyte_exec._process.guardian import Guard


@dataclass(frozen=True, kw_only=True)
class _Order:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    stdin: bool
    guard: Guard
    grow_stdout: bool
    grow_stdin: bool
    hold_stdin: bool
    stdin_fd: int | None
    stdout_fd: int | None
    stop_argv: tuple[str, ...] | None
    kill_argv: tuple[str, ...] | None
    orphan_argv: tuple[str, ...] | None
    stderr_log: Path | None
    on_stderr: Callable[[bytes], None] | None
    drain_timeout: float
    stop_grace: float


def open_child(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: bool,
    guard: Guard,
    cwd: Path | str | None = None,
    grow_stdout: bool = False,
    grow_stdin: bool = False,
    hold_stdin: bool = False,
    stdin_fd: int | None = None,
    stdout_fd: int | None = None,
    stop_argv: Sequence[str] | None = None,
    kill_argv: Sequence[str] | None = None,
    orphan_argv: Sequence[str] | None = None,
    stderr_log: Path | None = None,
    on_stderr: Callable[[bytes], None] | None = None,
    drain_timeout: float = DRAIN_TIMEOUT,
    stop_grace: float = STOP_GRACE,
) -> AbstractAsyncContextManager[Child]:
    """Start a child in a session of its own, for the length of an `async with`. Leaving it leaves nothing of the child.

    Parameters:
        argv: the program, looked for in the child's PATH unless it has a slash, and its arguments.
        env: the child's whole environment; the marks of the run are added.
        stdin: whether it gets a pipe; else it reads from /dev/null.
        guard: the run that it belongs to.
        cwd: where it starts.
        grow_stdout: give its stdout 1 MiB instead of 64 KiB, if the user's quota leaves room: for sources.
        grow_stdin: the same for its stdin: for destinations.
        hold_stdin: let the guardian hold a copy of its stdin: our death is no end of input then. For destinations.
        stop_argv: a command that asks it to end, run in the place of SIGTERM where signals to its process group would
            end a go-between alone (the client of a container).
        stdin_fd: another way to what it starts than its own stdin (a container); it is taken over, and closed.
        stdout_fd: likewise, another way from its stdout, in frames (see frames.py); its own is not read then.
        kill_argv: a command that ends it for sure, run where signals to its process group may not do (a container).
        orphan_argv: what the guardian runs in its place when we have died; by default `kill_argv`.
        stderr_log: a file that gets all of its stderr.
        on_stderr: called with each piece of its stderr.
        drain_timeout: seconds that its pipes may stay open after its exit, held by something that it started.
        stop_grace: seconds between SIGTERM and SIGKILL where it must be stopped.

    Raises:
        OSError: it cannot be executed (FileNotFoundError, PermissionError, …), or `cwd` cannot be entered.
        LaunchFailedError: it was killed, or took too long, before it was executed.
        AirbyteSubprocessError: there is no guardian, and no new one can be started.
    """
    return _Opening(
        _Order(
            argv=tuple(argv),
            env=env,
            cwd=None if cwd is None else os.fspath(cwd),
            stdin=stdin,
            guard=guard,
            grow_stdout=grow_stdout,
            grow_stdin=grow_stdin,
            hold_stdin=hold_stdin,
            stop_argv=None if stop_argv is None else tuple(stop_argv),
            stdin_fd=stdin_fd,
            stdout_fd=stdout_fd,
            kill_argv=None if kill_argv is None else tuple(kill_argv),
            orphan_argv=None if orphan_argv is None else tuple(orphan_argv),
            stderr_log=stderr_log,
            on_stderr=on_stderr,
            drain_timeout=drain_timeout,
            stop_grace=stop_grace,
        )
    )


class _Opening:
    """The `async with` of one child: a class, for it must see what the body raised and not raise it in the group."""

    def __init__(self, order: _Order) -> None:
        self._order = order

    async def __aenter__(self) -> Child:
        token = self._order.guard.new_token()
        self._child, launch, stdin = _start(self._order, token)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        try:
            for job in self._child.background():
                self._tasks.start_soon(job)

            _crashpoints.reached("child.started")
            copy = stdin if self._order.hold_stdin else None
            last_resort = self._order.orphan_argv or self._order.kill_argv
            self._order.guard.add_child(token, self._child.pid, kill_argv=last_resort, stdin=copy)
            _crashpoints.reached("child.told")
            await launch.release()
            _crashpoints.reached("child.released")
        except BaseException as error:
            launch.close()
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

        launch.close()
        return self._child

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        is_cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        try:
            with CancelScope(shield=True):
                await self._child.end()
        finally:
            self._child.cancel_background()
            try:
                swallowed = await (
                    self._tasks.__aexit__(kind, error, trace)
                    if is_cancelled
                    else self._tasks.__aexit__(None, None, None)
                )
            except BaseExceptionGroup as group:
                raise _first(group) from error
            finally:
                self._child.close()

        return swallowed if is_cancelled else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _start(order: _Order, token: str) -> tuple[Child, Launch, int | None]:
    """Start the shim; return the child to be, the launch that releases it, and our end of its stdin."""
    marks = order.guard.marks(token)
    with ExitStack() as theirs, ExitStack() as ours:
        for given in (order.stdin_fd, order.stdout_fd):
            if given is not None:
                ours.callback(os.close, given)

        stdout, stdout_in = (
            make_pipe(ours, theirs) if order.stdout_fd is None else (order.stdout_fd, subprocess.DEVNULL)
        )
        stderr, stderr_in = make_pipe(ours, theirs)
        own_pipe = order.stdin and order.stdin_fd is None
        stdin_out, stdin = make_pipe(theirs, ours) if own_pipe else (subprocess.DEVNULL, order.stdin_fd)
        log = None if order.stderr_log is None else open_log(order.stderr_log)
        if log is not None:
            ours.callback(os.close, log)

        launch = start_shim(
            order.argv,
            env={**order.env, **marks},
            shim_env={**os.environ, **marks},
            cwd=order.cwd,
            stdin=stdin_out,
            stdout=stdout_in,
            stderr=stderr_in,
        )
        ours.pop_all()

    child = Child(
        launch.pid,
        stdin=None if stdin is None else WriteEnd(stdin, grow=order.grow_stdin),
        stdout=ReadEnd(stdout, grow=order.grow_stdout) if order.stdout_fd is None else FrameEnd(stdout),
        stderr=Stderr(ReadEnd(stderr), log=log, on_chunk=order.on_stderr),
        guard=order.guard,
        token=token,
        stop_argv=order.stop_argv,
        kill_argv=order.kill_argv,
        drain_timeout=order.drain_timeout,
        stop_grace=order.stop_grace,
    )
    return child, launch, stdin
