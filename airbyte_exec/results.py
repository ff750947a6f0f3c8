"""What a read and a write give back: data, nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec._engine.retry import Attempt
from airbyte_exec._state.provider import SavedStateProvider
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from airbyte_exec.caches.base import CacheBase
    from airbyte_exec.datasets import CachedDataset

__all__ = ["Attempt", "ReadResult", "StreamResult", "StreamStatus", "WriteResult"]

StreamStatus = Literal["complete", "incomplete", "failed"]


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What was done for one stream.

    Parameters:
        records_read: records that the source sent.
        records_delivered: records that the destination took.
        records_confirmed: records before a state that the destination confirmed.
        status: `complete`, `incomplete` (its end was not reached), or `failed` (the source said so).
        generation_id: the generation that was written.
        continued: it was read on from a saved state.
    """

    records_read: int
    records_delivered: int
    records_confirmed: int
    status: StreamStatus
    generation_id: int = 0
    continued: bool = False


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What a write did. An error of a write carries one, too.

    Parameters:
        source_name: the source's name.
        destination_name: the destination's name.
        processed_records: records that the destination confirmed where it counts, else records that it took.
        streams: by stream.
        states_sent: states that the source sent.
        states_committed: states that the destination confirmed and that are saved.
        bytes_read: bytes of records and states.
        started_at: seconds since the epoch.
        duration_seconds: from the start to the end.
        warnings: what the user should know.
        noise: lines that were no messages, counted by connector and rule (`protocol/README.md`).
        malformed_lines: malformed lines that were left out (`on_malformed`).
        quarantine_files: the files that hold them.
        unknown_stream_records: records and states of streams that are not in the catalog, by stream.
        attempts: the attempts that there were, the first one first (`WriteOptions.retries`). Where there were several,
            the numbers above are those of all of them, and a record that was sent again counts again.
    """

    source_name: str
    destination_name: str
    processed_records: int = 0
    streams: Mapping[StreamId, StreamResult] = field(default_factory=dict)
    states_sent: int = 0
    states_committed: int = 0
    bytes_read: int = 0
    started_at: float = 0.0
    duration_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    noise: Mapping[str, int] = field(default_factory=dict)
    malformed_lines: int = 0
    quarantine_files: tuple[Path, ...] = ()
    unknown_stream_records: Mapping[StreamId, int] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    state: SavedStateProvider = field(default_factory=lambda: SavedStateProvider(None), repr=False)

    def get_state_provider(self) -> SavedStateProvider:
        """Return the state as it was saved when the write ended."""
        return self.state

    def __str__(self) -> str:
        return (
            f"{self.processed_records} records of {len(self.streams)} streams from {self.source_name} to "
            f"{self.destination_name}, {self.states_committed} of {self.states_sent} states committed, "
            f"{self.duration_seconds:.1f} s" + (f", {len(self.attempts)} attempts" if len(self.attempts) > 1 else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "source": self.source_name,
            "destination": self.destination_name,
            "processed_records": self.processed_records,
            "streams": [
                {
                    "name": stream.name,
                    "namespace": stream.namespace,
                    "records_read": found.records_read,
                    "records_delivered": found.records_delivered,
                    "records_confirmed": found.records_confirmed,
                    "status": found.status,
                    "generation_id": found.generation_id,
                    "continued": found.continued,
                }
                for stream, found in self.streams.items()
            ],
            "states_sent": self.states_sent,
            "states_committed": self.states_committed,
            "bytes_read": self.bytes_read,
            "started_at": self.started_at,
            "duration_seconds": round(self.duration_seconds, 3),
            "warnings": list(self.warnings),
            "noise": dict(self.noise),
            "malformed_lines": self.malformed_lines,
            "quarantine_files": [str(path) for path in self.quarantine_files],
            "unknown_stream_records": {str(stream): n for stream, n in self.unknown_stream_records.items()},
            "attempts": [attempt.to_dict() for attempt in self.attempts],
        }


class ReadResult(Mapping[str, "CachedDataset"]):
    """The streams that a read brought into a cache, by name.

    Parameters:
        cache: the cache that holds them.
        source_name: the source's name.
        summary: what the read did; its `destination_name` is the cache's.
        source_key: what the source's config is known by in the cache's state.
    """

    def __init__(self, cache: CacheBase, source_name: str, summary: WriteResult, *, source_key: str = "") -> None:
        self._cache = cache
        self.source_key = source_key
        self._summary = summary
        self.source_name = source_name

    def __getitem__(self, stream: str) -> CachedDataset:
        if stream not in self._names():
            raise KeyError(stream)

        return self._cache[stream]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return list(dict.fromkeys(stream.name for stream in self._summary.streams))

    @property
    def cache(self) -> CacheBase:
        """The cache that holds the rows."""
        return self._cache

    @property
    def streams(self) -> Mapping[str, CachedDataset]:
        """The streams that were read, by name."""
        return self

    @property
    def processed_records(self) -> int:
        """How many records the read brought."""
        return self._summary.processed_records

    @property
    def summary(self) -> WriteResult:
        """What the read did: counts, states, warnings."""
        return self._summary

    def with_summary(self, summary: WriteResult) -> ReadResult:
        """Return the same with another summary."""
        return ReadResult(self._cache, self.source_name, summary, source_key=self.source_key)

    def get_sql_engine(self) -> Engine:
        """Return an SQLAlchemy engine on the cache."""
        return self._cache.get_sql_engine()

    def __repr__(self) -> str:
        return f"ReadResult({self.source_name!r}, {self.processed_records} records, streams={self._names()!r})"
