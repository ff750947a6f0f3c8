"""What the rules for sources catch, and what they let pass: subjects that are scripted, and programs of a few lines."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest
from mini import SOURCE_MINI, Run, runs, source_config, step, stream

from airbyte_exec.conformance import Report, run, subject_of
from airbyte_exec.conformance.checks.values import text_of
from airbyte_exec.conformance.inputs import catalog_of, spread

RECORD = {"stream": "users", "data": {"id": 1}, "emitted_at": 1}


def report_of(rules: str, **config: object) -> Report:
    settings = {"streams": [stream(records=25)], "emitted_at": "now", **config}
    return run(subject_of(f"path:{SOURCE_MINI}", config=source_config(**settings)), rules=rules)  # type: ignore[arg-type]


def found(report: Report) -> dict[str, list[str]]:
    """Return what is found, by rule."""
    return {each.case.code: [finding.message for finding in each.findings] for each in report.results if each.findings}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}}}},
        {"type": "LOG", "log": {"level": "INFO", "message": "started"}},
        {"record": RECORD, "type": "RECORD"},
    ],
)
def test_a_message_on_stderr_is_seen_whatever_its_type_and_however_much_comes_after_it(message: object) -> None:
    script = [step("stderr", text=json.dumps(message) + "\n"), step("stderr_flood", mb=1)]
    (message_found,) = found(report_of("RD10", script=script))["RD10"]
    assert message_found.startswith("line 1 on stderr is a message")


def test_json_on_stderr_that_is_no_message_is_a_log_like_any_other() -> None:
    texts = ['{"type": "RECORD"}', '{"level": "info", "record": 5}', "{", '["type", "record"]']
    assert found(report_of("RD10", script=[step("stderr", text="".join(f"{text}\n" for text in texts))])) == {}


AGAIN = {
    "IN2": [step("exit", "end", code=7, when="with_state")],
    "FR1": [step("exit", {"after_stream": "users"}, code=7)],
    "FR2": [step("exit", {"after_stream": "users"}, code=7)],
}


@pytest.mark.parametrize("code", AGAIN)
def test_a_read_that_fails_the_second_time_breaks_the_rule_of_the_second_read(code: str, tmp_path: Path) -> None:
    config: dict[str, Any] = {"script": AGAIN[code]}
    if code != "IN2":
        later = tmp_path / "later.json"  # it is there from the end of the first read on
        text = json.dumps({"script": {"read": AGAIN[code]}})
        config = {"script_file": str(later), "script": {"read": [step("mark", "end", path=later, text=text)]}}

    assert found(report_of(code, **config)) == {code: ["`read` ended with exit code 7, expected: 0"]}


def test_where_the_first_read_fails_the_rules_of_the_second_one_are_skipped() -> None:
    report = report_of("IN2,FR1,FR2", script=[step("exit", "end", code=3)])
    reasons = {result.case.code: result.reason for result in report.results}
    assert reasons == dict.fromkeys(("IN2", "FR1", "FR2"), "the `read` before it ended with exit code 3")


def test_a_source_is_given_each_tenth_of_its_states_and_the_last_one(tmp_path: Path) -> None:
    found_in = report_of("IN4", streams=[stream(records=250)], state_every=10, path=tmp_path / "calls")
    assert [result.status for result in found_in.results] == ["pass"]
    given = sorted(
        call.state[0]["stream"]["stream_state"]["id"] for call in runs(tmp_path / "calls", "read") if call.state
    )
    assert len(given) == 10
    assert (given[0], given[-1]) == (10, 250)


@pytest.mark.parametrize(
    ("total", "count", "wanted"),
    [(0, 10, []), (3, 10, [0, 1, 2]), (10, 10, list(range(10))), (25, 4, [0, 8, 16, 24]), (5, 1, [4])],
)
def test_a_sample_is_spread_evenly_and_has_the_last_one(total: int, count: int, wanted: list[int]) -> None:
    assert spread(total, count) == wanted


def test_a_stream_that_can_be_read_incrementally_alone_is_judged_too(tmp_path: Path) -> None:
    broken = {"id": "one", "updated_at": "2024-01-01T00:00:00Z"}
    streams = [stream("users", records=5), stream("events", sync_modes=["incremental"], data=[broken])]
    report = report_of("read.*,FR2", streams=streams, path=tmp_path / "calls")
    assert found(report) == {"RD2": ["events: id: 'one' is not of type 'integer'"]}
    read = [
        {each["stream"]["name"]: each["sync_mode"] for each in call.catalog["streams"]} for call in _reads(tmp_path)
    ]
    assert {"users": "full_refresh", "events": "incremental"} in read
    assert {"users": "full_refresh"} in read, "what is said of a full refresh is said of streams that have one"


def _reads(folder: Path) -> list[Run]:
    return [call for call in runs(folder / "calls", "read") if call.state is None]


def schema_of(**fields: object) -> dict[str, Any]:
    return {"type": "object", "properties": {"id": {"type": "integer"}, **fields}}


def report_of_spec(folder: Path, monkeypatch: pytest.MonkeyPatch, spec: object, rules: str, **given: Any) -> Report:
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"spec": {"connectionSpecification": spec}}), encoding="utf-8")
    monkeypatch.setenv("SOURCE_MINI_SCRIPT", str(settings))
    return run(subject_of(f"path:{SOURCE_MINI}", **{"config": source_config(), **given}), rules=rules)


def test_what_a_schema_refers_to_is_neither_fetched_nor_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"const": "what stands on the disk"}', encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        references = {
            "near": {"$ref": secret.as_uri()},
            "far": {"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/x.json"},
        }
        config = source_config(near=1, far=2)
        spec = report_of_spec(tmp_path, monkeypatch, schema_of(**references), "SP*", config=config)
        data = [{"id": 1, "near": 1, "far": 2}, {"id": "one", "near": 1, "far": 2}]
        read = report_of("DI2,RD2", streams=[stream(data=data, fields=schema_of(**references))])
        with pytest.raises(BlockingIOError):
            server.accept()

    assert found(spec) == {"SP13": [f"connectionSpecification.properties.{name} uses $ref" for name in ("near", "far")]}
    references_found = ["users: properties.near uses $ref", "users: properties.far uses $ref"]
    assert found(read) == {"DI2": references_found, "RD2": ["users: id: 'one' is not of type 'integer'"]}
    assert "on the disk" not in json.dumps([spec.as_dict(), read.as_dict()])


def test_a_pattern_that_takes_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exec.secrets.patterns.MATCH_LIMIT", 0.5)
    fields = schema_of(name={"type": "string", "pattern": "^(a+)+$"})
    data = [{"id": 1, "name": "a" * 40 + "!"}]
    (told,) = found(report_of("RD2", streams=[stream(data=data, fields=fields)]))["RD2"]
    assert "cannot be followed to an end: the pattern '^(a+)+$' was not matched within 0.5 s" in told

    report = report_of_spec(tmp_path, monkeypatch, fields, "SP2,SP11", config=source_config(name="a" * 40 + "!"))
    assert set(found(report)) == {"SP2"}


def test_a_pattern_that_python_does_not_know_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = schema_of(
        name={"type": "string", "pattern": r"^\p{L}+$"},
        day={"type": "string", "pattern": r"^(?<year>[0-9]{4})-[0-9]{2}$"},
        back={"type": "string", "pattern": r"^(?<one>[a-z])\k<one>\u{41}$"},
    )
    fits = {"id": 1, "name": "Zo\u00eb", "day": "2024-05", "back": "aaA"}
    assert found(report_of_spec(tmp_path, monkeypatch, fields, "SP2", config=source_config(**fits))) == {}
    data = [fits, {"id": 2, "name": "x", "day": "2024", "back": "abA"}]
    report = report_of("DI2,RD2", streams=[stream(data=data, fields=fields)])
    assert [told.partition(": it does")[0] for told in found(report)["RD2"]] == ["users: day"]
    assert set(found(report)) == {"RD2"}
    assert set(found(report_of_spec(tmp_path, monkeypatch, schema_of(name={"pattern": "((("}), "SP2"))) == {"SP2"}


REQUIRED = {
    **schema_of(credentials={"type": "object", "properties": {"a": {"type": "string"}}}, host={"type": ["string"]}),
    "required": ["credentials", "host"],
}


def test_check_is_given_a_config_with_a_wrong_field_and_one_without_a_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = source_config(credentials={"a": "x"}, host="h", path=tmp_path / "calls")
    assert found(report_of_spec(tmp_path, monkeypatch, REQUIRED, "CK4", config=config)) == {}
    tried = [call.config for call in runs(tmp_path / "calls", "check")]
    assert {"credentials" in each for each in tried} == {True, False}
    assert [each["credentials"] for each in tried if "credentials" in each] == ["not what the spec asks for"]

    lenient = report_of_spec(tmp_path, monkeypatch, REQUIRED, "CK4", config=config | {"lenient": True})
    assert found(lenient) == {"CK4": ["a config that the spec does not allow: FAILED expected"] * 2}


def test_a_spec_that_allows_everything_is_the_one_reason_to_try_no_config_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = report_of_spec(tmp_path, monkeypatch, schema_of(id={}), "CK4").results
    assert (result.status, result.reason) == (
        "skip",
        "the spec allows every value of every field, and the spec requires no field that the config has",
    )


@pytest.mark.parametrize(
    "trace",
    [
        'Traceback (most recent call last):\n  File "x.py", line 1',
        'bad: File "/app/x.py", line 10, in check\n    raise x',
        "java.lang.NullPointerException\n\tat com.example.Check.run(Check.java:10)",
        "TypeError: x\n    at check (/app/index.js:10:5)\n    at /app/index.js:20:1",
        "panic: x\n\ngoroutine 1 [running]:\nmain.main()",
        "/app/check.rb:3:in `check': x (RuntimeError)",
        "thread 'main' panicked at src/main.rs:2:5:\nx",
        "System.Exception: x\n   at Check.Run(String host) in /app/Check.cs:line 12",
        "PHP Fatal error: x\n#0 /app/check.php(12): run()",
    ],
)
def test_a_stack_trace_for_the_user_is_known_in_any_language(trace: str) -> None:
    report = report_of("CK4", check={"status": "FAILED", "message": trace}, lenient=True)
    assert found(report) == {"CK4": ["the message for the user holds a stack trace"]}


def test_a_stack_trace_in_an_error_is_for_the_user_too() -> None:
    trace = step("trace_error", message='Traceback (most recent call last):\n  File "x.py", line 1')
    report = report_of("CK4", check={"status": "FAILED", "message": "no"}, lenient=True, script={"check": [trace]})
    assert found(report) == {"CK4": ["the message for the user holds a stack trace"]}


@pytest.mark.parametrize(
    "message",
    ["The host is not there.\n  at example.com (port 5432)", "Sign in at https://example.com:8080/", "#1 of 2 (a): b"],
)
def test_words_for_the_user_are_no_stack_trace(message: str) -> None:
    assert found(report_of("CK4", check={"status": "FAILED", "message": message}, lenient=True)) == {}


def test_without_a_config_what_needs_one_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of_spec(tmp_path, monkeypatch, REQUIRED, "SP1,SP2,SP8,CK1,DI1,RD1", config=None)
    assert {result.case.code for result in report.results if result.status == "pass"} == {"SP1", "SP8"}
    reasons = {result.case.code: result.reason for result in report.results if result.status == "skip"}
    asked = "--config is not given, and the spec asks for credentials, host"
    assert reasons == {
        "SP2": "--config is not given, and the spec asks for one",
        **dict.fromkeys(("CK1", "DI1", "RD1"), asked),
    }

    nothing = report_of_spec(tmp_path, monkeypatch, schema_of(), "SP2,CK1", config=None)
    assert {result.status for result in nothing.results} == {"pass"}, "a spec may ask for nothing"


def test_a_config_that_is_given_is_tried_also_where_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of_spec(tmp_path, monkeypatch, REQUIRED, "SP2,CK1", config={})
    assert found(report)["SP2"] == ["the given config does not fit: the config breaks 'required'"] * 2
    assert [result.status for result in report.results if result.case.code == "CK1"] == ["fail"]


def test_states_and_lines_are_looked_at_in_incremental_reads_too() -> None:
    noise = [step("noise", "end", when="with_state")]
    assert list(found(report_of("RD1,RD2,RD7,RD8,RD10,RD11", script={"read": noise}))) == ["RD10"]


def test_a_full_refresh_alone_is_judged_where_no_stream_is_incremental() -> None:
    report = report_of("RD2,RD10,RD11", streams=[stream(records=5, sync_modes=["full_refresh"], cursor=None)])
    assert [len(result.runs) for result in report.results] == [1, 1, 1]
    assert {result.status for result in report.results} == {"pass"}


def test_each_stream_has_a_state_of_its_own(tmp_path: Path) -> None:
    program = tmp_path / "source-own"
    states = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {}}}] * 2
    lines = [json.dumps({"type": "STATE", "state": {**state, "sourceStats": {"recordCount": 0.0}}}) for state in states]
    program.write_text(f"#!/bin/sh\n[ $1 != read ] || printf '%s\\n' {' '.join(map(shlex.quote, lines))}\n")
    program.chmod(0o755)
    streams = [{"stream": {"name": name, "json_schema": {}}, "sync_mode": "full_refresh"} for name in ("a", "b")]
    report = run(subject_of(f"path:{program}", catalog={"streams": streams}), rules="RD8")
    assert found(report) == {"RD8": ["1 of 2 streams have no state: b"]}


def test_where_a_first_read_fails_nothing_is_read_from_its_states() -> None:
    (result,) = report_of("IN4", script={"read": [step("exit", "end", code=1)]}).results
    assert (result.status, result.reason) == ("skip", "the `read` before it ended with exit code 1")


def test_a_stream_that_is_there_twice_is_configured_once() -> None:
    users = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    others = [{"name": "others", **{key: users[key] for key in ("json_schema", "supported_sync_modes")}}]
    subject = subject_of(f"path:{SOURCE_MINI}")
    made = catalog_of(subject, {"streams": [users, *others, users]}, "all")
    assert sorted(each["stream"]["name"] for each in made["streams"]) == ["others", "users"]


@pytest.mark.parametrize("missing", ["message", "error", "emitted_at"])
def test_a_trace_error_counts_however_incomplete_it_is(missing: str) -> None:
    told = found(report_of("RD1", script={"read": [step("trace_error", "end", without=[missing])]}))
    assert told == {"RD1": ["exactly 0 TRACE of type ERROR expected, 1 came"]}


def test_fields_within_others_may_change_from_read_to_read_where_they_are_named() -> None:
    given = {"a": {"t": 1, "u": 2}, "b": [{"t": 1}], "t": 3}
    assert text_of(given, frozenset({"a.t", "b.t"})) == '{"a": {"u": 2}, "b": [{}], "t": 3}'
