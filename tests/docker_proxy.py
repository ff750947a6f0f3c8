"""Another way to an engine: a TCP port that leads to its socket, as an engine on another machine would have one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """A TCP port that leads to a unix socket, and whose connections can be cut.

    Attributes:
        address: where it is.
    """

    def __init__(self, path: str, tls: ssl.SSLContext | None = None) -> None:
        self._path = path
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._refuses = False
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def serve(self) -> None:
        """Begin to pass on; whoever connected before is waiting."""
        self._start(self._accept)

    def cut(self) -> None:
        """End all connections, and refuse new ones until `mend`."""
        with self._lock:
            self._refuses = True
            found, self._open = self._open, []

        for one in found:
            with suppress(OSError):  # not `close`: another thread waits for it
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Take new connections again."""
        self._refuses = False

    def close(self) -> None:
        """End all that is open, and wait for the threads."""
        self.cut()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)

        self._server.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return

            if self._tls is not None:
                try:
                    near = self._tls.wrap_socket(near, server_side=True)
                except OSError:  # who speaks no TLS, or has no certificate, goes away
                    continue

            far = socket.socket(socket.AF_UNIX)
            with self._lock:
                is_open = not self._refuses and not far.connect_ex(self._path)
                self._open += [near, far] if is_open else []

            if is_open:
                self._start(self._join, near, far)
            else:
                near.close()
                far.close()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            other_way = threading.Thread(target=_forward, args=(far, near), daemon=True)
            other_way.start()
            _forward(near, far)
            other_way.join()

        with self._lock, suppress(ValueError):
            self._open.remove(near)
            self._open.remove(far)


@contextmanager
def tcp_address(path: str, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yield a tcp:// address on which whoever listens on a unix socket can be reached, by TLS if there is a context."""
    proxy = Proxy(path, tls)
    proxy.serve()
    try:
        yield proxy.address
    finally:
        proxy.close()


def _forward(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on, and the end of them: the other way stays open."""
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)

    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
