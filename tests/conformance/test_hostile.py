"""A connector that hangs, floods, crashes or lies never takes the suite down: each case ends, with a result."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mini import DESTINATION_MINI, SOURCE_MINI, source_config, step, stream

from airbyte_exec._connector import stderr_log
from airbyte_exec._process import Child
from airbyte_exec.conformance import Report, Result, Subject, load_cases, reports, run, subject_of
from airbyte_exec.conformance import lab as lab_module
from airbyte_exec.conformance.jobs import Job
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.runner import stream_cases
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.exceptions import PyAirbyteError
from airbyte_exec.secrets.masking import Masker


def report_of(rules: str, **config: object) -> Report:
    return run(subject_of(f"path:{SOURCE_MINI}", config=source_config(emitted_at="now") | config), rules=rules)


def statuses(report: Report) -> dict[str, str]:
    return {result.case.code: result.status for result in report.results}


def results(subject: Subject, *codes: str, time_limit: float) -> list[Result]:
    """Return what becomes of each case, where every child has so many seconds."""
    cases = [replace(case, time_limit=time_limit) for case in load_cases() if case.code in codes]

    async def collected() -> list[Result]:
        async with stream_cases(subject, cases) as stream:
            return [result async for result in stream]

    return anyio.run(collected)


def findings(subject: Subject, *codes: str, time_limit: float) -> dict[str, list[str]]:
    """Return what is found of each case, where every child has so many seconds."""
    return {
        result.case.code: [finding.message for finding in result.findings]
        for result in results(subject, *codes, time_limit=time_limit)
    }


def test_a_connector_that_hangs_breaks_the_rule_of_its_command_and_the_rest_is_skipped() -> None:
    config = source_config(script={"check": [step("ignore"), step("hang")]})
    found = findings(subject_of(f"path:{SOURCE_MINI}", config=config), "CK1", "SP1", time_limit=0.5)
    assert found["SP1"] == []
    assert found["CK1"] == ["`check` did not end within 0.5 s"]


def test_a_connector_that_hangs_when_it_goes_on_is_told_how_long_it_had() -> None:
    streams = [stream(records=15)]
    config = source_config(streams=streams, script={"read": [step("hang", when="with_state")]}, emitted_at="now")
    found = findings(subject_of(f"path:{SOURCE_MINI}", config=config), "IN4", time_limit=2.5)
    assert set(found["IN4"]) == {"it cannot go on from its own state: `read` did not end within 2.5 s"}


def test_a_read_that_hangs_behind_its_states_is_told_by_another_rule() -> None:
    config = source_config(streams=[stream(records=50)], script={"read": [step("hang", "end")]}, emitted_at="now")
    (result,) = results(subject_of(f"path:{SOURCE_MINI}", config=config), "IN4", time_limit=1.0)
    assert (result.status, result.reason) == ("skip", "`read` did not come to its end")


def test_an_error_between_tasks_is_told_as_if_there_was_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(child: object, lines: bytes) -> None:
        raise PyAirbyteError(message="The pipe is on fire.")

    monkeypatch.setattr(Child, "write", refused)
    (result,) = results(subject_of(f"path:{DESTINATION_MINI}"), "DE5", time_limit=20.0)
    assert [finding.message for finding in result.findings] == ["`write` could not be run: The pipe is on fire."]


def test_a_destination_that_only_hangs_is_not_tried_for_an_hour() -> None:
    config = {"script": {"write": [step("hang")]}}
    found = findings(
        subject_of(f"path:{DESTINATION_MINI}", config=config), "DE3", "DE5", "DE18", "DE19", time_limit=0.5
    )
    hung = [messages for messages in found.values() if messages == ["`write` did not end within 0.5 s"]]
    assert len(hung) == lab_module.HANGS_TAKEN
    assert [] in found.values()


def test_a_connector_that_floods_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_module, "FLOOD_LINES", 1_000)
    monkeypatch.setattr(lab_module, "FLOOD_KEPT", 10)
    report = report_of("RD1,RD10", streams=[stream(records=200_000)], fast=True)
    (broken,) = report.broken
    assert broken.case.code == "RD1"
    assert "was stopped" in broken.findings[0].message
    kept = len(broken.runs[0].lines)
    assert kept - lab_module.FLOOD_KEPT in (0, 1), "what was too much is kept in memory"  # one that was being written
    assert statuses(report)["RD10"] == "skip"


def test_a_connector_that_floods_stderr_is_stopped_before_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stderr_log, "FULL", 1 << 20)
    script = {"check": [step("stderr_flood", "start", mb=8), step("hang", "start")]}
    (broken,) = report_of("CK1", script=script).broken
    assert broken.findings[0].message.startswith("`check` wrote 1 MiB on stderr and more, and was stopped")


def test_what_is_kept_of_a_run_is_bounded_by_the_memory_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_module, "FLOOD_MEMORY", 1 << 20)
    monkeypatch.setattr(lab_module, "FLOOD_KEPT", 10)
    report = report_of("RD1", streams=[stream(records=20_000)], fast=True)
    (broken,) = report.broken
    assert "should ask for less" in broken.findings[0].message
    lines = int(broken.findings[0].message.partition("wrote ")[2].partition(" lines")[0])
    assert lines < 2_000, "a line weighs some 600 bytes, however short it is"


def test_what_is_kept_of_a_run_weighs_about_what_it_is_taken_for() -> None:
    record = {"stream": "users", "data": {"id": 1, "name": "user 1", "at": "2024-01-01T00:00:00Z"}, "emitted_at": 1}
    line = json.dumps({"type": "RECORD", "record": record}).encode()
    watch = lab_module._Watch(Transcript(command="read"), Masker())
    tracemalloc.start()
    try:
        for _ in range(10_000):
            watch._take(bytes(bytearray(line)), 0.5)

        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0.5 * kept < watch._weight < 2 * kept


def test_a_connector_that_closes_its_stdout_and_goes_on_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lab_module, "EXIT_LIMIT", 0.5)
    program = tmp_path / "source-closed"
    program.write_text("#!/bin/sh\nexec >&-\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    (result,) = run(subject_of(f"path:{program}", config={}), rules="CK1").results
    assert [finding.message for finding in result.findings] == [
        "`check` closed its stdout, and had not ended 0.5 s later"
    ]


def test_a_connector_that_crashes_is_told_with_its_exit_code() -> None:
    report = report_of("RD1", script=[step("signal", {"record": 3}, signal="SIGSEGV")])
    assert "exit code -11" in report.broken[0].findings[0].message


def test_a_connector_that_dies_at_once_breaks_the_first_rules_and_no_more(tmp_path: Path) -> None:
    program = tmp_path / "source-broken"
    program.write_text("#!/bin/sh\necho no module named x >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    report = run(subject_of(f"path:{program}", config={}))
    assert {result.case.code for result in report.broken} == {"SP1", "CK1", "DI1", "RD9"}
    assert "no module named x" in report.broken[0].findings[0].message


def write_settings(folder: Path, settings: object) -> str:
    path = folder / "settings.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "lie",
    [
        {"connectionSpecification": {"properties": 5, "oneOf": {"a": 1}, "type": {}, "items": []}},
        {"connectionSpecification": {"properties": {"a": None, "b": [], "c": {"oneOf": [1, None], "type": 7}}}},
        {
            "connectionSpecification": {
                "type": "object",
                "required": 5,
                "properties": {"x": {"pattern": "(((", "enum": 1}},
            }
        },
    ],
)
def test_a_spec_that_is_nonsense_is_judged_all_the_same(
    lie: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_MINI_SCRIPT", write_settings(tmp_path, {"spec": lie}))
    report = report_of("spec.*")
    assert len(report.results) == 15
    assert "SP2" in {result.case.code for result in report.broken}


NONSENSE: list[Callable[[], object]] = [
    lambda: {
        "streams": [{"name": "a", "json_schema": {"properties": {"x": 5}}, "supported_sync_modes": ["full_refresh"]}]
    },
    lambda: {"streams": "none"},
    lambda: {"streams": []},
]


@pytest.mark.parametrize("make", NONSENSE)
def test_a_catalog_that_is_nonsense_is_judged_all_the_same(make: Callable[[], object]) -> None:
    report = report_of("discovery.*,read.*", discover=make())
    assert report.broken
    assert len(report.results) == len(
        [case for case in load_cases() if case.group in ("discovery", "read") and not case.is_optional]
    )


def test_secrets_of_the_config_are_in_no_evidence() -> None:
    secret = "s3cr3t-key-of-mine"
    report = report_of("RD10", api_key=secret, script=[step("noise", {"record": 1}, text=f"key {secret}")])
    assert report.broken[0].findings[0].lines
    assert secret not in json.dumps(report.as_dict())


def test_secrets_of_the_config_are_in_no_words_of_a_finding() -> None:
    secret = "s3cr3t-key-of-mine"
    streams = [stream(data=[{"id": secret, "updated_at": "2024-01-01T00:00:00Z"}])]
    report = report_of("RD2", api_key=secret, streams=streams)
    assert "****" in report.broken[0].findings[0].message
    assert secret not in json.dumps(report.as_dict())


@pytest.mark.parametrize("before", ["", "x" * 190])
def test_secrets_of_the_config_are_in_no_report_of_a_message_that_does_not_fit(before: str) -> None:
    secret = "s3cr3t-key-of-mine"
    status = {"stream_descriptor": {"name": "users"}, "status": "RUNNING", "reasons": [{"type": before + secret}]}
    trace = {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": status}
    text = json.dumps({"type": "TRACE", "trace": trace})
    report = report_of("RD10", api_key=secret, script=[step("noise", {"record": 1}, text=text)])
    for kind in ("html", "json", "junit", "sarif", "github", "table"):
        shown = reports.render(report, kind)
        assert "s3cr3t" not in shown, kind

    assert "****" in reports.render(report, "html")


def test_equal_commands_are_run_once(tmp_path: Path) -> None:
    config = source_config(path=tmp_path / "calls")
    subject = subject_of(f"path:{SOURCE_MINI}", config=config)

    async def twice() -> None:
        lab = Lab(subject)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lab.run, Job(command="check", config=config))

    anyio.run(twice)
    assert len(list((tmp_path / "calls").glob("check-*"))) == 1
