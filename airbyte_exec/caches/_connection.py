"""The one connection of a process to a DuckDB file, from which all others are made.

DuckDB locks its file against every other process, and lets one process open it twice only with the same settings. So
a cache opens its file once, with no settings, when it is first needed, and keeps it until it is closed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_exec import _crashpoints
from airbyte_exec.exceptions import PyAirbyteCacheError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = ":memory:"

STORAGE_VERSION = "v1.4.0"
"""Of new files: the version of DuckDB that PyAirbyte can read."""

_OPENING = threading.Lock()
"""Held while a file is opened: two that open a new one at once are in each other's way."""

MAKING_TABLES = threading.Lock()
"""Held by a transaction that may make tables: two that make the same one at once are a conflict, not a queue."""

_HOLDER = re.compile(r"Conflicting lock is held in (.+?)(?:\.\s|$)", re.MULTILINE)


class DuckDBFile:
    """A DuckDB file.

    Parameters:
        path: where it is; `:memory:` for none.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._first: DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    @property
    def in_memory(self) -> bool:
        """Whether there is no file."""
        return str(self.path) == MEMORY

    def connect(self) -> DuckDBPyConnection:
        """Return a new connection; the caller closes it.

        Raises:
            PyAirbyteCacheError: the file cannot be opened, or another process has it open.
        """
        with self._lock:
            if self._first is None:
                self._first = self._open()

            return self._first.cursor()

    def close(self) -> None:
        """Close the file. Connections that are still open keep it open."""
        with self._lock:
            if self._first is not None:
                _crashpoints.reached("cache.closing")
                self._first.close()
                _crashpoints.reached("cache.closed")
                self._first = None

    def _open(self) -> DuckDBPyConnection:
        import duckdb

        try:
            with _OPENING:
                if not self.in_memory:
                    self._create()

                return duckdb.connect(str(self.path))
        except (duckdb.Error, OSError) as error:
            raise self._error(str(error)) from error

    def _create(self) -> None:
        import duckdb

        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return

        text = str(path).replace("'", "''")
        _crashpoints.reached("cache.creating")
        with duckdb.connect(MEMORY) as connection:
            connection.execute(f"ATTACH '{text}' AS new_file (STORAGE_VERSION '{STORAGE_VERSION}')")
            connection.execute("DETACH new_file")

        _crashpoints.reached("cache.created")

    def _error(self, text: str) -> PyAirbyteCacheError:
        holder = _HOLDER.search(text)
        if holder is not None:
            return PyAirbyteCacheError(
                message="The cache file is open in another process.",
                context={"path": str(self.path), "held_by": holder[1]},
                guidance="Close the cache there, or end that process: DuckDB lets one process at a time open a file.",
            )

        if "different configuration" in text:
            return PyAirbyteCacheError(
                message="The cache file is open in this process with other settings.",
                context={"path": str(self.path)},
                guidance="Close the other connection, or open it with `cache.get_sql_engine()`.",
            )

        return PyAirbyteCacheError(
            message="The cache file cannot be opened.", context={"path": str(self.path), "reason": text}
        )


@contextmanager
def database_errors(doing: str) -> Iterator[None]:
    """Raise errors of the database as errors of the cache.

    Parameters:
        doing: what was being done: "The batch could not be written."
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise PyAirbyteCacheError(message=doing, context={"reason": str(error)}) from error
