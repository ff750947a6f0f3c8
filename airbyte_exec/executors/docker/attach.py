"""The way into a container's stdin: a connection to the engine, which is ours and not the client program's.

The engine takes the end of that connection for the end of input, whoever ends it. Were it the client's, any signal to
the client would be a clean end of input for a destination. A connection of ours can be held by the guardian, too.
"""

from __future__ import annotations

import socket
from urllib.parse import quote, urlsplit

from airbyte_exec.executors.docker.engine import CALL_LIMIT, Engine
from airbyte_exec.executors.docker.errors import refusal

_LARGEST_ANSWER = 1 << 16  # bytes; the engine's answer is some hundred
_UPGRADED = (101, 200)


def can_attach(engine: Engine) -> bool:
    """Return whether bytes that are written to the engine's socket arrive as they are: no TLS, no ssh around them."""
    url = engine.address.url
    return engine.address.context is None and (
        url.startswith("unix://") or (url.startswith("tcp://") and str(engine.api.base_url).startswith("http://"))
    )


def attach_stdin(engine: Engine, container: str) -> socket.socket:
    """Return a connection that leads into the stdin of a created container.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    api = engine.api
    path = f"/v{api._version}/containers/{quote(container)}/attach?stream=1&stdin=1"
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
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(CALL_LIMIT)
            connection.connect(url.removeprefix("unix://"))
        except BaseException:
            connection.close()
            raise

        return connection

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
