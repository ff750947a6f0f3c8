"""What a connector writes on stderr, in a file: masked, and made with the first byte, so silence leaves nothing.

A file that is full is put aside as `<name>.before.log`, and begun anew: a connector that never ends to write must not
fill a disk, and its last words say most.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import anyio

from airbyte_exec.logs import visible
from airbyte_exec.secrets.masking import Masker

LONGEST_PIECE = 1 << 16
"""Bytes that are kept back for a line to end. Of a longer line the end is kept back that may begin a secret."""

FULL = 128 << 20
"""Bytes of one file; of a log that goes on, the last one to two of them are kept."""

logger = logging.getLogger(__name__)


class StderrLog:
    """A log file, readable by the user alone.

    Parameters:
        path: the file; its folder exists.
        masker: replaces secrets; it may be exchanged while the connector runs.
    """

    def __init__(self, path: Path, masker: Masker) -> None:
        self.path = path
        self.masker = masker
        self._rest = b""
        self._file: int | None = None
        self._is_broken = False
        self._size = 0
        self.overflowed = anyio.Event()
        """Set where the file was full once."""

    def take(self, chunk: bytes) -> None:
        """Take a piece as it came, cut anywhere; whole lines go to the file."""
        text = self._rest + chunk
        whole, newline, rest = text.rpartition(b"\n")
        if len(rest) > LONGEST_PIECE or self.masker.spans_lines:
            # Masked before it is cut: what is whole in it is found, and what may go on is kept back.
            text = self.masker.mask_bytes(text)
            cut = len(text) - self.masker.held(text)
            whole, newline, rest = text[:cut], b"", text[cut:]

        self._rest = rest
        self._write(whole + newline)

    def close(self) -> None:
        """Write what is left, and close the file."""
        rest, self._rest = self._rest, b""
        if rest:
            self._write(rest)

        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, text: bytes) -> None:
        if self._is_broken:
            return

        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o600)

            masked = memoryview(self._masked(text))
            self._size += len(masked)
            while masked:
                masked = masked[os.write(self._file, masked) :]

            if self._size >= FULL:
                self._begin_anew()
        except OSError as error:  # a full disk under a log must not stop the data
            self._is_broken = True
            logger.warning("The stderr of a connector is not logged any more: %s: %s", self.path, error)

    def _begin_anew(self) -> None:
        if self._file is not None:
            os.close(self._file)

        self._file, self._size = None, 0
        before = self.path.with_suffix(".before.log")
        if before.exists():
            logger.warning("The stderr of a connector is longer than its log: %s has the end alone.", self.path)

        self.path.replace(before)
        self.overflowed.set()

    def _masked(self, text: bytes) -> bytes:
        masked = self.masker.mask_bytes(text)
        if b"\x1b" not in masked:
            return masked

        # Escape codes may stand in the middle of a secret, and whoever looks at the file has a terminal.
        plain = visible(masked.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return self.masker.mask_bytes(plain)
