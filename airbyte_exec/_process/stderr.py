"""A child's stderr: drained from the first byte, its last lines kept, all of it into a file if there is one."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airbyte_exec._process.pipes import ReadEnd

TAIL_BYTES = 1 << 16  # what is kept for an error's text, however much comes
TAIL_LINES = 200
CUT_OFF = 4096  # bytes of a beginning without a line's end that are left out, since they may be half of a secret
LINE_LENGTH = 2000  # characters; a longer line is shown by its beginning

logger = logging.getLogger(__name__)


def open_log(path: Path) -> int:
    """Open a log file to append to, 0600 if it is made here; return its file descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class Stderr:
    """Drains one pipe.

    Parameters:
        log: the file descriptor of a file that gets every byte.
        on_chunk: called with each piece as it comes, cut anywhere. Its exception fails the child.
    """

    def __init__(self, pipe: ReadEnd, *, log: int | None, on_chunk: Callable[[bytes], None] | None) -> None:
        self._pipe = pipe
        self._on_chunk = on_chunk
        self._tail = bytearray()
        self._is_cut = False
        self._log = log

    async def drain(self) -> None:
        """Read until the end."""
        while chunk := await self._pipe.read():
            self._keep(chunk)
            self._write(chunk)
            if self._on_chunk is not None:
                self._on_chunk(chunk)

    def _keep(self, chunk: bytes) -> None:
        self._tail += chunk
        if len(self._tail) > 2 * TAIL_BYTES:  # cut now and then, not with every chunk
            del self._tail[:-TAIL_BYTES]
            self._is_cut = True

    def _write(self, chunk: bytes) -> None:
        rest = chunk
        while rest and self._log is not None:
            try:
                rest = rest[os.write(self._log, rest) :]
            except OSError as error:  # a full disk under a log must not stop the data
                logger.warning("A child's stderr is not logged any more: %s", error)
                self._close_log()

    def tail(self, mask: Callable[[bytes], bytes] = bytes) -> list[str]:
        """Return the last lines, the newest last.

        Parameters:
            mask: replaces what must not be shown. It sees more than is returned: what is cut in two is not known again.
        """
        kept = bytes(self._tail)
        is_cut = self._is_cut
        if is_cut:  # the beginning may be the end of something
            kept = kept[kept.find(b"\n", 0, len(kept) - 1) + 1 or CUT_OFF :]

        text = mask(kept)
        lines = text[-TAIL_BYTES:].decode(errors="replace").splitlines()
        if lines and (is_cut or len(text) > TAIL_BYTES):
            lines[0] = "…" + lines[0]

        return [line if len(line) <= LINE_LENGTH else line[:LINE_LENGTH] + "…" for line in lines[-TAIL_LINES:]]

    def close(self) -> None:
        """Close the pipe and the log file."""
        self._pipe.close()
        self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None
