from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import jsonschema
import pytest
from local_destination import COMMAND, FORMATS, Local, record, records, state, status, stream

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=FORMATS)
def local(tmp_path: Path, request: pytest.FixtureRequest) -> Local:
    return Local(tmp_path, request.param)


@pytest.fixture
def jsonl(tmp_path: Path) -> Local:
    """For what is the same in every format."""
    return Local(tmp_path, "jsonl")


def run(*arguments: str) -> list[dict[str, object]]:
    done = subprocess.run([*COMMAND, *arguments], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(tmp_path: Path, **config: object) -> dict[str, str]:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    (message,) = run("check", "--config", str(path))
    return message["connectionStatus"]  # type: ignore[return-value]


def test_spec_is_one_message_that_offers_all_sync_modes() -> None:
    (message,) = run("spec")

    spec = message["spec"]
    assert sorted(spec["supported_destination_sync_modes"]) == ["append", "append_dedup", "overwrite"]
    jsonschema.Draft7Validator.check_schema(spec["connectionSpecification"])
    for example in spec["connectionSpecification"]["properties"]["path"]["examples"]:
        jsonschema.validate({"path": example}, spec["connectionSpecification"])


def test_check_succeeds_and_leaves_nothing_behind(local: Local) -> None:
    assert check(local.folder, path=str(local.path), format=local.format) == {"status": "SUCCEEDED"}
    assert [path.name for path in local.folder.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "path"),
        ({"path": 3}, "path"),
        ({"path": "x", "format": "xlsx"}, "duckdb, parquet, jsonl, csv"),
        ({"path": "/proc/no/such", "format": "jsonl"}, "/proc"),
        ({"path": "/proc/no/such.duckdb"}, "/proc"),
    ],
)
def test_check_of_a_wrong_config_fails_and_says_why(tmp_path: Path, config: dict[str, object], said: str) -> None:
    answer = check(tmp_path, **config)

    assert answer["status"] == "FAILED"
    assert said in answer["message"]


def test_check_refuses_a_file_that_is_no_duckdb_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be looked at\n" * 200, encoding="utf-8")

    assert check(tmp_path, path=str(tmp_path / "notes.txt"))["status"] == "FAILED"


def test_check_refuses_a_folder_where_a_file_is_wanted_and_the_other_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert check(tmp_path, path=str(tmp_path))["status"] == "FAILED"
    assert check(tmp_path, path=str(tmp_path / "file"), format="csv")["status"] == "FAILED"


def test_wrong_usage_ends_with_2() -> None:
    assert subprocess.run([*COMMAND, "write"], check=False, stderr=subprocess.DEVNULL).returncode == 2


def test_append_adds_to_what_is_there(local: Local) -> None:
    first = local.write([stream()], records(range(3)), state(1))
    second = local.write([stream()], records(range(3, 5)), state(2))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (first.states, second.states) == ([1], [2])
    assert local.ids() == [0, 1, 2, 3, 4]


def test_overwrite_leaves_the_second_rows_alone_and_other_streams_untouched(local: Local) -> None:
    local.write([stream(mode="overwrite"), stream("pets")], records(range(3)), records([7], "pets"))
    local.write([stream(mode="overwrite")], records([5, 6]))

    assert local.ids() == [5, 6]
    assert local.ids("pets") == [7]


def test_append_dedup_keeps_the_highest_cursor_of_each_key(local: Local) -> None:
    catalog = [stream(mode="append_dedup")]
    old, new = {"id": 1, "name": "old", "at": 9}, {"id": 1, "name": "new", "at": 10}
    local.write(catalog, record(new), record(old), record({"id": 2, "name": "two", "at": 1}))
    local.write(catalog, record({"id": 2, "name": "again", "at": 1}), record(old), state(1))

    assert sorted((int(row["id"]), row["name"]) for row in local.rows() or []) == [(1, "new"), (2, "again")]


def test_append_dedup_keeps_one_row_for_each_composite_key(local: Local) -> None:
    catalog = [stream(mode="append_dedup", primary_key=[["id"], ["name"]])]
    rows = [{"id": 1, "name": "a", "at": 1}, {"id": 1, "name": "b", "at": 1}, {"id": 1, "name": "a", "at": 2}]
    local.write(catalog, *map(record, rows))

    assert sorted((row["name"], int(row["at"])) for row in local.rows() or []) == [("a", 2), ("b", 1)]


def test_append_dedup_removes_the_rows_that_a_log_says_were_deleted(local: Local) -> None:
    properties = {"id": {"type": "integer"}, "at": {"type": "integer"}, "_ab_cdc_deleted_at": {"type": "string"}}
    catalog = [stream(mode="append_dedup", json_schema={"type": "object", "properties": properties})]
    local.write(catalog, record({"id": 1, "at": 1}), record({"id": 2, "at": 1, "_ab_cdc_deleted_at": None}))
    local.write(catalog, record({"id": 1, "at": 2, "_ab_cdc_deleted_at": "2024-01-01T00:00:00Z"}))

    assert local.ids() == [2]


def test_rows_that_were_appended_are_made_one_a_key_by_the_first_merge(local: Local) -> None:
    local.write([stream()], records([1, 1, 2]))
    local.write([stream(mode="append_dedup")])

    assert local.ids() == [1, 2]


def test_rows_that_are_appended_to_a_merged_stream_are_merged_again_later(local: Local) -> None:
    local.write([stream(mode="append_dedup")], records([1, 2]))
    local.write([stream()], records([2]))
    assert local.ids() == [1, 2, 2]

    local.write([stream(mode="append_dedup")], records([3]))
    assert local.ids() == [1, 2, 3]


def test_a_stream_without_rows_is_there_and_empty(local: Local) -> None:
    catalog = [stream("a"), stream("b", "overwrite"), stream("c", "append_dedup")]

    assert local.write(catalog).exit_code == 0
    assert [local.rows(name) for name in "abc"] == [[], [], []]


def test_an_overwrite_without_rows_empties_the_stream(local: Local) -> None:
    local.write([stream()], records(range(3)))
    local.write([stream(mode="overwrite")])

    assert local.rows() == []


def test_every_row_says_where_it_comes_from(local: Local) -> None:
    meta = {"changes": [{"field": "name", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"}]}
    local.write([stream(generation=7)], record(1, meta=meta), record(2), status())

    rows = local.rows() or []
    assert len({row["_airbyte_raw_id"] for row in rows}) == 2
    assert {int(row["_airbyte_generation_id"]) for row in rows} == {7}
    assert all(row["_airbyte_extracted_at"] for row in rows)
    (noted,) = [row for row in rows if int(row["id"]) == 1]
    found = noted["_airbyte_meta"]
    assert (found if isinstance(found, dict) else json.loads(found))["changes"] == meta["changes"]


def test_the_echo_is_the_line_that_came_with_the_count_in_it(jsonl: Local) -> None:
    odd = b'{"type":"STATE" , "state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},'
    odd += b'"stream_state":{"n":12345678901234567890123,"x":0.10000000000000000001}},'
    odd += b'"sourceStats":{"recordCount":2.0}}}\n'
    process = jsonl.start([stream()])
    process.send(records([1, 2]), odd)

    assert process.process.stdout is not None
    echo = next(line for line in process.process.stdout if b"STATE" in line)
    assert process.end().exit_code == 0
    assert echo == odd[:-3] + b',"destinationStats":{"recordCount":2.0}}}\n'


def test_states_come_back_in_their_order_each_with_its_count(jsonl: Local) -> None:
    shared = {
        "shared_state": {"n": 1},
        "stream_states": [{"stream_descriptor": {"name": "elsewhere"}, "stream_state": {}}],
    }
    both = json.dumps({"type": "STATE", "state": {"type": "GLOBAL", "global": shared}}).encode() + b"\n"
    done = jsonl.write(
        [stream("a"), stream("b")],
        records([1, 2], "a"),
        records([1], "b"),
        state(1, "a"),
        records([3], "a"),
        state(2, "b"),
        both,
        both,
    )

    echoed = [message["state"] for message in done.of_type("STATE")]
    assert [s["destinationStats"]["recordCount"] for s in echoed] == [2, 1, 1, 0]
    assert [s["type"] for s in echoed] == ["STREAM", "STREAM", "GLOBAL", "GLOBAL"]
    assert echoed[2]["global"] == shared


def test_a_state_is_echoed_while_stdin_stays_open(local: Local) -> None:
    process = local.start([stream()])
    process.send(records([1]), state(1))

    assert process.next_state()["stream"]["stream_state"] == {"at": 1}
    process.kill()
    again = local.write([stream()], records([2]))

    assert again.exit_code == 0
    assert local.ids() == [1, 2]


def test_what_is_no_message_is_noted_and_stops_nothing(jsonl: Local) -> None:
    lines = [b"Starting up...\n", b'{"type":"HEARTBEAT","heartbeat":{}}\n', b"[1, 2]\n", b"\n", b"more\n"]
    done = jsonl.write([stream()], *lines, records([1]), state(1))

    assert done.exit_code == 0
    assert done.states == [1]
    assert "HEARTBEAT" in done.logs
    assert "4 lines were no message" in done.logs
    assert jsonl.ids() == [1]


def test_records_of_a_stream_that_is_not_in_the_catalog_are_counted_and_not_stored(jsonl: Local) -> None:
    done = jsonl.write([stream()], records([1]), records(range(5), "strangers"), state(1))

    assert done.exit_code == 0
    assert "'strangers' is not in the catalog: 5 records" in done.logs
    assert jsonl.ids() == [1]


@pytest.mark.parametrize(
    "broken",
    [
        b'{"type":"RECORD","record":{"stream":"users","data":{"id":\n',
        b'{"type":"RECORD","record":{"stream":"users"}}\n',
    ],
)
def test_a_broken_record_fails_the_write_before_a_later_state_is_echoed(jsonl: Local, broken: bytes) -> None:
    done = jsonl.write([stream()], records([1]), broken, state(1))

    assert done.exit_code == 1
    assert done.states == []
    assert "line 2" in done.errors[0]["message"]


def test_half_a_record_at_the_end_of_the_input_is_an_error(jsonl: Local) -> None:
    done = jsonl.write([stream()], records([1]), record(2)[:-20])

    assert done.exit_code == 1


def test_a_last_record_without_a_newline_counts(jsonl: Local) -> None:
    assert jsonl.write([stream()], records([1]), record(2)[:-1]).exit_code == 0
    assert jsonl.ids() == [1, 2]


def test_an_undeclared_field_is_no_failure(local: Local) -> None:
    assert local.write([stream()], record({"id": 1, "unheard": {"of": [1]}})).exit_code == 0
    assert local.ids() == [1]


def test_sigterm_ends_it_at_once_and_stores_nothing_more(local: Local) -> None:
    process = local.start([stream()])
    process.send(records([1]), state(1))
    process.next_state()
    process.send(records([2]))
    process.process.send_signal(signal.SIGTERM)

    assert process.process.wait() == 143
    process.process.communicate()
    assert local.ids() == [1]


def test_a_second_write_to_the_same_place_is_refused_with_a_reason(local: Local) -> None:
    process = local.start([stream()])
    process.send(records([1]), state(1))
    process.next_state()

    done = local.write([stream()], records([2]))

    assert done.exit_code == 1
    assert "Another process" in done.errors[0]["message"]
    assert done.errors[0]["failure_type"] == "transient_error"
    assert process.end().exit_code == 0
    assert local.ids() == [1]


def test_a_dedup_without_a_key_is_refused(jsonl: Local) -> None:
    done = jsonl.write([stream(mode="append_dedup", primary_key=[])])

    assert done.exit_code == 1
    assert done.errors[0]["failure_type"] == "config_error"


def test_the_default_schema_of_the_config_takes_the_streams_without_a_namespace(local: Local) -> None:
    local.config["schema"] = "raw"
    local.write([stream(), stream(namespace="other")], records([1]), records([2], namespace="other"))

    assert local.ids(namespace="raw") == [1]
    assert local.ids(namespace="other") == [2]


def test_one_name_in_two_namespaces_is_two_streams(local: Local) -> None:
    catalog = [
        stream(namespace="a"),
        stream(namespace="b", mode="overwrite"),
        stream(namespace="c", mode="append_dedup"),
    ]
    local.write(catalog, *(records([n], namespace=space) for n, space in enumerate("abc")))

    assert [local.ids(namespace=space) for space in "abc"] == [[0], [1], [2]]
