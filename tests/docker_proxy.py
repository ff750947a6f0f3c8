"""Another way to an engine: a TCP port that leads to its socket, as an engine on another machine would have one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def tcp_address(path: str, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield a tcp:// address on which whoever listens on a unix socket can be reached, by TLS if there is a context."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_sockets: list[socket.socket] = []
        threading.Thread(target=_serve, args=(server, path, open_sockets, tls), daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

            for one in open_sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)  # whoever waits for it lets go of it

                one.close()


def _serve(server: socket.socket, path: str, open_sockets: list[socket.socket], tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return

        if tls is not None:
            try:
                near = tls.wrap_socket(near, server_side=True)
            except OSError:  # who speaks no TLS, or has no certificate, goes away
                continue

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
