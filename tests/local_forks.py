"""Runs destination-local in forks of one process that has loaded it: hundreds of runs need not load it again each.

A run is a process of its own all the same, with pipes for stdin and stdout, and ends by itself. How the connector is
loaded and started is left to the tests that start it for themselves.
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
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

LOADED_ONCE = (
    "argparse",
    "duckdb",
    "zoneinfo",
    "airbyte_exec.connectors.destination_local.folders",
    "airbyte_exec.connectors.destination_local.intake",
    "airbyte_exec.connectors.destination_local.tables",
    "airbyte_exec.connectors.destination_local.typed",
    "airbyte_exec.protocol.models",
)
"""What a write loads when it first needs it; `main` itself loads none of it."""


def load_once() -> None:
    """Load it here and now, and so for every fork of this process."""
    for name in LOADED_ONCE:
        importlib.import_module(name)


def run(arguments: Sequence[str], lines: bytes) -> tuple[int, bytes]:
    """Run the connector to its end; return its exit code (or the negative number of a signal) and its output."""
    server = _server()
    stdin, ours = os.pipe()
    output, stdout = os.pipe()
    socket.send_fds(server, [json.dumps(list(arguments)).encode()], [stdin, stdout])
    os.close(stdin)
    os.close(stdout)
    writer = threading.Thread(target=_write, args=(ours, lines))
    writer.start()
    with os.fdopen(output, "rb") as file:
        said = file.read()

    writer.join()
    code: int = json.loads(server.recv(64))
    return code, said


def _write(pipe: int, lines: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb", buffering=0) as file:
        left = memoryview(lines)
        while left:
            left = left[file.write(left) :]


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(client: socket.socket) -> None:
    """Run what the client asks for, one after the other, until it is gone."""
    load_once()
    from airbyte_exec.connectors.destination_local.command import main

    while True:
        asked, files, _, _ = socket.recv_fds(client, 65536, 2)
        if not asked:
            return

        child = os.fork()
        if child == 0:
            client.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)

            os._exit(_exit_code(main, json.loads(asked)))

        for file in files:
            os.close(file)

        _, status = os.waitpid(child, 0)
        client.sendall(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _exit_code(main: object, arguments: list[str]) -> int:
    assert callable(main)
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    finally:
        sys.stdout.flush()

    return int(code or 0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
