from __future__ import annotations

import pytest

from airbyte_exec._connector.facts import Facts, TraceError, describe_exit, describe_malformed, hint_for_exit
from airbyte_exec.protocol.envelope import Malformed
from airbyte_exec.types import StreamId

USERS = StreamId("users")


@pytest.mark.parametrize(
    ("statuses", "final"),
    [
        (["STARTED", "RUNNING", "COMPLETE"], "COMPLETE"),
        (["STARTED", "INCOMPLETE", "COMPLETE"], "INCOMPLETE"),
        (["COMPLETE", "RUNNING"], "COMPLETE"),
        (["COMPLETE", "INCOMPLETE"], "INCOMPLETE"),
        (["STARTED", "RUNNING"], "RUNNING"),
    ],
)
def test_a_terminal_status_is_final_and_a_failure_stays(statuses: list[str], final: str) -> None:
    facts = Facts()
    for status in statuses:
        facts.saw_status(USERS, status)

    assert facts.statuses == {USERS: final}


def test_failed_streams_tell_why() -> None:
    facts = Facts(errors=[TraceError("no rights", "SELECT denied", "config_error", USERS), TraceError("of all")])
    facts.saw_status(USERS, "INCOMPLETE")
    facts.saw_status(StreamId("items"), "INCOMPLETE")

    assert facts.failed_streams() == {
        USERS: "[config_error] users: no rights (SELECT denied)",
        StreamId("items"): "the source says INCOMPLETE",
    }


def test_a_warning_is_noted_once() -> None:
    facts = Facts()

    assert facts.warn("x")
    assert not facts.warn("x")
    assert facts.warnings == ["x"]


def test_long_and_many_errors_are_cut() -> None:
    facts = Facts(errors=[TraceError("x" * 60_000), *(TraceError("y") for _ in range(11))])

    texts = facts.error_texts()

    assert len(texts[0]) == 50_001
    assert texts[-1] == "… and 2 more"
    assert len(texts) == 11


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exited with code 0"), (3, "exited with code 3"), (-9, "was ended by SIGKILL"), (-199, "signal 199")],
)
def test_an_end_is_described(code: int, text: str) -> None:
    assert text in describe_exit(code)


@pytest.mark.parametrize(
    ("code", "word"), [(-9, "memory"), (137, "memory"), (-15, "SIGTERM"), (3, "Java"), (127, "ENTRY")]
)
def test_usual_codes_have_a_hint(code: int, word: str) -> None:
    assert word in (hint_for_exit(code) or "")


@pytest.mark.parametrize("code", [None, 0, 1])
def test_other_codes_have_none(code: int | None) -> None:
    assert hint_for_exit(code) is None


def test_a_malformed_line_is_named_by_its_number_and_stream() -> None:
    assert describe_malformed(Malformed(b"{", "not JSON", 7, stream="users")) == "line 7, stream 'users': not JSON"
