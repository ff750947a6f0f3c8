"""Sources: connectors that data is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airbyte_exec.registry import get_available_connectors, get_connector_metadata
from airbyte_exec.sources.base import Source
from airbyte_exec.sources.util import get_benchmark_source, get_source

if TYPE_CHECKING:
    from airbyte_exec.registry import ConnectorMetadata

__all__ = [
    "ConnectorMetadata",
    "Source",
    "get_available_connectors",
    "get_benchmark_source",
    "get_connector_metadata",
    "get_source",
]


def __getattr__(name: str) -> Any:
    # A model of pydantic, which nothing else here needs at import.
    if name == "ConnectorMetadata":
        from airbyte_exec.registry import ConnectorMetadata

        return ConnectorMetadata

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
