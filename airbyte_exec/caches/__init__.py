"""Caches: where the rows of a source are kept, to be queried and to be written to destinations.

    with DuckDBCache("rows.duckdb") as cache:
        result = source.read(cache)
        for record in result["users"]:
            ...

Names are loaded when they are first used: destination-local shares the writer of the caches and needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.caches.duckdb import DuckDBCache
    from airbyte_exec.caches.util import get_colab_cache, get_default_cache, new_local_cache

__all__ = ["CacheBase", "DuckDBCache", "get_colab_cache", "get_default_cache", "new_local_cache"]

_HOMES = {
    "CacheBase": "base",
    "DuckDBCache": "duckdb",
    "get_colab_cache": "util",
    "get_default_cache": "util",
    "new_local_cache": "util",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
