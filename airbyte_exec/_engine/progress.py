"""Live counters of a sync. The engine adds to them; anybody may read them, from any thread, at any time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId

Waiting = Literal["source", "destination", "nobody"]


@dataclass(slots=True)
class StreamProgress:
    """The counters of one stream.

    Parameters:
        read: records that came from the source.
        delivered: records that the destination has taken.
        committed: records before a state that the destination confirmed.
        status: `pending`, `running`, `complete` or `failed`.
    """

    read: int = 0
    delivered: int = 0
    committed: int = 0
    status: str = "pending"


@dataclass(slots=True)
class Progress:
    """The counters of one sync.

    Parameters:
        streams: by stream, in the order of the catalog.
        source_name: the source's name.
        destination_name: the destination's name, or the cache's.
        phase: `starting`, `reading`, `finishing`, `done` or `failed`.
        bytes_read: bytes of records and states that came from the source.
        states_sent: states that were sent to the destination.
        states_committed: states that the destination confirmed.
        waiting_for: whose turn it is: who is slow.
        estimates: the records that the source expects to send; of the whole sync under None.
        started: `time.monotonic()` at the start.
        unknown_stream_records: records of streams that are not in the catalog: counted, not forwarded.
    """

    streams: dict[StreamId, StreamProgress] = field(default_factory=dict)
    source_name: str = ""
    destination_name: str = ""
    phase: str = "starting"
    bytes_read: int = 0
    states_sent: int = 0
    states_committed: int = 0
    waiting_for: Waiting = "nobody"
    estimates: dict[StreamId | None, int] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    unknown_stream_records: int = 0

    def count_read(self, records: Records) -> None:
        """Count records that came from the source."""
        self.bytes_read += len(records.data)
        for stream, count in records.counts.items():
            self.streams[stream].read += count

    def count_delivered(self, items: Sequence[Records | State]) -> None:
        """Count the records among items that the destination has taken."""
        for item in items:
            for stream, count in item.counts.items() if isinstance(item, Records) else ():
                entry = self.streams[stream]
                entry.delivered += count
                entry.status = "running"

    @property
    def records_read(self) -> int:
        """Records that came from the source, of all streams."""
        return sum(stream.read for stream in self.streams.values())

    @property
    def records_delivered(self) -> int:
        """Records that the destination has taken, of all streams."""
        return sum(stream.delivered for stream in self.streams.values())

    @property
    def records_committed(self) -> int:
        """Records that the destination confirmed, of all streams."""
        return sum(stream.committed for stream in self.streams.values())

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started
