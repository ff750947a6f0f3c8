"""The config: its spec, and its reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from airbyte_exec.connectors.destination_local.failure import wrong_config

Format: TypeAlias = Literal["duckdb", "parquet", "jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)

SPEC: Mapping[str, Any] = {
    "supportsIncremental": True,
    "supported_destination_sync_modes": ["append", "overwrite", "append_dedup"],
    "protocol_version": "0.18.0",
    "connectionSpecification": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Local destination",
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {
                "title": "Path",
                "type": "string",
                "minLength": 1,
                "order": 0,
                "description": "The DuckDB file, or the folder for the other formats. It is made where it is missing.",
                "examples": ["/data/warehouse.duckdb", "/data/lake"],
            },
            "format": {
                "title": "Format",
                "type": "string",
                "enum": list(FORMATS),
                "default": "duckdb",
                "order": 1,
                "description": "What is stored: tables of a DuckDB file, or a folder of files for each stream.",
            },
            "schema": {
                "title": "Default schema",
                "type": "string",
                "minLength": 1,
                "order": 2,
                "description": "Where streams without a namespace go: a schema in DuckDB (`main` by default), a "
                "sub-folder in the other formats (the folder itself by default).",
                "examples": ["main", "raw"],
            },
            "flush_seconds": {
                "title": "Seconds between flushes",
                "type": "number",
                "minimum": 0,
                "default": 1,
                "order": 3,
                "description": "How long a state of the source waits at most until the rows before it are on disk and "
                "it is given back. With 0 each state is a flush of its own.",
                "examples": [1, 10],
            },
        },
    },
}
"""The content of the SPEC message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The config, read.

    Parameters:
        path: the DuckDB file or the folder, absolute.
        format: what is stored there.
        schema: where streams without a namespace go, where the user chose it.
        flush_seconds: how long a state waits at most.
    """

    path: Path
    format: Format = "duckdb"
    schema: str | None = None
    flush_seconds: float = 1.0


def read_settings(config: object) -> Settings:
    """Return the config as `Settings`.

    Raises:
        DestinationFailure: it does not fit the spec.
    """
    if not isinstance(config, dict):
        raise wrong_config("The config must be a JSON object.")

    path, chosen, schema = config.get("path"), config.get("format", "duckdb"), config.get("schema")
    if not isinstance(path, str) or not path:
        raise wrong_config("The config needs a `path`: the DuckDB file, or the folder for the other formats.")

    if chosen not in FORMATS:
        raise wrong_config(f"The config's `format` is {chosen!r}.", f"It must be one of {', '.join(FORMATS)}.")

    if schema is not None and (not isinstance(schema, str) or not schema):
        raise wrong_config("The config's `schema` must be a text that is not empty.")

    seconds = config.get("flush_seconds", 1.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise wrong_config("The config's `flush_seconds` must be a number that is not negative.")

    if "\0" in path:
        raise wrong_config("The config's `path` holds a NUL character.")

    return Settings(path=Path(path).expanduser().absolute(), format=chosen, schema=schema, flush_seconds=seconds)
