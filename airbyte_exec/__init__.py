"""Run Airbyte connectors as child processes and move data between them, without the Airbyte platform.

    import airbyte_exec as ab

    source = ab.get_source("source-faker", {"count": 1000}, streams="*")
    destination = ab.get_destination("destination-local", {"path": "rows.duckdb"})
    print(destination.write(source))

Names are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_exec import (
        aio,
        caches,
        callbacks,
        cli,
        constants,
        datasets,
        destinations,
        exceptions,
        logs,
        records,
        registry,
        results,
        secrets,
        sources,
    )
    from airbyte_exec._connector.limits import TimeLimits
    from airbyte_exec._connector.options import SessionOptions
    from airbyte_exec._engine.options import NameMapping, WriteOptions
    from airbyte_exec._engine.progress import Progress
    from airbyte_exec._engine.retry import Retries
    from airbyte_exec.caches import CacheBase, DuckDBCache, get_colab_cache, get_default_cache, new_local_cache
    from airbyte_exec.datasets import CachedDataset
    from airbyte_exec.destinations import Destination, get_destination
    from airbyte_exec.executors.docker.options import DockerOptions
    from airbyte_exec.records import StreamRecord
    from airbyte_exec.registry import get_available_connectors
    from airbyte_exec.results import ReadResult, WriteResult
    from airbyte_exec.secrets import SecretSourceEnum, get_secret
    from airbyte_exec.sources import Source, get_source
    from airbyte_exec.strategies import WriteMethod, WriteStrategy
    from airbyte_exec.version import __version__, get_version

_HOMES = {
    "CacheBase": "caches",
    "CachedDataset": "datasets",
    "Destination": "destinations",
    "DockerOptions": "executors.docker.options",
    "DuckDBCache": "caches",
    "NameMapping": "_engine.options",
    "Progress": "_engine.progress",
    "ReadResult": "results",
    "Retries": "_engine.retry",
    "SecretSourceEnum": "secrets",
    "SessionOptions": "_connector.options",
    "Source": "sources",
    "StreamRecord": "records",
    "TimeLimits": "_connector.limits",
    "WriteMethod": "strategies",
    "WriteOptions": "_engine.options",
    "WriteResult": "results",
    "WriteStrategy": "strategies",
    "__version__": "version",
    "get_available_connectors": "registry",
    "get_colab_cache": "caches",
    "get_default_cache": "caches",
    "get_destination": "destinations",
    "get_secret": "secrets",
    "get_source": "sources",
    "get_version": "version",
    "new_local_cache": "caches",
}
_MODULES = frozenset(
    {
        "aio",
        "caches",
        "callbacks",
        "cli",
        "constants",
        "datasets",
        "destinations",
        "exceptions",
        "logs",
        "records",
        "registry",
        "results",
        "secrets",
        "sources",
    }
)

__all__ = [
    "CacheBase",
    "CachedDataset",
    "Destination",
    "DockerOptions",
    "DuckDBCache",
    "NameMapping",
    "Progress",
    "ReadResult",
    "Retries",
    "SecretSourceEnum",
    "SessionOptions",
    "Source",
    "StreamRecord",
    "TimeLimits",
    "WriteMethod",
    "WriteOptions",
    "WriteResult",
    "WriteStrategy",
    "__version__",
    "aio",
    "caches",
    "callbacks",
    "cli",
    "constants",
    "datasets",
    "destinations",
    "exceptions",
    "get_available_connectors",
    "get_colab_cache",
    "get_default_cache",
    "get_destination",
    "get_secret",
    "get_source",
    "get_version",
    "logs",
    "new_local_cache",
    "records",
    "registry",
    "results",
    "secrets",
    "sources",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
