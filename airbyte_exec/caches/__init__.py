"""Caches: where the rows of a source are kept, to be queried and to be written to destinations.

cache = DuckDBCache("rows.duckdb") result = source.read(cache) for record in result["users"]: ...
"""

from __future__ import annotations

from airbyte_exec.caches.base import CacheBase
from airbyte_exec.caches.duckdb import DuckDBCache
from airbyte_exec.caches.util import get_default_cache, new_local_cache

__all__ = ["CacheBase", "DuckDBCache", "get_default_cache", "new_local_cache"]
