"""The ways into a container and out of it: connections to the engine, which are ours and not the client program's.

The engine takes the end of the one to stdin for the end of input, whoever ends it. Were it the client's, any signal to
the client would be a clean end of input for a destination. A connection of ours can be held by the guardian, too. And
what comes out would go through the client once more.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from airbyte_exec.executors.docker.engine import CALL_LIMIT, Engine
from airbyte_exec.executors.docker.errors import refusal

_LARGEST_ANSWER = 1 << 16  # bytes; the engine's answer is some hundred
_UPGRADED = (101, 200)
_START = str(Path(__file__).with_name("_start_main.py"))


def can_attach(engine: Engine) -> bool:
    """Return whether bytes that are written to the engine's socket arrive as they are: no TLS, no ssh around them."""
    url = engine.address.url
    return url.startswith("unix://") or (url.startswith("tcp://") and str(engine.api.base_url).startswith("http://"))


def start_command(engine: Engine, container: str) -> tuple[str, ...]:
    """Return what starts a container and lives as long as it does, without its stdout."""
    return (sys.executable, "-I", "-S", _START, engine.address.url, engine.api._version, container)


def attach(engine: Engine, container: str, stream: Literal["stdin", "stdout"]) -> socket.socket:
    """Return a connection that leads into the stdin of a created container, or out of its stdout, in frames.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    api = engine.api
    path = f"/v{api._version}/containers/{quote(container)}/attach?stream=1&{stream}=1"
    request = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n"
        "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    with engine.errors("attaching to a container"):
        connection = _connect(engine.address.url)
        try:
            connection.sendall(request.encode())
            status, text = _answer(connection)
        except BaseException:
            connection.close()
            raise

    if status not in _UPGRADED:
        connection.close()
        raise refusal(text, doing="attaching to a container")

    connection.settimeout(None)
    return connection


def _connect(url: str) -> socket.socket:
    if url.startswith("unix://"):
        from airbyte_exec.executors.docker.sockets import connect

        return connect(url.removeprefix("unix://"), CALL_LIMIT)

    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "localhost", parts.port or 2375), timeout=CALL_LIMIT)


def _answer(connection: socket.socket) -> tuple[int, str]:
    """Return the status and the text of the engine's answer."""
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _LARGEST_ANSWER:
        part = connection.recv(4096)
        if not part:
            raise ConnectionError("the engine closed the connection")

        answer += part

    words = answer.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, answer.decode(errors="replace")
