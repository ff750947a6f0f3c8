from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from syncs_into_caches import PAIR, global_state, items, plan, record, replay, state, sync, text_of

from airbyte_exec._state.store import Pair, StreamSaved
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.exceptions import PyAirbyteCacheError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

USERS = StreamId("users")


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


def ids(cache: DuckDBCache, stream: str = "users") -> list[Any]:
    return sorted(row["id"] for row in cache[stream])


def rows(cache: DuckDBCache, columns: str, table: str = "users") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in cache.run_sql_query(f'SELECT {columns} FROM "{table}" ORDER BY ALL')]


def test_rows_journal_and_state_are_all_there_when_a_state_comes_back(cache: DuckDBCache) -> None:
    lines = [record({"id": 1, "name": "a"}), record({"id": 2}), state({"at": 2})]
    confirmed = sync(cache, [plan()], [lines])

    assert [s.line for s in confirmed] == [lines[2]]
    assert rows(cache, "id, name") == [(1, "a"), (2, None)]
    assert text_of(replay(cache)) == b"".join(lines)
    saved = cache.state_store().load(PAIR)
    assert saved is not None
    assert saved.kind == "STREAM"
    assert json.loads(saved.streams[USERS].state or b"") == {"at": 2}
    assert saved.streams[USERS].complete
    assert saved.streams[USERS].journal == cache.journal_id()


def test_the_internal_columns_say_where_a_row_comes_from(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}, at=1_700_000_000_123), record({"id": 2}), state({})]])
    found = rows(cache, "_airbyte_raw_id, epoch_ms(_airbyte_extracted_at), _airbyte_meta")
    assert len({raw_id for raw_id, _, _ in found}) == 2
    assert sorted(at for _, at, _ in found) == [1_700_000_000_000, 1_700_000_000_123]
    assert {meta for _, _, meta in found} == {"{}"}


def test_append_adds_to_what_is_there(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])
    sync(cache, [plan()], [[record({"id": 1}), record({"id": 2}), state(2)]])
    assert ids(cache) == [1, 1, 2]


def test_records_that_no_state_covers_are_removed_before_the_source_sends_them_again(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1), record({"id": 2})], [record({"id": 3})]], interrupt=True)
    assert ids(cache) == [1, 2, 3]

    sync(cache, [plan()], [[record({"id": 2}), record({"id": 3}), state(3)]])
    assert ids(cache) == [1, 2, 3]
    assert text_of(replay(cache)) == b"".join(
        [record({"id": 1}), state(1), record({"id": 2}), record({"id": 3}), state(3)]
    )


def test_records_after_the_last_state_of_a_complete_sync_stay(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1), record({"id": 2})]])
    sync(cache, [plan()], [[record({"id": 3}), state(3)]])
    assert ids(cache) == [1, 2, 3]


def test_a_state_of_one_stream_says_nothing_about_the_records_of_another(cache: DuckDBCache) -> None:
    both = [plan(), plan("pets")]
    sync(cache, both, [[record({"id": 1}), record({"id": 7}, "pets"), state(7, "pets")]], interrupt=True)
    sync(cache, both, [[record({"id": 1}), state(1)]])
    assert ids(cache) == [1]
    assert ids(cache, "pets") == [7]


def test_replace_keeps_the_old_rows_until_the_stream_is_complete(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])
    replacing = plan(method=WriteMethod.REPLACE, generation=5)
    sync(cache, [replacing], [[record({"id": 10}), state(10)]], interrupt=True)
    assert ids(cache) == [1]
    assert text_of(replay(cache)) == record({"id": 1}) + state(1)

    sync(cache, [replacing], [[record({"id": 11}), state(11)]])
    assert ids(cache) == [10, 11]
    assert [item.data for item in replay(cache) if isinstance(item, Records)] == [
        record({"id": 10}),
        record({"id": 11}),
    ]


def test_a_replace_that_was_given_up_leaves_nothing_in_the_next_one(cache: DuckDBCache) -> None:
    sync(cache, [plan(method=WriteMethod.REPLACE, generation=5)], [[record({"id": 10}), state(10)]], interrupt=True)
    sync(cache, [plan(method=WriteMethod.REPLACE, generation=6)], [[record({"id": 20}), state(20)]])
    assert ids(cache) == [20]
    assert b'"id": 10' not in text_of(replay(cache))


def test_an_append_after_an_unfinished_replace_does_not_show_its_rows(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])
    sync(cache, [plan(method=WriteMethod.REPLACE, generation=5)], [[record({"id": 10}), state(10)]], interrupt=True)
    sync(cache, [plan(generation=5, minimum_generation=0)], [[record({"id": 2}), state(2)]])
    assert ids(cache) == [1, 2]


def test_only_the_streams_that_are_complete_are_replaced(cache: DuckDBCache) -> None:
    old = [plan(), plan("pets")]
    sync(cache, old, [[record({"id": 1}), record({"id": 1}, "pets")]])
    new = [plan(method=WriteMethod.REPLACE, generation=3), plan("pets", method=WriteMethod.REPLACE, generation=3)]
    sync(cache, new, [[record({"id": 2}), record({"id": 2}, "pets")]], completed=[USERS])
    assert ids(cache) == [2]
    assert ids(cache, "pets") == [1]


def test_a_replace_with_no_records_leaves_no_rows(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1})]])
    sync(cache, [plan(method=WriteMethod.REPLACE, generation=3)], [[state({})]])
    assert ids(cache) == []


def test_a_refresh_that_appends_drops_the_rows_of_the_generations_before(cache: DuckDBCache) -> None:
    sync(cache, [plan(generation=1, minimum_generation=0)], [[record({"id": 1}), state(1)]])
    sync(cache, [plan(generation=2, minimum_generation=2)], [[record({"id": 2}), state(2)]])
    sync(cache, [plan(generation=2, minimum_generation=0)], [[record({"id": 3}), state(3)]])
    assert ids(cache) == [2, 3]


MERGED = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "at": {"type": "integer"}, "name": {"type": "string"}},
}


def merging(**changes: Any) -> Any:
    return plan(schema=MERGED, method=WriteMethod.MERGE, primary_key=[["id"]], cursor=["at"], **changes)


def test_merge_keeps_the_row_with_the_greatest_cursor_and_of_equal_ones_the_last(cache: DuckDBCache) -> None:
    first = [{"id": 1, "at": 5, "name": "a"}, {"id": 2, "at": 5, "name": "b"}, {"id": 3, "at": 1, "name": "c"}]
    then = [
        {"id": 1, "at": 4, "name": "older"},
        {"id": 2, "at": 6, "name": "newer"},
        {"id": 2, "at": 6, "name": "newest"},
        {"id": 3, "name": "no cursor"},
        {"id": 4, "at": 1, "name": "first"},
        {"id": 4, "at": 0, "name": "late"},
    ]
    sync(cache, [merging()], [[*map(record, first), state(1)]])
    sync(cache, [merging()], [[*map(record, then), state(2)]])
    assert rows(cache, "id, name") == [(1, "a"), (2, "newest"), (3, "c"), (4, "first")]


def test_merge_without_a_cursor_keeps_the_last_row(cache: DuckDBCache) -> None:
    without = plan(schema=MERGED, method=WriteMethod.MERGE, primary_key=[["id"]])
    sync(cache, [without], [[record({"id": 1, "name": "a"})], [record({"id": 1, "name": "b"})]])
    assert rows(cache, "id, name") == [(1, "b")]


def test_a_row_with_null_in_its_key_is_merged_with_nothing(cache: DuckDBCache) -> None:
    sync(cache, [merging()], [[record({"id": None}), record({"name": "x"}), record({"id": 1})]])
    sync(cache, [merging()], [[record({"id": None})]])
    assert sorted(rows(cache, "id"), key=str) == [(1,), (None,), (None,), (None,)]


def test_keys_may_be_composite_and_nested_and_undeclared(cache: DuckDBCache) -> None:
    schema = {"properties": {"owner": {"type": "object"}}}
    composite = plan(schema=schema, method=WriteMethod.MERGE, primary_key=[["owner", "a/b"], ["n"]])
    data = [({"owner": {"a/b": 1}, "n": 1}), ({"owner": {"a/b": 1}, "n": 2}), ({"owner": {"a/b": 1, "x": 2}, "n": 1})]
    sync(cache, [composite], [[*map(record, data)]])
    assert sorted(json.loads(n) for _, n in rows(cache, "owner, n")) == [1, 2]


def test_an_interrupted_merge_is_merged_again(cache: DuckDBCache) -> None:
    sync(cache, [merging()], [[record({"id": 1, "at": 1}), state(1), record({"id": 2, "at": 2})]], interrupt=True)
    sync(cache, [merging()], [[record({"id": 2, "at": 2}), state(2)]])
    assert rows(cache, "id") == [(1,), (2,)]


def test_a_global_state_is_kept_and_covers_all_streams(cache: DuckDBCache) -> None:
    both = [plan(), plan("pets")]
    last = global_state(9, "users", "pets")
    sync(cache, both, [[record({"id": 1}), record({"id": 2}, "pets"), last, record({"id": 3})]], interrupt=True)
    saved = cache.state_store().load(PAIR)
    assert saved is not None
    assert saved.kind == "GLOBAL"
    assert json.loads(saved.document or b"")["shared_state"] == 9

    sync(cache, both, [[record({"id": 3}), global_state(10, "users", "pets")]])
    assert ids(cache) == [1, 3]
    kinds = [type(item) for item in replay(cache)]
    assert kinds == [Records, Records, State, Records, State]


def test_a_legacy_state_is_kept(cache: DuckDBCache) -> None:
    legacy = b'{"type":"STATE","state":{"data":{"users":{"at":1}}}}\n'
    assert [s.line for s in sync(cache, [plan()], [[record({"id": 1}), legacy]])] == [legacy]
    saved = cache.state_store().load(PAIR)
    assert saved is not None
    assert (saved.kind, saved.document) == ("LEGACY", b'{"users":{"at":1}}')


def test_two_namespaces_share_no_table(cache: DuckDBCache) -> None:
    plans = [plan(), plan(namespace="a"), plan(namespace="")]
    lines = [record({"id": 1}), record({"id": 2}, namespace="a"), record({"id": 3}, namespace="")]
    sync(cache, plans, [lines])
    assert sorted(cache.streams) == [".users", "a.users", "users"]
    assert [ids(cache, name) for name in ("users", "a.users", ".users")] == [[1], [2], [3]]


def test_two_sources_with_a_stream_of_the_same_name_share_no_table(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1})]])
    sync(cache, [plan()], [[record({"id": 2})]], pair=Pair("source-other", None, "key"))
    assert rows(cache, "id") == [(1,)]
    assert rows(cache, "id", "source_other_users") == [(2,)]
    assert text_of(replay(cache, source="source-other")).startswith(record({"id": 2}))


NASTY = [
    'a"b',
    "a;b",
    "a\nb",
    "a'b",
    "🎉",
    "🚀",
    "ß",
    "DROP TABLE x; --",
    "1st",
    "Name",
    "name",
    "NAME",
    "_airbyte_meta",
    "",
]


def test_names_of_fields_may_hold_anything(cache: DuckDBCache) -> None:
    schema = {"properties": {name: {"type": "integer"} for name in NASTY}}
    data = {name: number for number, name in enumerate(NASTY)}
    sync(cache, [plan(schema=schema)], [[record(data)]])
    columns = cache.stream_entries("source-test")[USERS].columns
    (row,) = cache["users"]
    assert {name: row[columns[name]] for name in NASTY} == data


def test_names_of_streams_may_hold_anything(cache: DuckDBCache) -> None:
    names = [name for name in NASTY if name]
    sync(cache, [plan(name) for name in names], [[record({"id": n}, name) for n, name in enumerate(names)]])
    assert {name: ids(cache, name) for name in names} == {name: [n] for n, name in enumerate(names)}


def test_a_new_property_adds_a_column_and_a_gone_one_stays(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1, "name": "a"})]])
    wider = {"properties": {"id": {"type": "integer"}, "Since": {"type": "string", "format": "date"}}}
    sync(cache, [plan(schema=wider)], [[record({"id": 2, "Since": "2024-02-29"})]])
    assert [(i, n, str(s)) for i, n, s in rows(cache, "id, name, since")] == [(1, "a", "None"), (2, None, "2024-02-29")]


def test_a_changed_type_keeps_the_column_and_says_which_values_do_not_fit(cache: DuckDBCache) -> None:
    heard: list[str] = []
    sync(cache, [plan()], [[record({"id": 1})]])
    text = {"properties": {"id": {"type": "string"}}}
    sync(cache, [plan(schema=text)], [[record({"id": "x"}), record({"id": "2"})]], warnings=heard)
    found = rows(cache, "id, _airbyte_meta")
    assert [value for value, _ in found] == [1, 2, None]
    assert json.loads(found[2][1])["changes"][0]["field"] == "id"
    assert any("keep the type" in text for text in heard)


def test_a_table_that_is_not_ours_is_left_alone(cache: DuckDBCache) -> None:
    cache.execute_sql("CREATE TABLE users (id INTEGER)")
    with pytest.raises(PyAirbyteCacheError, match="_airbyte_raw_id"):
        sync(cache, [plan()], [[record({"id": 1})]])

    assert rows(cache, "count(*)") == [(0,)]


def test_a_batch_that_cannot_be_written_fails_the_sync_and_leaves_what_was_there(cache: DuckDBCache) -> None:
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])

    def lose_the_table() -> None:
        cache.execute_sql("DROP TABLE users")

    with pytest.raises(PyAirbyteCacheError, match="could not be written"):
        sync(cache, [plan()], [[record({"id": 2}), state(2)]], before_batches=lose_the_table)

    saved = cache.state_store().load(PAIR)
    assert saved is not None
    assert saved.streams[USERS].state == b"1"
    assert text_of(replay(cache)) == record({"id": 1}) + state(1)


def test_leaving_the_sink_by_an_exception_writes_nothing_more(cache: DuckDBCache) -> None:
    class LeavingError(Exception):
        pass

    async def run() -> None:
        templates = {USERS: StreamSaved()}
        with anyio.fail_after(60):
            async with cache.open_sink(PAIR, [plan()], templates, on_warning=print) as sink:
                await sink.send(items([record({"id": 1}), state(1)]))
                await sink.flush()
                await sink.send(items([record({"id": 2}), state(2)]))
                raise LeavingError

    with pytest.raises(LeavingError):
        anyio.run(run)

    assert ids(cache) == [1]


def test_a_cancelled_sync_ends_the_statement_that_runs(cache: DuckDBCache) -> None:
    lines = [record({"id": n, "name": "x" * 200}) for n in range(20_000)]

    async def run() -> None:
        templates = {USERS: StreamSaved()}
        with anyio.CancelScope() as scope:
            async with cache.open_sink(PAIR, [plan()], templates, on_warning=print) as sink:
                await sink.send(items(lines))

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(sink.flush)
                    await anyio.lowlevel.checkpoint()
                    scope.cancel()

    anyio.run(run)
    sync(cache, [plan()], [[record({"id": 1}), state(1)]])
    assert ids(cache) == [1]


def test_a_state_does_not_wait_for_more_records(cache: DuckDBCache) -> None:
    async def run() -> list[bytes]:
        templates = {USERS: StreamSaved()}
        with anyio.fail_after(60):
            async with cache.open_sink(PAIR, [plan()], templates, on_warning=print) as sink:
                await sink.send(items([record({"id": 1}), state(1)]))
                async for states in sink.messages():
                    return [s.line for s in states]

        return []

    assert anyio.run(run) == [state(1)]


@pytest.mark.slow
def test_thousands_of_streams_are_stored(cache: DuckDBCache) -> None:
    plans = [plan(f"stream {n}") for n in range(1_000)]
    lines = [record({"id": n}, f"stream {n}") for n in range(1_000)]
    sync(cache, plans, [[*lines, state(1, "stream 7")], [state(2, "stream 999")]])
    assert len(cache) == 1_000
    assert ids(cache, "stream 999") == [999]
    assert sum(len(item) for item in replay(cache) if isinstance(item, Records)) == 1_000
