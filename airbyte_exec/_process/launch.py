"""Starts a child in two steps: a shim that waits, then, on our word, the connector in its place.

Between the two the guardian hears of the child. So there is no moment at which a connector runs that the guardian
does not know: if we die before the word, the shim sees its pipe end and never executes anything.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from airbyte_exec._process._shim import GO_WORD
from airbyte_exec._process.errors import LaunchFailedError
from airbyte_exec._process.pipes import ReadEnd, WriteEnd, write_all
from airbyte_exec.exceptions import PyAirbyteInternalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCH_LIMIT = 60.0  # seconds; an interpreter's start takes 10 ms, this is for a machine that swaps
_SHIM = str(Path(__file__).with_name("_shim.py"))
_STARTED = b"+"


def start_interpreter(
    script: str,
    fds: Sequence[int],
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    env: Mapping[str, str] | None,
    cwd: str | None,
) -> int:
    """Start a script of ours in a bare interpreter and a session of its own; return its pid.

    The script is given the numbers of the inherited `fds` as its arguments. The caller reaps it.

    Raises:
        OSError: no process could be made, or `cwd` cannot be entered.
    """
    if not sys.executable:
        raise PyAirbyteInternalError(
            message="The Python interpreter does not know its own executable.",
            guidance="Set sys.executable to a Python interpreter where Python is embedded.",
        )

    process = subprocess.Popen(
        [sys.executable, "-I", "-S", script, *map(str, fds)],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        cwd=cwd,
        pass_fds=fds,
        start_new_session=True,
    )
    # Popen would take a status that somebody else reaped for 0, and warn when it is forgotten: we wait by ourselves.
    process.returncode = 0
    return process.pid


def find_program(name: str, env: Mapping[str, str]) -> str:
    """Return the path of a program, looked for in the child's PATH unless it has a slash.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: there is one that may not be executed.
    """
    if os.sep in name:
        return name

    path = env.get("PATH", os.defpath)
    if found := shutil.which(name, path=path):
        return os.path.abspath(found)  # noqa: PTH100 - Path.resolve would follow the link that a venv's python is

    code = errno.EACCES if shutil.which(name, os.F_OK, path) else errno.ENOENT
    raise OSError(code, os.strerror(code), name)


class Launch:
    """A shim that waits for its word. `release` turns it into the program, `close` lets it end."""

    def __init__(self, argv: Sequence[str], order: bytes, *, pid: int, go: int, errors: int) -> None:
        self.pid = pid
        self._argv = argv
        self._order = order
        self._go = WriteEnd(go)
        self._errors = ReadEnd(errors)

    async def release(self) -> None:
        """Let the shim become the program; returns when it has.

        Raises:
            OSError: `execve` failed, with its errno.
            LaunchFailedError: the shim ended by itself, or took too long.
        """
        answer = b""
        with anyio.move_on_after(LAUNCH_LIMIT):
            with suppress(BrokenPipeError):  # it ended: that it never answered says so
                await write_all(self._go, [self._order], may_write=lambda: True)

            self._go.close()
            while part := await self._errors.read():
                answer += part

            if answer == _STARTED:
                return

        if code := int(answer.removeprefix(_STARTED) or 0):
            raise OSError(code, os.strerror(code), self._argv[0])

        raise LaunchFailedError(
            message="A child process could not be started: its launcher ended, or did not answer in time.",
            run_args=list(self._argv),
            context={"interpreter": sys.executable},
        )

    def close(self) -> None:
        """Close both pipes; without a release the shim then ends."""
        self._go.close()
        self._errors.close()


def _encode(program: str, argv: Sequence[str], env: Mapping[str, str]) -> bytes:
    pairs = [f"{name}={value}" for name, value in env.items()]
    fields = [os.fsencode(field) for field in (program, str(len(argv)), *argv, *pairs)]
    if any(b"\0" in field for field in fields) or any("=" in name or not name for name in env):
        raise ValueError("an argument or variable of a child holds a null byte, or a variable's name an equals sign")

    return b"\0".join([*fields, GO_WORD])


def start_shim(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    shim_env: Mapping[str, str],
    cwd: str | None,
    stdin: int,
    stdout: int,
    stderr: int,
) -> Launch:
    """Start the shim of a child whose standard streams are the given file descriptors, which the caller closes.

    Parameters:
        shim_env: what the shim itself runs in: an interpreter of ours, so our own environment, plus the marks.

    Raises:
        OSError: there is no such program, `cwd` cannot be entered, or no process could be made.
    """
    order = _encode(find_program(argv[0], env), argv, env)
    with ExitStack() as theirs, ExitStack() as ours:
        go_out, go = make_pipe(theirs, ours)
        errors, errors_in = make_pipe(ours, theirs)
        pid = start_interpreter(
            _SHIM, (go_out, errors_in), stdin=stdin, stdout=stdout, stderr=stderr, env=shim_env, cwd=cwd
        )
        ours.pop_all()
        return Launch(argv, order, pid=pid, go=go, errors=errors)


def make_pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Make a pipe that no program inherits; return its read and its write end, which the two stacks close."""
    read_end, write_end = os.pipe()
    reader.callback(os.close, read_end)
    writer.callback(os.close, write_end)
    return read_end, write_end
