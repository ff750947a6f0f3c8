"""Reads into a cache, and writes through one, with real child processes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from mini import after_line, after_record, after_state, step, stream
from syncs import SHORT, Lab

from airbyte_exec import NameMapping, Retries
from airbyte_exec import exceptions as exc
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.types import StreamId

ODD = r'{"id":1,"userId":7,"n":12345678901234567.123456789,"price":1.10,"big":12345678901234567890123,"at":"2024-01-01T12:00:00+05:30","t":"\ud83d\ude00 \u00e9"}'  # noqa: E501 - one line, as a connector writes it


@pytest.fixture
def cache(lab: Lab) -> Iterator[DuckDBCache]:
    with DuckDBCache(db_path=lab.folder / "cache.duckdb") as opened:
        yield opened


def written(lab: Lab, **how: Any) -> Any:
    return lab.write(lab.source(), lab.destination(), **how)


def test_a_read_brings_rows_and_a_write_of_them_brings_the_lines(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(streams=[stream(data=[ODD])])
    read = source.read(cache, streams="*")

    assert len(read["users"]) == 1
    result = lab.destination().write(read, check=False, limits=SHORT)

    (line,) = lab.written.lines("RECORD")
    assert ODD.encode() in line
    assert json.loads(line)["record"]["emitted_at"] == 1_700_000_000_000
    assert result.processed_records == 1


def test_the_default_cache_is_used_where_none_is_given(lab: Lab) -> None:
    result = lab.write(cache=None)

    assert result.processed_records == 100
    assert list((lab.folder / "project" / ".cache").rglob("*.duckdb"))


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_a_second_cached_write_sends_only_what_is_new(lab: Lab, cache: DuckDBCache, kind: str) -> None:
    switch = lab.folder / "more.json"
    source = lab.source(script_file=str(switch), state_type=kind)
    lab.write(source, cache=cache, write_strategy="append")
    switch.write_text(json.dumps({"streams": [stream(records=120)]}), encoding="utf-8")

    result = lab.write(source, cache=cache, write_strategy="append")

    assert [record["id"] for record in lab.written.records()["users"]] == list(range(101, 121))
    assert result.processed_records == 20
    assert lab.write(source, cache=cache, write_strategy="append").processed_records == 0
    assert lab.write(source, cache=cache, write_strategy="append").processed_records == 0


def test_names_are_mapped_on_the_way_to_the_destination_and_not_in_the_cache(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(streams=[stream(namespace="shop", records=20)])
    names = NameMapping(namespace="to_${SOURCE_NAMESPACE}", prefix="p_")

    result = lab.write(source, cache=cache, names=names)

    (entry,) = lab.written.catalog["streams"]
    assert (entry["stream"]["namespace"], entry["stream"]["name"]) == ("to_shop", "p_users")
    assert len(cache["users"]) == result.streams[StreamId("users", "shop")].records_confirmed == 20


@pytest.mark.parametrize("strategy", ["append", "merge", "replace"])
def test_a_stream_that_fails_does_not_keep_the_others_from_the_destination(
    lab: Lab, cache: DuckDBCache, strategy: str
) -> None:
    source = lab.source(streams=[stream("users", records=20, status="INCOMPLETE"), stream("items", records=30)])

    error = lab.failure(source, cache=cache, write_strategy=strategy)

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "users" in str(error)
    assert lab.written.statuses() == {"items": ["COMPLETE"]}
    assert len(lab.written.records()["items"]) == error.result.processed_records == 30
    statuses = {stream.name: found.status for stream, found in error.result.streams.items()}
    assert statuses == {"users": "failed", "items": "complete"}


def test_records_that_did_not_leave_the_cache_are_not_counted_as_sent(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(script=[step("exit", after_record(55), code=1, once=lab.folder / "once")])

    result = lab.write(source, cache=cache, write_strategy="append", retries=Retries(backoff=0))

    assert len(result.attempts) == 2
    assert result.processed_records == len(lab.written.records()["users"]) == 100
    assert result.streams[StreamId("users")].records_delivered == 100


def test_the_counts_of_a_state_of_all_streams_are_not_held_against_a_part_of_them(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(
        streams=[stream("users", records=20), stream("items", records=20)], state_type="GLOBAL", source_stats="right"
    )
    read = source.read(cache, streams="*")

    for name in ("users", "items"):
        result = lab.destination().write(read, streams=[name], check=False, limits=SHORT, on_count_mismatch="fail")
        assert result.processed_records == 20
        assert result.warnings == ()


@pytest.mark.parametrize("given", [True, "rows.duckdb"])
def test_what_is_no_cache_is_refused(lab: Lab, given: Any) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="`cache` takes a cache"):
        lab.write(cache=given)


def test_writes_of_many_threads_through_a_new_cache_are_not_in_each_others_way(lab: Lab) -> None:
    names = [f"s{number}" for number in range(6)]
    results = []

    def write(name: str) -> None:
        source = lab.source(streams=[stream(name, records=10)], path=str(lab.folder / f"sent-{name}"))
        destination = lab.destination(path=str(lab.folder / f"got-{name}"))
        results.append(lab.write(source, destination, cache=None))

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert [result.processed_records for result in results] == [10] * len(names)


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_state_of_all_streams_is_kept_by_a_read(lab: Lab, cache: DuckDBCache, kind: Any) -> None:
    source = lab.source(state_type=kind, streams=[stream("users", records=20), stream("items", records=20)])
    source.read(cache, streams="*")

    again = source.read(cache, streams="*")

    assert lab.read.state is not None
    assert again.processed_records == 0
    assert len(again["users"]) == len(again["items"]) == 20


def test_only_the_streams_that_are_named_are_written(lab: Lab, cache: DuckDBCache) -> None:
    read = lab.source(streams=[stream("users"), stream("empty", records=0)]).read(cache, streams="*")

    lab.destination().write(read, streams=["empty"], check=False)

    assert [entry["stream"]["name"] for entry in lab.written.catalog["streams"]] == ["empty"]
    assert lab.written.lines("RECORD") == []


def test_a_value_of_the_wrong_type_does_not_lose_the_sync(lab: Lab, cache: DuckDBCache) -> None:
    data = ['{"id":1,"updated_at":"never"}', '{"id":"two","updated_at":"2024-01-01T00:00:00Z"}']
    read = lab.source(streams=[stream(data=data)]).read(cache, streams="*")

    assert len(read["users"]) == 2
    assert read.processed_records == 2


def test_a_failed_source_leaves_what_was_durable_and_says_so(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(script=[step("exit", after_record(55), code=3, once=lab.folder / "once")])

    error = lab.failure(source, cache=cache)
    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.exit_code == 3

    lab.write(source, cache=cache)
    ids = [row["id"] for row in cache["users"]]
    assert sorted(ids) == list(range(1, 101))


def test_a_failed_destination_gets_the_rest_next_time(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source()
    destination = lab.destination(script=[step("exit", after_line(40), code=3, once=lab.folder / "once")])
    error = lab.failure(source, destination, cache=cache, write_strategy="append")
    confirmed = error.result.states_committed

    lab.write(source, destination, cache=cache, write_strategy="append")

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert [record["id"] for record in lab.written.records()["users"]] == list(range(confirmed * 10 + 1, 101))


def test_a_state_cache_may_have_a_table_prefix(lab: Lab) -> None:
    with DuckDBCache(db_path=lab.folder / "state.duckdb", table_prefix="p_") as cache:
        source = lab.source()

        assert lab.write(source, state_cache=cache).processed_records == 100
        assert lab.write(source, state_cache=cache).processed_records == 0


def test_the_cursor_of_a_cache_means_nothing_to_a_straight_write(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source()
    source.read(cache, streams="*")

    assert lab.write(source, state_cache=cache).processed_records == 100


def test_a_cache_beside_a_read_result_is_refused(lab: Lab, cache: DuckDBCache) -> None:
    read = lab.source().read(cache, streams="*")

    with pytest.raises(exc.PyAirbyteInputError, match="cache"):
        lab.destination().write(read, cache=cache)


def test_a_read_without_streams_is_refused(lab: Lab, cache: DuckDBCache) -> None:
    with pytest.raises(exc.PyAirbyteNoStreamsSelectedError, match="users"):
        lab.source().read(cache)


def test_a_read_of_unknown_streams_goes_on_without_them(lab: Lab, cache: DuckDBCache) -> None:
    script = [
        step("record", after_record(5), stream="ghost", data={"id": 1}),
        step("state", after_record(6), stream="ghost", stream_state={"id": 777}),
    ]
    read = lab.source(script=script).read(cache, streams="*")

    assert read.summary.unknown_stream_records == {StreamId("ghost"): 2}
    assert list(read) == ["users"]


@pytest.mark.parametrize("record", [5, 55])
@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL"])
def test_an_interrupted_refresh_of_a_cache_leaves_every_row_once_in_the_end(
    lab: Lab, cache: DuckDBCache, kind: Any, record: int
) -> None:
    switch = lab.folder / "script.json"
    source = lab.source(state_type=kind, script_file=str(switch))
    source.read(cache, streams="*")
    switch.write_text(json.dumps([step("exit", after_record(record), code=1)]), encoding="utf-8")
    with pytest.raises(exc.AirbyteConnectorReadError):
        source.read(cache, streams="*", force_full_refresh=True)

    switch.unlink()

    source.read(cache, streams="*")

    assert sorted(row["id"] for row in cache["users"]) == list(range(1, 101))


def test_a_warning_of_the_source_is_told(lab: Lab, cache: DuckDBCache) -> None:
    read = lab.source(streams=[stream(status="none")]).read(cache, streams="*")

    assert any(re.search("taken as complete", text) for text in read.summary.warnings)


@pytest.mark.parametrize("fails", [False, True])
def test_what_the_read_left_out_is_in_the_result_of_the_write(lab: Lab, cache: DuckDBCache, fails: bool) -> None:
    broken = '{"type":"RECORD","record":{"stream":"users","data":[],"emitted_at":1}}'
    stranger = '{"type":"RECORD","record":{"stream":"strange","data":{},"emitted_at":1}}'
    lines = [broken, stranger, stranger, "hello"]
    source = lab.source(script=[step("raw", after_record(15), text="".join(f"{line}\n" for line in lines))])
    destination = lab.destination(script=[step("exit", after_state(5), code=3)] if fails else [])
    how = {"cache": cache, "on_malformed": "quarantine"}

    result = lab.failure(source, destination, **how).result if fails else lab.write(source, destination, **how)

    assert result.malformed_lines == 1
    assert [file.read_text(encoding="utf-8") for file in result.quarantine_files] == [f"{broken}\n"]
    assert result.unknown_stream_records == {StreamId("strange"): 2}
    assert sum(result.noise.values()) == 1
    assert any("strange" in text for text in result.warnings)


def test_states_are_durable_in_a_cache_while_the_read_runs(lab: Lab, cache: DuckDBCache) -> None:
    gate = lab.folder / "gate"
    script = [step("wait_for", after_state(3), path=gate)]
    seen: list[int] = []

    def look(progress: Any) -> None:
        seen.append(progress.states_committed)
        if progress.states_committed == 3:
            gate.touch()

    source = lab.source(script=script, streams=[stream(sync_modes=["incremental"])])
    lab.write(source, cache=cache, on_progress=look)

    assert 3 in seen


def test_a_destination_is_told_that_a_stream_was_replaced_in_the_cache_meanwhile(lab: Lab) -> None:
    cache = DuckDBCache(lab.folder / "replaced.duckdb")
    destination = lab.destination()
    destination.write(lab.source(streams=[stream(records=20)]), cache=cache, check=False)
    before = lab.written.catalog["streams"][0]["generation_id"]

    read = lab.source(streams=[stream(records=20)]).read(cache, streams="*", force_full_refresh=True)
    destination.write(read, check=False)

    told = lab.written.catalog["streams"][0]
    assert told["generation_id"] == told["minimum_generation_id"] > before
    assert len(lab.written.records()["users"]) == 20
    destination.write(read, check=False)
    told = lab.written.catalog["streams"][0]
    assert told["minimum_generation_id"] == 0
    assert lab.written.messages("RECORD") == []
    cache.close()
