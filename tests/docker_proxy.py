"""Another way to an engine: a TCP port that leads to its socket, as an engine on another machine would have one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def tcp_address(path: str) -> Iterator[str]:
    """Yield a tcp:// address on which whoever listens on a unix socket can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_sockets: list[socket.socket] = []
        threading.Thread(target=_serve, args=(server, path, open_sockets), daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

            for one in open_sockets:
                one.close()


def _serve(server: socket.socket, path: str, open_sockets: list[socket.socket]) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return

        far = socket.socket(socket.AF_UNIX)
        far.connect(path)
        open_sockets += [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_forward, args=(one, other), daemon=True).start()


def _forward(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on, and the end of them: the other way stays open."""
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)

        other.shutdown(socket.SHUT_WR)
