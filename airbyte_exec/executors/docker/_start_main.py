"""Starts a container and lives as long as it does: what its client program would be, without its output.

Run as `python -I -S _start_main.py URL VERSION CONTAINER`. What the container prints to stderr comes out of our own,
its exit code is ours. Its stdout is not for us: a copy more is what this process is there to save. 125 says that the
connection to the engine broke, 1 that the engine refused.

The wait is asked for before the end of stderr, and its answer has to be whole: an engine that ends closes the streams
of its containers as if these had ended. Standard library only, and as little of it as possible: the import is half
of the start.
"""

from __future__ import annotations

import os
import re
import socket
import sys

REFUSED, BROKEN = 1, 125
CONNECT_LIMIT = 30.0  # seconds
_CODE = re.compile(rb'"StatusCode":\s*(\d+)\s*[,}]')
_MESSAGE = re.compile(rb'"message":\s*"((?:[^"\\]|\\.)*)"')


class Broken(Exception):  # noqa: N818 - a way to the end of this program, nobody else sees it
    """The engine went away."""


def connect(url: str) -> socket.socket:
    """Return a connection to the engine; once it stands, its answers take as long as the container does."""
    if url.startswith("unix://"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(url.removeprefix("unix://"))
        return connection

    host, _, port = url.removeprefix("tcp://").rstrip("/").rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_LIMIT)
    connection.settimeout(None)
    return connection


def ask(url: str, path: str, *headers: str) -> socket.socket:
    """Send a request; return the connection that its answer comes over."""
    connection = connect(url)
    lines = (f"POST {path} HTTP/1.1", "Host: docker", "Content-Length: 0", *headers, "", "")
    connection.sendall("\r\n".join(lines).encode())
    return connection


def read_head(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status of an answer, and what came behind its head.

    Raises:
        Broken: the connection ended before.
    """
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(1 << 16)
        if not part:
            raise Broken

        text += part

    head, _, rest = text.partition(b"\r\n\r\n")
    return int(head.split(None, 2)[1]), rest


def read_rest(connection: socket.socket, text: bytes) -> bytes:
    """Return `text` and all that comes behind it."""
    while part := connection.recv(1 << 16):
        text += part

    return text


def pass_on(connection: socket.socket, text: bytes, to: int) -> None:
    """Write the payloads of frames to a file descriptor until the connection ends."""
    while part := text or connection.recv(1 << 16):
        text = b""
        while len(part) < 8:
            more = connection.recv(1 << 16)
            if not more:
                return

            part += more

        left, part = int.from_bytes(part[4:8], "big"), part[8:]
        while left:
            written = os.write(to, part[:left]) if part else 0
            left, part = left - written, part[written:]
            if left and not part and not (part := connection.recv(1 << 16)):
                return

        text = part


def expect(connection: socket.socket, *wanted: int) -> bytes:
    """Return what came behind the head of an answer with one of these statuses; end where the engine refuses."""
    status, rest = read_head(connection)
    if status not in wanted:
        rest = read_rest(connection, rest)
        found = _MESSAGE.search(rest)
        said = found[1].replace(b'\\"', b'"').replace(b"\\n", b"\n") if found else rest
        os.write(2, b"Error response from daemon: " + said + b"\n")
        raise SystemExit(REFUSED)

    return rest


def run(url: str, version: str, container: str) -> int:
    """Start the container; return its exit code when it has ended.

    Raises:
        Broken: the engine went away.
    """
    base = f"/v{version}/containers/{container}"
    stderr = ask(url, f"{base}/attach?stream=1&stderr=1", "Connection: Upgrade", "Upgrade: tcp")
    rest = expect(stderr, 101, 200)
    expect(ask(url, f"{base}/start", "Connection: close"), 204, 304)
    end = ask(url, f"{base}/wait", "Connection: close")
    pass_on(stderr, rest, 2)
    found = _CODE.search(read_rest(end, expect(end, 200)))
    if found is None:
        raise Broken

    return int(found[1])


if __name__ == "__main__":
    try:
        code = run(*sys.argv[1:])
    except (Broken, OSError) as error:
        os.write(2, f"The connection to the engine broke. {error}\n".encode())
        code = BROKEN

    os._exit(code & 0xFF)
