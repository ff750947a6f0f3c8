"""Caches at the usual places."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from airbyte_exec import constants
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec.caches.duckdb import DuckDBCache


def get_default_cache() -> DuckDBCache:
    """Return the cache that is used where none is given: `default_cache/default_cache.duckdb` below
    `AIRBYTE_CACHE_ROOT`, or below `.cache` in the working directory.
    """
    from airbyte_exec.caches.duckdb import DuckDBCache  # a name alone must not cost its time

    folder = constants.cache_root() / "default_cache"
    return DuckDBCache(folder / "default_cache.duckdb", cache_dir=folder)


def new_local_cache(
    cache_name: str | None = None, cache_dir: str | Path | None = None, *, cleanup: bool = True
) -> DuckDBCache:
    """Return a cache in a file of its own.

    Parameters:
        cache_name: letters, digits and underscores; made up, where it is left out.
        cache_dir: the folder; one with the cache's name below `AIRBYTE_CACHE_ROOT`, where it is left out.
        cleanup: kept for callers of PyAirbyte: nothing is left behind that could be cleaned up.

    Raises:
        PyAirbyteInputError: the name holds other characters.
    """
    from airbyte_exec.caches.duckdb import DuckDBCache  # a name alone must not cost its time

    if cache_name and not cache_name.replace("_", "").isalnum():
        raise PyAirbyteInputError(
            message="The name of a cache is made of letters, digits and underscores.", input_value=cache_name
        )

    name = cache_name or uuid4().hex
    folder = Path(cache_dir) if cache_dir is not None else constants.cache_root() / name
    return DuckDBCache(folder / f"db_{name}.duckdb", cache_dir=folder, cleanup=cleanup)


def get_colab_cache(  # noqa: PLR0917 - as PyAirbyte has them
    cache_name: str = "default_cache",
    sub_dir: str = "Airbyte/cache",
    schema_name: str = "main",
    table_prefix: str | None = "",
    drive_name: str = "MyDrive",
    mount_path: str = "/content/drive",
) -> DuckDBCache:
    """Return a cache on Google Drive, for a notebook on Google Colab: it outlives the notebook's machine.

    Colab asks the user whether the notebook may read and write the drive.

    Parameters:
        cache_name: the name of the file, without its ending.
        sub_dir: the folder on the drive.
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with.
        drive_name: `MyDrive`, or the name of a shared drive.
        mount_path: where the drive is mounted.

    Raises:
        PyAirbyteInputError: this is not Colab.
    """
    from airbyte_exec.caches.duckdb import DuckDBCache  # a name alone must not cost its time

    try:
        drive = import_module("google.colab.drive")
    except ImportError as error:
        raise PyAirbyteInputError(
            message="There is no Google Drive here: this is not Google Colab.",
            guidance="Use `new_local_cache`, or a DuckDBCache with a path.",
        ) from error

    drive.mount(mount_path)
    root = Path(mount_path) / drive_name if drive_name == "MyDrive" else Path(mount_path) / "Shareddrives" / drive_name
    folder = root / sub_dir
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{cache_name}.duckdb"
    return DuckDBCache(path, schema_name=schema_name, table_prefix=table_prefix, cache_dir=folder)
