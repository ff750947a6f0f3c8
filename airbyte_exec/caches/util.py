"""Caches at the usual places."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from airbyte_exec import constants
from airbyte_exec.caches.duckdb import DuckDBCache
from airbyte_exec.exceptions import PyAirbyteInputError


def get_default_cache() -> DuckDBCache:
    """Return the cache that is used where none is given: `default_cache/default_cache.duckdb` below
    `AIRBYTE_CACHE_ROOT`, or below `.cache` in the working directory.
    """
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
    if cache_name and not cache_name.replace("_", "").isalnum():
        raise PyAirbyteInputError(
            message="The name of a cache is made of letters, digits and underscores.", input_value=cache_name
        )

    name = cache_name or uuid4().hex
    folder = Path(cache_dir) if cache_dir is not None else constants.cache_root() / name
    return DuckDBCache(folder / f"db_{name}.duckdb", cache_dir=folder, cleanup=cleanup)
