"""Cursors in records and states: texts, numbers, times since 1970, and those of streams that have partitions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airbyte_exec.conformance import Subject, load_cases
from airbyte_exec.conformance.checks import Check, Given, incremental
from airbyte_exec.conformance.checks.values import behind, highest
from airbyte_exec.conformance.inputs import future, set_ahead
from airbyte_exec.conformance.transcript import Transcript, read_line
from airbyte_exec.executors import NoOpExecutor


def stream_state(value: object) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": value}}


def read_of(cursors: list[object], *states: object) -> Transcript:
    """Return a read: records with these values of the field `at`, then states of the stream."""
    now = {"stream": "users", "emitted_at": 1}
    records = [{"type": "RECORD", "record": {**now, "data": {"at": value, "n": n}}} for n, value in enumerate(cursors)]
    messages = [*records, *({"type": "STATE", "state": stream_state(state)} for state in states)]
    lines = [read_line(number, json.dumps(message).encode(), 0.0) for number, message in enumerate(messages, 1)]
    return Transcript(command="read", lines=[line for line in lines if line is not None], exit_code=0)


def judged(
    check: Check, *reads: Transcript, after: Sequence[tuple[object, Transcript]] = (), days: float = 0
) -> list[str]:
    """Return what a check finds in reads of a stream whose cursor is `at`; `after` is read behind a state each."""
    subject = Subject(executor=NoOpExecutor("source-x"), kind="source", threshold_days=days)
    configured = {"stream": {"name": "users", "json_schema": {}}, "cursor_field": ["at"]}
    (case,) = (case for case in load_cases() if case.code == "IN4")
    given = Given(case=case, subject=subject, runs=reads, configured=[{"streams": [configured]}] * 2)
    given.facts["after"] = [([stream_state(state)], read) for state, read in after]
    return [finding.message for finding in check(given)]


def partitions(**values: object) -> dict[str, Any]:
    """Return a state as the low-code CDK writes it."""
    states = [
        {"partition": {"at": name, "parent_slice": {}}, "cursor": {"at": value}} for name, value in values.items()
    ]
    return {"use_global_cursor": False, "states": states, "parent_state": {"parents": {"at": "1999-01-01"}}}


def test_a_state_of_partitions_is_judged_by_the_one_that_came_farthest_and_the_one_that_came_least_far() -> None:
    between, last = partitions(b="2024-03-05"), partitions(b="2024-03-05", a="2024-01-05")
    first = read_of(["2024-03-01", "2024-03-05", "2024-01-01", "2024-01-05"], between, last)
    assert judged(incremental.state_covers, first) == []
    assert judged(incremental.goes_on, first, read_of(["2024-01-05", "2024-03-05"])) == []
    assert (
        judged(incremental.resumes, first, after=[(between, read_of(["2024-01-01"])), (last, read_of(["2024-01-05"]))])
        == []
    )

    assert judged(incremental.state_covers, read_of(["2024-03-06"], last)) != []
    assert judged(incremental.goes_on, first, read_of(["2024-01-04"])) != []
    assert judged(incremental.resumes, first, after=[(last, read_of(["2024-01-04"]))]) != []


def test_cursors_that_are_numbers_written_as_text_are_compared_as_numbers() -> None:
    first = read_of(["8", "9", "10"], {"at": "10"})
    assert judged(incremental.state_covers, first) == []
    assert judged(incremental.goes_on, first, read_of(["10", "11"])) == []
    assert judged(incremental.goes_on, first, read_of(["9"])) != []
    assert judged(incremental.state_covers, read_of(["9", "10"], {"at": "9"})) != []
    assert future({"at": "12"}, {"at"}) == {"at": str(12 + 10**9)}


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_days_are_counted_in_the_unit_of_a_time_since_1970(unit: int) -> None:
    now, day = 1_700_000_000 * unit, 86_400 * unit
    assert behind(now - day, now, days=1) is False
    assert behind(str(now - day), str(now), days=1) is False
    assert behind(now - day - 1, now, days=1) is True
    assert future({"at": now}, {"at"})["at"] > now + 365 * day


def test_days_mean_nothing_for_a_cursor_that_is_no_time() -> None:
    assert behind(5, 6, days=1) is True
    assert behind("20240101", "20240102", days=1) is False, "a date without dashes"
    assert behind(5, "text", days=1) is None
    assert highest([5, "text"]) is None


def named(state: dict[str, Any], name: str) -> dict[str, Any]:
    return {**state, "stream": {**state["stream"], "stream_descriptor": {"name": name}}}


def test_only_streams_whose_cursor_can_be_set_ahead_must_give_nothing_behind_it() -> None:
    users, pages = stream_state({"at": "2024-01-01", "id": 5}), named(stream_state({"page": "p3", "at": None}), "pages")
    streams = [
        {"stream": {"name": "users"}, "cursor_field": ["at"]},
        {"stream": {"name": "pages"}, "cursor_field": ["id"]},
    ]
    ahead, keys = set_ahead([users, pages], {"streams": streams})
    assert ahead == [stream_state({"at": "2999-12-31", "id": 5}), pages], "each stream has a cursor of its own"
    assert keys == {("users", None)}

    both = {"type": "GLOBAL", "global": {"stream_states": [users["stream"], pages["stream"]], "shared_state": {"x": 1}}}
    (far,), keys = set_ahead([both], {"streams": streams})
    assert far["global"]["stream_states"] == [ahead[0]["stream"], pages["stream"]]
    assert keys == {("users", None)}

    first = read_of(["2024-01-01"], {"at": "2024-01-01"})
    assert judged(incremental.future, first, read_of([], {"at": "2999-12-31"})) == []
    assert judged(incremental.future, first, read_of(["2024-01-01"], {"at": "2999-12-31"})) != []
    assert judged(incremental.future, read_of([1], {"page": "p3"}), read_of([1], {"page": "p3"})) == []


@pytest.mark.parametrize("units", [1, 10**3, 10**6])
def test_a_time_in_records_is_compared_with_one_that_a_state_has_as_a_number(units: int) -> None:
    first = read_of(["2024-01-15T07:00:00Z"], {"at": str(1_705_302_000 * units)})
    assert judged(incremental.state_covers, first) == []
    behind_it = read_of(["2024-01-15T07:00:01Z"], {"at": 1_705_302_000 * units})
    assert len(judged(incremental.state_covers, behind_it)) == 1


@pytest.mark.parametrize(("value", "other"), [("2024-01-01", "5"), ("abc", "1705302000"), (5, "2024-01-01")])
def test_what_is_no_time_is_not_compared_with_one(value: object, other: object) -> None:
    assert behind(value, other, days=0) is behind(other, value, days=0) is None


def test_a_state_may_name_its_cursor_as_sources_of_databases_do() -> None:
    def state(cursor: object) -> dict[str, Any]:
        return {"cursor_field": ["at"], "cursor": cursor, "stream_name": "users"}

    assert judged(incremental.state_covers, read_of([100, 129], state("129"))) == []
    assert len(judged(incremental.state_covers, read_of([100, 129], state("109")))) == 1
    assert future(state("109"), {"at"})["cursor"] > "1000000000"
    assert future(state("109"), {"other"}) == state("109")
