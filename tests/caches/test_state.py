from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from syncs_into_caches import PAIR, plan, record, state, sync

from airbyte_exec._state.store import Changes, Pair, Saved, StreamSaved
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId

USERS = StreamId("users")
THERE = Pair("source-test", "destination-test", "s1", "d1")


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


def known(cache: DuckDBCache, pair: Pair) -> Saved:
    saved = cache.state_store().load(pair)
    assert saved is not None
    return saved


def test_what_is_committed_is_loaded(cache: DuckDBCache) -> None:
    store = cache.state_store()
    saved = StreamSaved(b'{"n":1.10}', 3, 2, 7, full_refresh=True, complete=True, journal="j", position=9)
    store.commit(THERE, Changes("STREAM", {USERS: saved, StreamId("users", ""): StreamSaved(b"1")}))
    found = known(cache, THERE)
    assert found.kind == "STREAM"
    assert found.streams == {USERS: saved, StreamId("users", ""): StreamSaved(b"1")}


def test_nothing_is_known_of_another_pair(cache: DuckDBCache) -> None:
    store = cache.state_store()
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1")}))
    others = [
        Pair("source-test", "destination-test", "s1", "d2"),
        Pair("source-test", "destination-test", "s2", "d1"),
        Pair("source-test", "destination-other", "s1", "d1"),
        Pair("source-test", None, "s1"),
    ]
    assert [store.load(pair) for pair in others] == [None] * 4
    assert store.pairs() == [THERE]


@pytest.mark.parametrize("destination", ["destination-test", None])
def test_what_was_saved_of_another_config_is_not_taken_for_pyairbytes(
    cache: DuckDBCache, destination: str | None
) -> None:
    store = cache.state_store()
    first, second = (Pair("source-test", destination, key, "" if destination is None else "d") for key in ("s1", "s2"))
    for _ in range(2):
        for pair, text in ((first, b"20"), (second, b"50")):
            store.commit(pair, Changes("STREAM", {USERS: StreamSaved(text)}))

        assert known(cache, first).streams[USERS].state == b"20"
        assert known(cache, second).streams[USERS].state == b"50"


def test_the_states_of_another_config_stay_where_pyairbyte_looks(cache: DuckDBCache) -> None:
    store = cache.state_store()
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1")}))
    store.commit(replace(THERE, source_key="s2"), Changes("STREAM", {StreamId("items"): StreamSaved(b"2")}))
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"3")}))

    found = cache.run_sql_query("SELECT stream_name FROM _airbyte_destination_state ORDER BY stream_name")
    assert [row["stream_name"] for row in found] == ["items", "users"]


def test_a_stream_that_is_forgotten_is_cut_from_a_state_of_all(cache: DuckDBCache) -> None:
    store = cache.state_store()
    entries = ",".join(f'{{"stream_descriptor":{{"name":"{name}"}},"stream_state":1}}' for name in ("users", "items"))
    document = f'{{"shared_state":1,"stream_states":[{entries}]}}'.encode()
    both = {USERS: StreamSaved(), StreamId("items"): StreamSaved()}
    store.commit(THERE, Changes("GLOBAL", both, document))

    store.forget(THERE, [USERS])

    assert b"users" not in (known(cache, THERE).document or b"")
    assert b"items" in (known(cache, THERE).document or b"")


def test_a_key_that_a_connector_made_finds_the_pair_of_the_one_that_the_user_gave(cache: DuckDBCache) -> None:
    store = cache.state_store()
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1")}, aliases=frozenset({"rotated"})))
    store.commit(
        Pair("source-test", "destination-test", "rotated", "d1"), Changes("STREAM", {USERS: StreamSaved(b"2")})
    )
    assert known(cache, THERE).streams[USERS].state == b"2"
    assert store.pairs() == [THERE]


def test_a_change_leaves_what_it_does_not_name(cache: DuckDBCache) -> None:
    store = cache.state_store()
    pets = StreamId("pets")
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1"), pets: StreamSaved(b"2")}))
    store.commit(THERE, Changes(None, {pets: StreamSaved(b"3", complete=True)}))
    assert known(cache, THERE).streams == {USERS: StreamSaved(b"1"), pets: StreamSaved(b"3", complete=True)}


def test_global_state_is_a_document(cache: DuckDBCache) -> None:
    document = b'{"shared_state":{"lsn":1},"stream_states":[]}'
    cache.state_store().commit(THERE, Changes("GLOBAL", {USERS: StreamSaved()}, document))
    assert (known(cache, THERE).kind, known(cache, THERE).document) == ("GLOBAL", document)
    (row,) = cache.run_sql_query("SELECT stream_name, state_json FROM _airbyte_destination_state")
    assert row["stream_name"] == "_GLOBAL"
    assert json.loads(row["state_json"])["global"] == json.loads(document)


def test_streams_are_forgotten_one_by_one_or_all(cache: DuckDBCache) -> None:
    store = cache.state_store()
    pets = StreamId("pets")
    store.commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1"), pets: StreamSaved(b"2")}))
    store.forget(THERE, [pets])
    assert set(known(cache, THERE).streams) == {USERS}
    assert [row["stream_name"] for row in cache.run_sql_query("FROM _airbyte_destination_state")] == ["users"]
    store.forget(THERE)
    assert store.load(THERE) is None
    assert cache.run_sql_query("FROM _airbyte_destination_state") == []


def test_the_salt_is_made_once_a_cache(cache: DuckDBCache, tmp_path: Path) -> None:
    salt = cache.state_store().salt
    assert len(salt) >= 16
    assert cache.state_store().salt == salt
    with DuckDBCache(tmp_path / "other.duckdb") as other:
        assert other.state_store().salt != salt


def test_a_table_prefix_keeps_the_rows_state_apart_and_shares_the_destinations(tmp_path: Path) -> None:
    path = tmp_path / "cache.duckdb"
    with DuckDBCache(path, table_prefix="a_") as first:
        sync(first, [plan()], [[record({"id": 1}), state(1)]])
        first.state_store().commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1")}))

    with DuckDBCache(path, table_prefix="b_") as second:
        assert second.state_store().load(PAIR) is None
        assert known(second, THERE).streams[USERS].state == b"1"
        assert len(second) == 0
        sync(second, [plan()], [[record({"id": 2}), state(2)]])
        assert [row["id"] for row in second["users"]] == [2]
        assert [r["table_name"] for r in second.run_sql_query("FROM _airbyte_state ORDER BY 3")] == [
            "a_users",
            "b_users",
        ]


def test_a_state_that_cannot_be_read_is_an_error_that_says_whose(cache: DuckDBCache) -> None:
    cache.state_store().commit(THERE, Changes("STREAM", {USERS: StreamSaved(b"1")}))
    cache.execute_sql("UPDATE _airbyte_exec_state SET streams = '{'")
    with pytest.raises(PyAirbyteStateError, match="destination-test"):
        cache.state_store().load(THERE)
