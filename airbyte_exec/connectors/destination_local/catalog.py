"""The configured catalog, as far as a destination needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from airbyte_exec.connectors.destination_local.failure import wrong_config
from airbyte_exec.types import StreamId

Mode: TypeAlias = Literal["append", "overwrite", "append_dedup"]
_MODES: dict[str, Mode] = {"append": "append", "overwrite": "overwrite", "append_dedup": "append_dedup"}


class _Stream(msgspec.Struct):
    name: str
    json_schema: dict[str, Any] = {}
    namespace: str | None = None
    default_cursor_field: list[str] | None = None
    source_defined_cursor: bool | None = None
    source_defined_primary_key: list[list[str]] | None = None


class _Configured(msgspec.Struct):
    stream: _Stream
    destination_sync_mode: str = "append"
    cursor_field: list[str] | None = None
    primary_key: list[list[str]] | None = None
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None


class _Catalog(msgspec.Struct):
    streams: list[_Configured]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredStream:
    """What this run does with one stream.

    Parameters:
        id: its name and namespace.
        json_schema: the JSON schema of its records.
        mode: the destination sync mode.
        primary_key: the paths of the key; empty where there is none.
        cursor: the path of the cursor; empty where there is none.
        generation: the generation of this run's rows; None from a platform that knows no generations.
        minimum_generation: rows below it go once the stream is complete.
        sync_id: the id of this sync.
    """

    id: StreamId
    json_schema: dict[str, Any]
    mode: Mode
    primary_key: tuple[tuple[str, ...], ...] = ()
    cursor: tuple[str, ...] = ()
    generation: int | None = None
    minimum_generation: int | None = None
    sync_id: int | None = None

    @property
    def merges(self) -> bool:
        """Whether a primary key has one row."""
        return self.mode == "append_dedup"

    @property
    def truncates(self) -> bool:
        """Whether the rows of this generation take the place of all others once the stream is complete."""
        return bool(self.minimum_generation) or self.mode == "overwrite"


def read_catalog(path: Path) -> list[ConfiguredStream]:
    """Return the streams of a configured catalog.

    Raises:
        DestinationFailure: it is no configured catalog, or it asks for what this destination cannot do.
    """
    try:
        catalog = msgspec.json.decode(path.read_bytes(), type=_Catalog)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise wrong_config(f"The catalog cannot be read: {error}") from error

    streams = [_configured(entry) for entry in catalog.streams]
    _refuse_twins(streams)
    return streams


def _configured(entry: _Configured) -> ConfiguredStream:
    stream = entry.stream
    name = StreamId(stream.name, stream.namespace)
    mode = entry.destination_sync_mode
    if mode not in _MODES:
        raise wrong_config(
            f"Stream {str(name)!r}: the destination sync mode {mode!r} is not supported.",
            "It must be append, overwrite or append_dedup.",
        )

    key = entry.primary_key or stream.source_defined_primary_key or []
    if mode == "append_dedup" and (not key or not all(key)):
        raise wrong_config(f"Stream {str(name)!r}: append_dedup needs a primary key.")

    generation, minimum = entry.generation_id, entry.minimum_generation_id
    if minimum and minimum != generation:
        raise wrong_config(
            f"Stream {str(name)!r}: a refresh with generation_id {generation} and minimum_generation_id {minimum} is "
            "not supported.",
            "The minimum must be 0 (keep all rows) or the generation itself (replace all rows).",
        )

    cursor = stream.default_cursor_field if stream.source_defined_cursor else entry.cursor_field
    return ConfiguredStream(
        id=name,
        json_schema=stream.json_schema,
        mode=_MODES[mode],
        primary_key=tuple(tuple(path) for path in key),
        cursor=tuple(cursor or entry.cursor_field or stream.default_cursor_field or ()),
        generation=generation,
        minimum_generation=minimum,
        sync_id=entry.sync_id,
    )


def _refuse_twins(streams: Sequence[ConfiguredStream]) -> None:
    seen: set[StreamId] = set()
    for stream in streams:
        if stream.id in seen:
            raise wrong_config(f"Stream {str(stream.id)!r} stands twice in the catalog.")

        seen.add(stream.id)
