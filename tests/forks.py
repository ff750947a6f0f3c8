"""Runs a program of the package in forks of one process that has loaded it: hundreds of runs need not load it each.

A run is a process of its own all the same, with its own environment, working directory, stdin, stdout and stderr, and
it ends by itself. How a program is loaded and started is left to the tests that start it for themselves.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_LONGEST_ORDER = 1 << 20


@dataclass(frozen=True)
class Ran:
    """A run that has ended; a signal is a negative code."""

    code: int
    stdout: bytes
    stderr: bytes


class Forks:
    """A process to fork from. It is started when it is first needed, and ends with this one.

    Parameters:
        main: `module:function`; it is called with the arguments, and returns the exit code.
        loaded: modules that a run loads when it first needs them.
    """

    def __init__(self, main: str, loaded: Sequence[str]) -> None:
        self._main = main
        self._loaded = loaded

    def run(
        self,
        arguments: Sequence[str],
        stdin: bytes | None = None,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run it to its end; without `stdin` there is nothing to be read."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        order = {
            "arguments": list(arguments),
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        text = json.dumps(order).encode()
        assert len(text) < _LONGEST_ORDER
        self._server.sendall(len(text).to_bytes(8))
        socket.send_fds(self._server, [text[:1]], [theirs_in, theirs_out, theirs_err])
        self._server.sendall(text[1:])
        for file in (theirs_in, theirs_out, theirs_err):
            os.close(file)

        said: dict[str, bytes] = {}
        threads = [
            threading.Thread(target=_write, args=(ours_in, stdin or b"")),
            threading.Thread(target=_read, args=(ours_err, said, "stderr")),
        ]
        for thread in threads:
            thread.start()

        _read(ours_out, said, "stdout")
        for thread in threads:
            thread.join()

        return Ran(int(self._server.recv(64)), **said)

    @cached_property
    def _server(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", __file__, str(theirs.fileno()), self._main, *self._loaded]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()

        def end() -> None:
            ours.close()
            process.wait()

        atexit.register(end)
        return ours


def _write(pipe: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]


def _read(pipe: int, said: dict[str, bytes], name: str) -> None:
    with os.fdopen(pipe, "rb") as file:
        said[name] = file.read()


def serve(client: socket.socket, name: str, loaded: Sequence[str]) -> None:
    """Run what the client asks for, one after the other, until it is gone."""
    for module in loaded:
        importlib.import_module(module)

    module, _, function = name.partition(":")
    main: Callable[[list[str]], int | None] = getattr(importlib.import_module(module), function)
    while size := client.recv(8, socket.MSG_WAITALL):
        first, files, _, _ = socket.recv_fds(client, 1, 3)
        order = json.loads(first + client.recv(int.from_bytes(size) - 1, socket.MSG_WAITALL))
        child = os.fork()
        if child == 0:
            client.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)

            os.chdir(order["cwd"])
            os.environ.clear()
            os.environ.update(order["env"])
            os._exit(_exit_code(main, order["arguments"]))

        for file in files:
            os.close(file)

        _, status = os.waitpid(child, 0)
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _exit_code(main: Callable[[list[str]], int | None], arguments: list[str]) -> int:
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()

    return code or 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3:])
