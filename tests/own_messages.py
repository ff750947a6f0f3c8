"""Messages that a test hands to a cache by itself, and what became of them."""

from __future__ import annotations

from typing import Any

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog
from airbyte_exec.shared.catalog_providers import CatalogProvider

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "Name": {"type": "string"}}}


def entry(name: str, **more: Any) -> dict[str, Any]:
    declared = {"name": name, "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh", "incremental"]}
    return {"stream": declared, "sync_mode": "incremental", "destination_sync_mode": "append", **more}


def catalog(*entries: dict[str, Any]) -> CatalogProvider:
    return CatalogProvider(ConfiguredAirbyteCatalog.model_validate({"streams": list(entries)}))


def record(number: int, name: str = "users", **more: Any) -> AirbyteMessage:
    data = {"id": number, "Name": f"n{number}"}
    told = {"stream": name, "data": data, "emitted_at": 1_700_000_000_000, **more}
    return AirbyteMessage.model_validate({"type": "RECORD", "record": told})


def state(number: int, name: str = "users") -> AirbyteMessage:
    told = {"stream_descriptor": {"name": name}, "stream_state": {"id": number}}
    return AirbyteMessage.model_validate({"type": "STATE", "state": {"type": "STREAM", "stream": told}})


def trace(**told: Any) -> AirbyteMessage:
    (kind,) = told
    body = {"type": "ERROR" if kind == "error" else "STREAM_STATUS", "emitted_at": 1, **told}
    return AirbyteMessage.model_validate({"type": "TRACE", "trace": body})


def incomplete(name: str) -> AirbyteMessage:
    return trace(stream_status={"stream_descriptor": {"name": name}, "status": "INCOMPLETE"})


def complete(name: str) -> AirbyteMessage:
    return trace(stream_status={"stream_descriptor": {"name": name}, "status": "COMPLETE"})


def ids(cache: DuckDBCache, name: str = "users") -> list[int]:
    return sorted(row["id"] for row in cache[name])
