"""Records as a caller sees them: rows of a cache, records as they come, records in memory."""

from __future__ import annotations

from airbyte_exec.datasets.base import DatasetBase, DatasetMap
from airbyte_exec.datasets.lazy import LazyDataset
from airbyte_exec.datasets.memory import InMemoryDataset
from airbyte_exec.datasets.sql import CachedDataset, SQLDataset

__all__ = ["CachedDataset", "DatasetBase", "DatasetMap", "InMemoryDataset", "LazyDataset", "SQLDataset"]
