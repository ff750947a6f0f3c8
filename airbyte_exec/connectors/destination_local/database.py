"""The DuckDB file itself: made, opened by one process, checked; and names as SQL can have them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_exec.caches._connection import STORAGE_VERSION
from airbyte_exec.caches._sql import literal
from airbyte_exec.connectors.destination_local.durable import try_to_make
from airbyte_exec.connectors.destination_local.failure import DestinationFailure, wrong_config
from airbyte_exec.connectors.destination_local.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "768MB"
"""What DuckDB keeps in memory at most; by default it is four fifths of the machine's."""

_WAL_BEFORE_CHECKPOINT = "256MB"
"""A checkpoint writes the rows once more. By default there would be one for each flush."""


def identifier(name: str) -> str:
    """Return the name as SQL can have it: not empty, without NUL, and of characters that have an encoding."""
    return name.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode() or "_airbyte_unnamed"


def connect(path: Path) -> DuckDBPyConnection:
    """Open the file for writing, and make it where it is missing.

    Raises:
        DestinationFailure: another process has it open, or it is no DuckDB file.
    """
    import duckdb

    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(path)

        database = duckdb.connect(path)
    except (duckdb.IOException, OSError) as error:
        if "lock" in str(error):
            raise DestinationFailure(
                message=f"Another process has {path} open.",
                guidance="DuckDB lets one process write at a time: end the other, or choose another path.",
                failure_type="transient_error",
            ) from error

        raise wrong_config(f"The DuckDB file {path} cannot be opened.") from error

    database.execute(f"SET wal_autocheckpoint = '{_WAL_BEFORE_CHECKPOINT}'")
    database.execute(f"SET memory_limit = '{MEMORY}'")
    return database


def check(settings: Settings) -> None:
    """Find out whether the file can be written to; see `storage.check`.

    Raises:
        DestinationFailure: it cannot.
    """
    if settings.path.is_dir():
        raise wrong_config(f"{settings.path} is a folder; the format duckdb needs a file.")

    if settings.path.exists():
        connect(settings.path).close()
    else:
        try_to_make(settings.path.parent)


def _make(path: Path) -> None:
    """Make an empty database that the oldest DuckDB we support can read; whole, or not at all."""
    import duckdb

    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with duckdb.connect() as database:
        database.execute(f"ATTACH {literal(str(draft))} AS made (STORAGE_VERSION {literal(STORAGE_VERSION)})")
        database.execute("DETACH made")

    try:
        os.link(draft, path)  # unlike a rename, it leaves alone what another process made meanwhile
    except FileExistsError:
        draft.unlink()
    except OSError:  # a filesystem without links
        draft.rename(path)
    else:
        draft.unlink()
