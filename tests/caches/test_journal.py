from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syncs_into_caches import global_state, items, plan, record, replay, state, sync, text_of

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.caches._batch import BatchBuilder
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

USERS, PETS = StreamId("users"), StreamId("pets")


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


def test_a_replay_gives_the_bytes_that_the_source_sent(cache: DuckDBCache) -> None:
    lines = [
        record('{ "userId":1e2,  "n":12345678901234567.123456789 ,"x":1.10,"é":"\\u00e9","🎉":NaN}'),
        record('{"s":"\\ud800","deep":' + "[" * 900 + "]" * 900 + "}", at=1_700_000_000_001),
        record('{"id":1,"id":2}').rstrip(b"\n") + b"  \r\n",
        b'{"record":{"data":{},"namespace":null,"emitted_at":5,"stream":"users","more":[1]},"type":"RECORD"}\n',
        state({"cursor": 1.10}),
    ]
    sync(cache, [plan()], [lines])
    assert text_of(replay(cache)) == b"".join(lines)


def test_positions_say_what_a_destination_has(cache: DuckDBCache) -> None:
    batches = [[record({"id": n}), state(n)] for n in range(4)]
    sync(cache, [plan()], batches)
    states = [item for item in replay(cache) if isinstance(item, State)]
    assert [s.position for s in states] == sorted(s.position or 0 for s in states)
    rest = replay(cache, after={USERS: states[1].position or 0})
    assert text_of(rest) == b"".join([*batches[2], *batches[3]])


def test_nothing_is_replayed_twice_to_a_destination_that_has_all(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])
    last = replay(cache)[-1]
    assert isinstance(last, State)
    assert replay(cache, after={USERS: last.position or 0}) == []


def test_each_stream_is_replayed_from_its_own_position(cache: DuckDBCache) -> None:
    both = [plan(), plan("pets")]
    sync(cache, both, [[record({"id": 1}), state(1), record({"id": 2}, "pets"), state(2, "pets")]])
    positions = {item.streams[0][0]: item.position or 0 for item in replay(cache) if isinstance(item, State)}
    assert text_of(replay(cache, after={USERS: positions[USERS]})) == record({"id": 2}, "pets") + state(2, "pets")
    assert text_of(replay(cache, streams=[USERS])) == record({"id": 1}) + state(1)


def test_records_after_the_last_state_are_followed_by_that_state_without_its_counts(cache: DuckDBCache) -> None:
    counted = state(1).replace(b'"stream_state": 1}}', b'"stream_state": 1}, "sourceStats": {"recordCount": 1.0}}')
    sync(cache, [plan()], [[record({"id": 1}), counted, record({"id": 2})]])
    *_, last = replay(cache)
    assert isinstance(last, State)
    assert (last.body, last.source_count) == (b"1", None)
    assert replay(cache, after={USERS: last.position or 0}) == []


def test_records_of_a_source_without_states_are_followed_by_one_without_content(cache: DuckDBCache) -> None:
    sync(cache, [plan(), plan("pets")], [[record({"id": 1}), record({"id": 1}, "pets")]])
    states = [item for item in replay(cache) if isinstance(item, State)]
    assert [(item.streams, item.body) for item in states] == [(((USERS, None),), None), (((PETS, None),), None)]


def test_a_global_state_is_said_again_after_records_that_follow_it(cache: DuckDBCache) -> None:
    whole = global_state(1, "users", "pets")
    sync(cache, [plan(), plan("pets")], [[record({"id": 1}), whole, record({"id": 2}, "pets")]])
    *_, last = replay(cache)
    assert isinstance(last, State)
    assert (last.kind, last.body) == ("GLOBAL", items([whole])[0].body)  # type: ignore[union-attr]


def test_a_large_stream_is_replayed_in_parts(cache: DuckDBCache) -> None:
    lines = [record({"id": n, "name": "x" * 1000}) for n in range(9_000)]
    sync(cache, [plan()], [lines[:3_000], lines[3_000:6_000], lines[6_000:], [state(1)]])
    replayed = replay(cache)
    assert text_of(replayed) == b"".join(lines) + state(1)
    assert len(replayed) > 2


def test_a_replay_may_be_left_before_its_end(cache: DuckDBCache) -> None:
    lines = [record({"id": n, "name": "x" * 1000}) for n in range(3_000)]
    sync(cache, [plan()], [lines] * 6)

    async def first() -> int:
        with anyio.fail_after(60):
            async with aclosing(cache.open_journal("source-test").batches()) as batches:
                async for batch in batches:
                    return len(batch)

        return 0

    assert anyio.run(first)
    cache.execute_sql("DROP TABLE users")


def test_a_position_from_before_a_replace_was_complete_hides_none_of_its_records(cache: DuckDBCache) -> None:
    both = [plan(), plan("pets", method=WriteMethod.REPLACE, generation=2)]
    begun = [record({"id": 1}), record({"id": 1}, "pets"), global_state(1, "users", "pets")]
    sync(cache, both, [begun], interrupt=True)
    unfinished = replay(cache)
    assert [len(item) for item in unfinished if isinstance(item, Records)] == [1]
    assert not any(item.kind == "GLOBAL" for item in unfinished if isinstance(item, State))

    reached = max(item.position or 0 for item in unfinished if isinstance(item, State))
    sync(cache, both, [[record({"id": 2}, "pets"), global_state(2, "users", "pets")]])
    rest = replay(cache, after={USERS: reached, PETS: reached})
    assert b"".join(item.data for item in rest if isinstance(item, Records)) == b"".join(
        [record({"id": 1}, "pets"), record({"id": 2}, "pets")]
    )


_LINES = st.one_of(
    st.builds(lambda n, s: record({"id": n}, s), st.integers(0, 9), st.sampled_from(["users", "pets"])),
    st.builds(state, st.integers(0, 9), st.sampled_from(["users", "pets"])),
    st.builds(lambda n: global_state(n, "users", "pets"), st.integers(0, 9)),
)


@settings(max_examples=200)
@given(st.lists(st.lists(_LINES, max_size=12), max_size=4))
def test_a_batch_keeps_the_order_of_each_stream_and_of_the_states_that_cover_it(batches: list[list[bytes]]) -> None:
    builder = BatchBuilder([USERS, PETS], tag="t", seq=0)
    entries, rows, prefixes = [], {USERS: b"", PETS: b""}, []
    for lines in batches:
        builder.add(items(lines) if lines else [])
        batch = builder.take()
        entries += batch.entries
        for stream, pieces in batch.pieces.items():
            rows[stream] += b"".join(piece.text for piece in pieces)
            prefixes += [(stream, piece.prefix) for piece in pieces]

    sent = [item for lines in batches if lines for item in items(lines)]
    for stream in (USERS, PETS):
        expected = b"".join(
            item.line if isinstance(item, State) else b"".join(d for s, d, _ in item.by_stream() if s == stream)
            for item in sent
            if isinstance(item, Records) or item.kind == "GLOBAL" or item.streams[0][0] == stream
        )
        kept = b"".join(
            b"".join(e.chunks)
            for e in entries
            if e.stream == stream
            or (e.state is not None and (e.state.kind == "GLOBAL" or e.state.streams[0][0] == stream))
        )
        assert kept == expected
        assert rows[stream] == b"".join(b"".join(e.chunks) for e in entries if e.stream == stream)

    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
    assert len(set(prefixes)) == len(prefixes)
