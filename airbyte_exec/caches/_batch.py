"""What goes into a cache in one transaction, gathered item by item.

The lines of each stream are cut at each state that covers it, so that a replay gives records and states in their
order. A state covers its stream (STREAM) or all of them (GLOBAL, LEGACY). Lines after the last state that covers
them are kept apart: if the sync is interrupted, the source will send them again, and the next sync removes them
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airbyte_exec.caches._arrow import Piece
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId

PIECE_SIZE = 1 << 19
"""Bytes of text handed to a thread of DuckDB at once, or more: less than one read from a pipe, which is not copied."""

ENTRY_SIZE = 4 << 20
"""Bytes of lines in one BLOB of the journal, about: a replay holds some of them in memory."""


@dataclass(slots=True)
class Entry:
    """One entry of the journal.

    Parameters:
        seq: its place.
        stream: the stream of its records; None for a state.
        chunks: its lines.
        count: the number of records.
        state: the state, if it is one.
    """

    seq: int
    stream: StreamId | None
    chunks: list[bytes]
    count: int = 0
    state: State | None = None


@dataclass(slots=True)
class Batch:
    """What goes into a cache in one transaction.

    Parameters:
        entries: for the journal.
        pieces: for the tables.
        states: the states among the entries.
        covered: by stream, the last entry that a state covers, for the streams that a state of this batch covers.
    """

    entries: list[Entry] = field(default_factory=list)
    pieces: dict[StreamId, list[Piece]] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    covered: dict[StreamId, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Lines:
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    count: int = 0


class BatchBuilder:
    """Gathers items.

    Parameters:
        streams: the streams that may come.
        tag: what the raw ids of all rows begin with.
        seq: the last place taken in the journal.
    """

    def __init__(self, streams: Iterable[StreamId], *, tag: str, seq: int) -> None:
        self._streams = list(streams)
        self._tag = tag
        self._seq = seq
        self._lines: dict[StreamId, _Lines] = {}
        self._batch = Batch()
        self.size = 0
        """Bytes gathered."""

    @property
    def has_states(self) -> bool:
        """Whether there is a state among what was gathered."""
        return bool(self._batch.states)

    def add(self, items: Iterable[Records | State]) -> None:
        """Gather items."""
        for item in items:
            if isinstance(item, State):
                self._add_state(item)
            else:
                self._add_records(item)

    def take(self) -> Batch:
        """Return what was gathered, and begin anew."""
        for stream in list(self._lines):
            self._close(stream)

        batch, self._batch, self.size = self._batch, Batch(), 0
        by_stream: dict[StreamId, list[Entry]] = {}
        for entry in batch.entries:
            if entry.stream is not None:
                by_stream.setdefault(entry.stream, []).append(entry)

        for stream, entries in by_stream.items():
            covered = batch.covered.get(stream, 0)
            batch.pieces[stream] = [
                *self._pieces([entry for entry in entries if entry.seq <= covered]),
                *self._pieces([entry for entry in entries if entry.seq > covered]),
            ]

        return batch

    def _add_records(self, records: Records) -> None:
        self.size += len(records.data)
        for stream, data, count in records.by_stream():
            lines = self._lines.setdefault(stream, _Lines())
            lines.chunks.append(data)
            lines.count += count
            lines.size += len(data)
            if lines.size >= ENTRY_SIZE:
                self._close(stream)

    def _add_state(self, state: State) -> None:
        covered = [stream for stream, _ in state.streams] if state.kind == "STREAM" else self._streams
        for stream in covered:
            self._close(stream)

        self._seq += 1
        state.position = self._seq
        self._batch.entries.append(Entry(self._seq, None, [state.line], state=state))
        self._batch.states.append(state)
        self._batch.covered.update(dict.fromkeys(covered, self._seq))
        self.size += len(state.line)

    def _close(self, stream: StreamId) -> None:
        lines = self._lines.pop(stream, None)
        if lines is not None:
            self._seq += 1
            self._batch.entries.append(Entry(self._seq, stream, lines.chunks, lines.count))

    def _pieces(self, entries: list[Entry]) -> Iterator[Piece]:
        if not entries:
            return

        last = entries[-1].seq
        texts = _joined((chunk for entry in entries for chunk in entry.chunks), PIECE_SIZE)
        for number, text in enumerate(texts):
            yield Piece(text, f"{self._tag}-{last}-{number}-")


def _joined(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    gathered: list[bytes] = []
    length = 0
    for chunk in chunks:
        gathered.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(gathered)
            gathered, length = [], 0

    if gathered:
        yield b"".join(gathered)
