"""Destinations that do what the protocol allows keep the rules, also where another one would do it in another way."""

from __future__ import annotations

import copy
import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import subjects

from airbyte_exec.conformance import Report, run
from airbyte_exec.conformance.checks.destination import compared
from airbyte_exec.conformance.checks.echoes import echoes
from airbyte_exec.conformance.messages import Names, Sync
from airbyte_exec.conformance.rows import row_of
from airbyte_exec.conformance.transcript import Transcript, read_line

Json = dict[str, Any]


def report_of(folder: Path, rules: str, **config: object) -> Report:
    parts = subjects.destination_parts(folder)
    parts.config.update(config)
    return run(subjects.destination_subject(parts), rules=rules)


def told(report: Report) -> dict[str, list[str]]:
    return {result.case.code: [finding.message for finding in result.findings] for result in report.results}


def stream_state(name: str, value: object) -> Json:
    stream = {"stream_descriptor": {"name": name}, "stream_state": {"n": value}}
    return {"type": "STREAM", "stream": stream, "sourceStats": {"recordCount": 1.0}}


def global_state(value: object) -> Json:
    body = {"shared_state": {"n": value}, "stream_states": []}
    return {"type": "GLOBAL", "global": body, "sourceStats": {"recordCount": 1.0}}


def legacy_state(value: object) -> Json:
    return {"type": "LEGACY", "data": {"n": value}, "sourceStats": {"recordCount": 1.0}}


def found_of(sent: list[Json], came: list[Json], wanted: str = "all") -> list[str]:
    """Return what is wrong where these states come back for those that were sent."""
    lines = [
        read_line(number, json.dumps({"type": "STATE", "state": state}).encode(), 0.0)
        for number, state in enumerate(came, start=1)
    ]
    transcript = Transcript(command="write", lines=[line for line in lines if line is not None])
    sync = Sync(catalog={}, steps=[], states=copy.deepcopy(sent))
    return [finding.message for finding in echoes(transcript, sync, wanted)]


def test_states_of_several_streams_may_come_back_one_stream_after_the_other(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE3,DE5", echo="grouped")) == {"DE3": [], "DE5": []}


def test_the_order_of_states_counts_within_a_stream() -> None:
    one, two, other = stream_state("a", 1), stream_state("a", 2), stream_state("b", 1)
    assert found_of([one, other, two], [one, two, other]) == []
    assert "not in that order" in found_of([one, other, two], [two, one, other])[0]


@pytest.mark.parametrize("make", [global_state, legacy_state])
def test_the_order_of_states_that_are_of_no_one_stream_is_that_of_all(make: Any) -> None:
    assert found_of([make(1), make(2)], [make(1), make(2)]) == []
    assert "not in that order" in found_of([make(1), make(2)], [make(2), make(1)])[0]


def test_a_row_that_says_that_it_is_deleted_may_stay(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE9", ways=["soft_deletes"])) == {"DE9": []}


def test_beside_the_rows_of_a_key_no_other_may_stay() -> None:
    wanted = {"rows": [{"id": 1}], "besides": [{"id": 2, "gone": {"$set": True}}]}
    assert compared(wanted, [{"id": 1}]) is None
    assert compared(wanted, [{"id": 1}, {"id": 2, "gone": "2024-01-01"}]) is None
    assert compared(wanted, [{"id": 1}, {"id": 2, "gone": None}]) == "1 rows expected, 2 are there"
    assert compared(wanted, [{"id": 2, "gone": "2024-01-01"}]) == 'this row is not there: {"id": 1}'


def test_a_store_with_types_may_null_a_value_of_another_type(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE16", ways=["typed"])) == {"DE16": []}


def test_a_store_with_types_may_null_what_they_cannot_hold_where_it_says_so(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE17", ways=["typed"])) == {"DE17": []}
    silent = told(report_of(tmp_path, "DE17", ways=["typed"], flaws=["silent_nulls"]))
    assert "nearest: num is null" in silent["DE17"][0]


def test_a_store_of_short_texts_may_cut_them_where_it_says_so(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE12", ways=["short_texts"])) == {"DE12": []}
    assert told(report_of(tmp_path, "DE12", ways=["short_texts"], flaws=["silent_nulls"]))["DE12"]


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        (7, 7.0),
        (7, "7"),
        (12345678901234567890123, "12345678901234567890123"),
        ("12:34:56+02:00", datetime.time(10, 34, 56, tzinfo=datetime.UTC)),
        ("aGVsbG8A/w==", b"hello\x00\xff"),
        ("aGVsbG8A/w==", "\\x68656c6c6f00ff"),
    ],
)
def test_a_value_is_the_same_in_the_types_of_a_store(wanted: object, stored: object) -> None:
    assert compared([{"it": wanted}], [{"it": stored}]) is None


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        (1, 1.9),
        (1, "1.9"),
        (1, True),
        (1, "one"),
        (9007199254740993, 9007199254740992.0),
        (12345678901234567890123, 1.2345678901234568e22),
        ("12:34:56+02:00", "12:34:56Z"),
        ("aGVsbG8A/w==", b"hello"),
        ("", None),
    ],
)
def test_a_value_that_is_another_in_a_store_is_not_the_same(wanted: object, stored: object) -> None:
    assert compared([{"it": wanted}], [{"it": stored}]) is not None


def row_told(value: object) -> Json:
    return {"it": value, "_airbyte_meta": {"changes": [{"field": "it", "change": "TRUNCATED"}]}}


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("a long text", None),
        ("a long text", "a long"),
        ("2024-01-01T12:34:56.123456+05:30", "2024-01-01T12:34:56.123+05:30"),
        ("2024-01-01T12:34:56.123456+05:30", datetime.datetime(2024, 1, 1, 7, 4, 56, tzinfo=datetime.UTC)),
        ("23:59:59.999999Z", "23:59:59.999Z"),
        (1 << 70, None),
    ],
)
def test_what_is_told_to_be_cut_is_nothing_or_a_beginning(wanted: object, stored: object) -> None:
    assert compared([{"it": {"$or_told": wanted}}], [row_told(stored)]) is None
    assert compared([{"it": {"$or_told": wanted}}], [{"it": stored}]) is not None


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("a long text", "garbage"),
        ("a long text", ""),
        ("2024-01-01T12:34:56.123456Z", "2024-01-01T12:34:57Z"),
        ("0001-01-01 BC", "0001-01-02"),
        (1 << 70, 0),
    ],
)
def test_what_is_told_to_be_cut_is_no_other_value(wanted: object, stored: object) -> None:
    assert compared([{"it": {"$or_told": wanted}}], [row_told(stored)]) is not None


def test_a_date_before_our_era_is_none_of_it() -> None:
    assert compared([{"it": "0001-01-01 BC"}], [{"it": "0001-01-01"}]) is not None


def test_each_of_thousands_of_rows_is_looked_for_in_any_order() -> None:
    wanted = [{"$times": 3_000, "row": {"id": "{n}", "name": "user {n}"}}]
    rows = [{"id": str(number), "name": f"user {number}"} for number in range(3_000, 0, -1)]
    assert compared(wanted, rows) is None
    assert compared(wanted, rows[1:]) == 'this row is not there: {"id": 3000, "name": "user 3000"}'
    assert "nearest: name is" in str(compared(wanted, [*rows[:-1], {"id": 1, "name": "user 2"}]))
    assert compared(wanted, [*rows, rows[0]]) == "3000 rows expected, 3001 are there"


def test_a_number_of_a_database_may_be_none() -> None:
    assert row_of({"it": Decimal("Infinity")}) == {"it": float("inf")}
    assert compared([{"it": "-Infinity"}], [row_of({"it": Decimal("-Infinity")})]) is None


def test_a_count_is_that_of_its_state_in_whatever_order_states_come_back(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, "DE4,DE18", echo="grouped")) == {"DE4": [], "DE18": []}


def test_what_builds_on_plain_rows_is_skipped_where_they_are_wrong(tmp_path: Path) -> None:
    report = report_of(tmp_path, "destination.*", flaws=["loses_newlines", "drops_meta"])
    assert {code for code, found in told(report).items() if found} == {"DE4", "DE11"}
    report = report_of(tmp_path / "other", "destination.*", exit_code=3)
    assert {code for code, found in told(report).items() if found} == {"DE3", "DE4", "DE5", "DE18"}
    reasons = [result.reason or "" for result in report.results if result.case.code in ("DE7", "DE12", "DE17")]
    assert all("exit code 3" in reason for reason in reasons), reasons


def test_without_namespaces_the_rest_of_a_rule_is_tried(tmp_path: Path) -> None:
    report = report_of(tmp_path, "DE7,DE10,DE11,DE14", flaws=["ignores_namespace"])
    assert {result.case.code: result.status for result in report.results} == {
        "DE7": "pass", "DE10": "fail", "DE11": "pass", "DE14": "pass",
    }  # fmt: skip


def test_a_name_that_is_to_stay_as_it_is_lies_in_a_namespace_of_its_own() -> None:
    names = Names(tag="x")
    assert names.key("words/=select") == ("select", "words_x")
    assert names.key("words/select") == ("select_x", "words_x")


ADDED = {"destinationStats": {"recordCount": 1.0}, "committedRecordsCount": 1, "global": None, "data": None}


def test_a_destination_may_add_what_the_protocol_names_and_write_null_for_what_is_absent() -> None:
    sent = stream_state("a", 25)
    came = copy.deepcopy(sent) | ADDED
    came["stream"]["stream_descriptor"]["namespace"] = None
    came["stream"]["stream_state"] = {"n": 25.0}  # a number is the same in any form
    came["sourceStats"] = {"recordCount": 1, "rejectedRecordCount": None}
    assert found_of([sent], [came]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"sourceStats": {"recordCount": 999.0}},
        {"sourceStats": None},
        {"id": 7},
        {"stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"n": 25, "more": None}}},
        {"stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"n": "25"}}},
        {"stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"n": True}}},
    ],
)
@pytest.mark.parametrize("wanted", ["all", "last"])
def test_a_state_that_is_changed_is_another(change: Json, wanted: str) -> None:
    assert found_of([stream_state("a", 25)], [stream_state("a", 25) | change], wanted) != []


def test_a_state_that_holds_true_is_not_one_that_holds_a_number() -> None:
    assert found_of([stream_state("a", 1)], [stream_state("a", True)]) != []


def test_a_legacy_state_may_come_back_without_its_type() -> None:
    sent = legacy_state(1)
    assert found_of([sent], [{name: value for name, value in sent.items() if name != "type"}]) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modes", "skipped"),
    [
        (["append"], {"DE7", "DE9"}),
        (["append_dedup"], {"DE6", "DE7", "DE8"}),
        (["overwrite"], {"DE6", "DE8", "DE9", "DE12", "DE13", "DE14", "DE15", "DE16"}),
        (["append", "overwrite"], {"DE9"}),
    ],
)
def test_a_destination_is_sent_no_mode_but_its_own(
    tmp_path: Path, modes: list[str], skipped: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"supported_destination_sync_modes": modes}), encoding="utf-8")
    monkeypatch.setenv("DESTINATION_MINI_SCRIPT", str(settings))
    report = report_of(tmp_path, "destination.*")
    assert report.broken == [], told(report)
    assert {result.case.code for result in report.results if result.status == "skip"} == {*skipped, "DE21"}
    reasons = {result.reason or "" for result in report.results if result.case.code in skipped}
    assert all("does not support" in reason for reason in reasons)


def test_each_case_writes_to_the_place_that_stands_deep_in_its_config(tmp_path: Path) -> None:
    parts = subjects.destination_parts(tmp_path)
    parts.config["deep"] = {"list": [{"path": "at {case}"}]}
    report = run(subjects.destination_subject(parts), rules="DE8")
    assert report.broken == []
    (result,) = report.results
    given = [json.loads(run_of.files["config.json"])["deep"]["list"][0]["path"] for run_of in result.runs]
    assert len(set(given)) == 1
    assert given[0].startswith("at de8")


def test_a_store_with_a_limit_is_sent_no_longer_text(tmp_path: Path) -> None:
    parts = subjects.destination_parts(tmp_path)
    parts.flaw("truncates_text")
    assert run(subjects.destination_subject(parts), rules="DE12").broken != []
    parts.given["longest_text"] = 65_536
    assert run(subjects.destination_subject(parts), rules="DE12").broken == []
