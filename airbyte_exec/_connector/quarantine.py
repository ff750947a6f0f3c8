"""Keeps the exact bytes of malformed lines in a file that only the user can read."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Quarantine:
    """A file that is made with its first line.

    Parameters:
        folder: where the file is made; the folder is made too, for the user alone.
        connector: the connector's name, for the file's name.
        command: what the connector was doing, for the file's name.
    """

    def __init__(self, folder: Path, connector: str, command: str) -> None:
        self._folder = folder
        self._stem = f"{connector.replace('/', '_')}-{command}"
        self._path: Path | None = None

    def add(self, line: bytes) -> Path:
        """Add a line and make it durable; return the file.

        Raises:
            OSError: the file cannot be written.
        """
        if self._path is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
            self._path = self._folder / f"{self._stem}-{stamp}-{os.getpid()}-{time.monotonic_ns()}.jsonl"

        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

        return self._path
