"""What a cache knows of one stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from airbyte_exec.caches._layout import STAGING_PREFIX
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.types import StreamId


@dataclass(slots=True)
class StreamEntry:
    """What a cache knows of a stream.

    Parameters:
        source_name: the source that it comes from.
        stream: which one.
        table: the table that holds its rows.
        configured: the configured stream that its rows were last read with.
        columns: the names of its columns, by property.
        generation_id: the generation of the rows in the table.
        staging_generation_id: the generation that is being collected to take their place.
        covered: the last entry of the journal that a state covers: what comes after it will be read again.
        has_journal: the journal has every row of the table; not so where PyAirbyte wrote some.
    """

    source_name: str
    stream: StreamId
    table: str
    configured: ConfiguredAirbyteStream
    columns: dict[str, str] = field(default_factory=dict)
    generation_id: int = 0
    staging_generation_id: int | None = None
    covered: int = 0
    has_journal: bool = True

    @property
    def staging(self) -> str:
        """The table in which rows are collected that are to take the place of the others."""
        return STAGING_PREFIX + self.table
