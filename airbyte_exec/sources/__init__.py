"""Sources: connectors that data is read from."""

from __future__ import annotations

from airbyte_exec.registry import ConnectorMetadata, get_available_connectors, get_connector_metadata
from airbyte_exec.sources.base import Source
from airbyte_exec.sources.util import get_source

__all__ = ["ConnectorMetadata", "Source", "get_available_connectors", "get_connector_metadata", "get_source"]
