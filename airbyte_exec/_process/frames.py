"""What a container prints, read from a connection to its engine: frames of eight bytes and a payload.

A header is the number of the stream, three zeros, and the length, big-endian. The end of the stream is the end of the
connection, between two frames; anywhere else the connection broke, and so it did where no header stands.
"""

from __future__ import annotations

import os

from airbyte_exec._process.pipes import ReadEnd

HEADER = 8  # bytes
HELD = 8 << 20  # bytes that an engine may still hold when a container has ended: Docker has buffers of about 1.3 MB
_BUFFER = 1 << 18  # bytes; a unix socket holds some 200 kB
_STREAMS = (b"\0\0\0\0", b"\1\0\0\0", b"\2\0\0\0")  # 3 is a word of the engine's own, and no output


class FrameEnd(ReadEnd):
    """The end that we read of a connection that carries one stream in frames.

    Attributes:
        is_torn: whether the connection ended where no stream ends.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.size = HELD
        self._buffer = memoryview(bytearray(_BUFFER))
        self._header = b""
        self._left = 0  # bytes of the payload that are still to come

    def read_now(self) -> bytes | None:
        """Return the payloads that are there, b"" at the end of the stream, None where there is nothing yet."""
        while not self.is_torn:
            try:
                count = os.readv(self.fd, [self._buffer])
            except BlockingIOError:
                return None
            except ConnectionError:
                count, self._left = 0, self._left or 1

            if not count:
                self.is_torn = bool(self._left or self._header)
                return b""

            if payloads := self._payloads(count):
                return b"".join(payloads)

        return b""

    def _payloads(self, count: int) -> list[memoryview]:
        """Return the payloads in the first bytes of the buffer; what comes before a wrong header is still output."""
        found: list[memoryview] = []
        at = 0
        while at < count:
            if self._left:
                part = self._buffer[at : min(at + self._left, count)]
                found.append(part)
                self._left -= len(part)
                at += len(part)
                continue

            known = len(self._header)
            self._header += self._buffer[at : min(at + HEADER - known, count)]
            at += len(self._header) - known
            if len(self._header) == HEADER:
                if self._header[:4] not in _STREAMS:
                    self.is_torn = True
                    break

                self._left, self._header = int.from_bytes(self._header[4:]), b""

        return found
