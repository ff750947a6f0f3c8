"""The lines of a cache as the source sent them: one compressed BLOB a batch and stream, and the states between them.

An entry of records tells how many there are, so that a replay decodes nothing. Entries of a generation that is still
being collected are left out of a replay, as its rows are left out of the table. Whatever follows the last state of a
stream is followed by that state once more (or, where the source sent none, by one without content), so that a
destination can confirm it.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from airbyte_exec.caches._compressed import Compressed
from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._layout import EXEC_JOURNAL
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._sql import listed
from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.types import StreamId

RECORDS = "RECORDS"
STATE = "STATE"
_READ_AHEAD_ENTRIES = 4
_LARGE_BLOB = 8192  # bytes
_ROWS_AT_ONCE = 16


def append(registry: Registry, source_name: str, compressed: Compressed, generations: Mapping[StreamId, int]) -> None:
    """Write entries within the transaction that the connection is in.

    Parameters:
        registry: the cache.
        source_name: where they come from.
        compressed: the entries.
        generations: the generation of each stream.
    """
    entries = compressed.entries
    if not entries:
        return

    rows = [
        (
            entry.seq,
            registry.table_prefix,
            source_name,
            stream.name if stream else None,
            stream.namespace if stream else None,
            generations.get(stream) if stream else None,
            RECORDS if entry.state is None else STATE,
            entry.count,
            blob,
        )
        for entry, blob in zip(entries, compressed.blobs, strict=True)
        for stream in [entry.stream or _only_stream(entry.state)]
    ]
    if sum(map(len, compressed.blobs)) > _LARGE_BLOB * len(rows):
        _insert_large(registry, rows)
    else:
        kinds = ("BIGINT", *["VARCHAR"] * 4, "BIGINT", "VARCHAR", "BIGINT", "BLOB")
        columns = listed(f"unnest(${n}::{kind}[])" for n, kind in enumerate(kinds, 1))
        registry.connection.execute(
            f"INSERT INTO {registry.named(EXEC_JOURNAL)} SELECT {columns}",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _insert_large(registry: Registry, rows: Sequence[Sequence[object]]) -> None:
    """Insert few rows that are large: a list of such values is copied several times while DuckDB plans; rows are not,
    and take it long where they are many.
    """
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[at : at + _ROWS_AT_ONCE]
        places = listed(["(" + listed("?" * len(some[0])) + ")"] * len(some))
        registry.connection.execute(
            f"INSERT INTO {registry.named(EXEC_JOURNAL)} VALUES {places}", [value for row in some for value in row]
        )


def last_of_streams(registry: Registry, source_name: str) -> dict[StreamId, int]:
    """Return the last place that holds something of each stream of a source."""
    rows = registry.connection.execute(
        f"SELECT stream_name, namespace, max(seq) FROM {registry.named(EXEC_JOURNAL)} "
        "WHERE table_prefix = ? AND source_name = ? AND stream_name IS NOT NULL GROUP BY ALL",
        [registry.table_prefix, source_name],
    ).fetchall()
    return {StreamId(name, namespace): seq for name, namespace, seq in rows}


def remove_after(registry: Registry, entry: StreamEntry) -> None:
    """Remove what no state covers: the source will send it again."""
    registry.connection.execute(
        f"DELETE FROM {registry.named(EXEC_JOURNAL)} WHERE {_OF_STREAM} AND seq > ?",
        [*_of(registry, entry), entry.covered],
    )


def complete_generations(registry: Registry, entries: Sequence[StreamEntry], seq: int) -> int:
    """Let what was collected for replaced streams take the place of what they held before; return the last place.

    The new entries get places after all others, for they are part of what is replayed from now on: no position that a
    destination confirmed before may say that it has them.

    Parameters:
        registry: the cache.
        entries: the streams, each with its staging generation.
        seq: the last place that is taken.
    """
    keys = [
        [registry.table_prefix] * len(entries),
        [entry.source_name for entry in entries],
        [entry.stream.name for entry in entries],
        [entry.stream.namespace for entry in entries],
        [entry.staging_generation_id for entry in entries],
    ]
    journal = registry.named(EXEC_JOURNAL)
    registry.connection.execute(
        f"DELETE FROM {journal} AS held USING {_KEYS} WHERE {_IS_KEY} AND held.generation_id IS DISTINCT FROM key.id",
        keys,
    )
    # Only these generations are left of these streams.
    first, last = registry.connection.execute(
        f"SELECT min(seq), max(seq) FROM {journal} AS held, {_KEYS} WHERE {_IS_KEY}", keys
    ).fetchall()[0]
    if first is None:
        return seq

    distance = seq + 1 - int(first)
    registry.connection.execute(
        f"UPDATE {journal} AS held SET seq = seq + $6 FROM {_KEYS} WHERE {_IS_KEY}", [*keys, distance]
    )
    return int(last) + distance


def remove_generation(registry: Registry, entry: StreamEntry, generation_id: int) -> None:
    """Remove what was collected for a replace that is given up."""
    registry.connection.execute(
        f"DELETE FROM {registry.named(EXEC_JOURNAL)} WHERE {_OF_STREAM} AND generation_id = ?",
        [*_of(registry, entry), generation_id],
    )


_KEYS = (
    "(SELECT unnest($1::VARCHAR[]) AS table_prefix, unnest($2::VARCHAR[]) AS source_name, "
    "unnest($3::VARCHAR[]) AS stream_name, unnest($4::VARCHAR[]) AS namespace, unnest($5::BIGINT[]) AS id) AS key"
)
_IS_KEY = (
    "held.table_prefix = key.table_prefix AND held.source_name = key.source_name "
    "AND held.stream_name = key.stream_name AND held.namespace IS NOT DISTINCT FROM key.namespace"
)
_OF_STREAM = "table_prefix = ? AND source_name = ? AND stream_name = ? AND namespace IS NOT DISTINCT FROM ?"


def _of(registry: Registry, entry: StreamEntry) -> list[str | None]:
    return [registry.table_prefix, entry.source_name, entry.stream.name, entry.stream.namespace]


def replay(
    registry: Registry, entries: Sequence[StreamEntry], after: Mapping[StreamId, int], *, is_part: bool = False
) -> Iterator[Records | State]:
    """Yield what the journal holds of these streams of one source, in order.

    Parameters:
        registry: the cache.
        entries: the streams.
        after: by stream, the place up to which it is not wanted any more.
        is_part: the source has other streams, too: what a state of all counts is not what comes before it.
    """
    from zstandard import ZstdDecompressor

    decompressor = ZstdDecompressor()
    wanted = {entry.stream: entry for entry in entries}
    open_ends = _OpenEnds(wanted)
    left_out = False  # records that the next state of all streams counts
    says_too_much = False  # a state of all streams that speaks of records which are left out
    for seq, stream, generation_id, kind, count, blob in _stored(registry, entries, after):
        if stream is not None:
            entry = wanted.get(stream)
            if entry is None or seq <= after.get(stream, 0):
                left_out |= kind != STATE
                continue

            if _is_collected(entry, generation_id):
                says_too_much = True
                continue

        elif says_too_much:
            continue

        data = decompressor.decompress(blob)
        if kind == STATE:
            state = parse_state(data)
            state.position = seq
            if stream is None and (is_part or left_out):
                state, left_out = _again(state, seq), False

            open_ends.saw_state(state)
            yield state
        elif stream is not None:
            open_ends.saw_records(stream, seq)
            yield Records(data, {stream: count})

    yield from open_ends.states()


class _OpenEnds:
    """Knows which streams end in records that no state follows, and makes a state for each."""

    def __init__(self, streams: Collection[StreamId]) -> None:
        self._streams = streams
        self._open: dict[StreamId, int] = {}
        self._last: dict[StreamId | None, State] = {}

    def saw_records(self, stream: StreamId, seq: int) -> None:
        self._open[stream] = seq

    def saw_state(self, state: State) -> None:
        if state.kind == "STREAM":
            (stream, _), *_ = state.streams
            self._last[stream] = state
            self._open.pop(stream, None)
        else:
            self._last[None] = state
            self._open.clear()

    def states(self) -> Iterator[State]:
        whole = self._last.get(None)
        if whole is not None and self._open:
            yield _again(whole, max(self._open.values()))
            return

        for stream, seq in self._open.items():
            yield _again(self._last.get(stream), seq, stream)


def _again(state: State | None, seq: int, stream: StreamId | None = None) -> State:
    """Return a state with the same content, without the counts that it came with."""
    if stream is not None:
        line = stream_state(stream, state.body if state is not None else None)
    elif state is not None and state.kind == "GLOBAL":
        line = b'{"type":"STATE","state":{"type":"GLOBAL","global":' + (state.body or b"{}") + b"}}\n"
    else:
        body = state.body if state is not None and state.body is not None else b"{}"
        line = b'{"type":"STATE","state":{"type":"LEGACY","data":' + body + b"}}\n"

    again = parse_state(line)
    again.position = seq
    return again


def stream_state(stream: StreamId, body: bytes | None) -> bytes:
    """Return a STATE line of a stream; without a body it says that there is none."""
    names = {"name": stream.name} if stream.namespace is None else stream._asdict()
    descriptor = json.dumps(names).encode()
    content = b'{"stream_descriptor":' + descriptor + b',"stream_state":' + (body or b"null") + b"}"
    return b'{"type":"STATE","state":{"type":"STREAM","stream":' + content + b"}}\n"


def _stored(
    registry: Registry, entries: Sequence[StreamEntry], after: Mapping[StreamId, int]
) -> Iterator[tuple[int, StreamId | None, int | None, str, int, bytes]]:
    if not entries:
        return

    start = min(after.get(entry.stream, 0) for entry in entries)
    names = list({entry.stream.name for entry in entries})
    found = registry.connection.execute(
        "SELECT seq, stream_name, namespace, generation_id, kind, records, data "
        f"FROM {registry.named(EXEC_JOURNAL)} WHERE table_prefix = ? AND source_name = ? AND seq > ? "
        "AND (stream_name IS NULL OR list_contains(?, stream_name)) ORDER BY seq",
        [registry.table_prefix, entries[0].source_name, start, names],
    )
    while rows := found.fetchmany(_READ_AHEAD_ENTRIES):
        for seq, name, namespace, generation_id, kind, count, blob in rows:
            yield seq, None if name is None else StreamId(name, namespace), generation_id, kind, count, blob


def _is_collected(entry: StreamEntry, generation_id: int | None) -> bool:
    return entry.staging_generation_id is not None and generation_id == entry.staging_generation_id


def _only_stream(state: State | None) -> StreamId | None:
    return state.streams[0][0] if state is not None and state.kind == "STREAM" else None
