"""Connections to an engine's Unix socket that are closed where they are refused.

The SDK leaves a socket that could not connect to the garbage collector: an engine that has gone would cost a descriptor
a call, until the collector comes.
"""

from __future__ import annotations

import socket
from typing import Any

from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool


def connect(path: str, timeout: float) -> socket.socket:
    """Return a connection to a Unix socket.

    Parameters:
        path: where it is.
        timeout: seconds for the connection, and for each call on it.

    Raises:
        OSError: it is refused, or takes longer.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise

    return connection


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        self.sock = connect(self.unix_socket, self.timeout)


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        timeout: Any = self.timeout  # seconds: the SDK's pool puts the number over urllib3's object
        return _Connection(self.base_url, self.socket_path, timeout)


class Adapter(UnixHTTPAdapter):
    """What the SDK's client has for Unix sockets, with such connections."""

    def get_connection(self, url: Any, proxies: Any = None) -> _Pool:  # noqa: ARG002
        """Return the connections to an address, made at the first use."""
        with self.pools.lock:
            pool = self.pools.get(url)
            if pool is None:
                pool = self.pools[url] = _Pool(url, self.socket_path, self.timeout, maxsize=self.max_pool_size)

        return pool
