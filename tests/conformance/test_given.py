"""What an author gives beside a connector is read and checked before anything is run: else it is wrong usage."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from mini import SOURCE_MINI, source_config

from airbyte_exec.cli import main
from airbyte_exec.conformance import load_cases, run, subject_of

ORDERS = Path(__file__).parents[2] / "examples" / "source-orders"
STREAM = {"name": "customers", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
SPEC = {"connectionSpecification": {"type": "object", "properties": {"gone": {"type": "string"}}}}


def verdict(*options: str) -> int:
    return main(["conformance", f"path:{ORDERS}", "--config", "{}", "-q", *options])


@pytest.mark.parametrize(
    "options",
    [
        ("--catalog", "{}"),
        ("--catalog", json.dumps({"streams": 5})),
        ("--catalog", json.dumps({"streams": [STREAM]})),
        ("--spec", "{}"),
        ("--previous", "{}"),
        ("--previous", json.dumps({"streams": [{"x": 1}]})),
        ("--previous", "nowhere.json"),
        ("--previous", "path:/bin/true"),
        ("--at-once", "0"),
        ("--longest-text", "0"),
        ("--longest-text", "much"),
    ],
)
def test_what_is_not_what_it_should_be_is_wrong_usage(options: tuple[str, str]) -> None:
    assert verdict("--rules", "SP1", *options) == 2


def test_expected_records_must_be_records(tmp_path: Path) -> None:
    path = tmp_path / "expected.jsonl"
    path.write_text('{"stream": "customers", "data": [1]}\n', encoding="utf-8")
    assert verdict("--rules", "SP1", "--expected-records", str(path)) == 2


@pytest.mark.parametrize("wrapped", [SPEC, {"type": "SPEC", "spec": SPEC}, {"status": "succeeded", "result": SPEC}])
def test_a_spec_is_taken_plain_as_a_message_and_as_the_command_line_prints_it(
    wrapped: object, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verdict("--rules", "SP15", "--previous", json.dumps(wrapped)) == 1
    assert "gone: it is gone" in capfd.readouterr().out
    assert verdict("--rules", "SP3", "--spec", json.dumps(wrapped)) == 1
    assert "type is not what the stored spec says" not in capfd.readouterr().out


def test_an_earlier_version_is_asked_and_is_of_the_same_kind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    earlier = tmp_path / "orders-0.9"
    earlier.write_text(ORDERS.read_text(encoding="utf-8").replace('"customer_id"', '"client_id"'), encoding="utf-8")
    earlier.chmod(0o755)
    assert verdict("--rules", "*.compatible", "--previous", f"path:{earlier}") == 1
    said = capfd.readouterr().out
    assert "client_id" in said
    assert "1 pass, 1 fail" in said


def test_an_earlier_version_that_says_nothing_tells_why_and_no_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "orders-0.9"
    earlier.write_text(
        '#!/bin/sh\necho no module named $1 >&2\n[ $1 = spec ] || cat "$3" >&2\nexit 3\n', encoding="utf-8"
    )
    earlier.chmod(0o755)
    options = ("--rules", "*.compatible", "--previous", f"path:{earlier}")
    assert verdict(*options, "--config", json.dumps({"api_key": "s3cr3t-key"})) == 2
    said = capfd.readouterr().err
    assert "neither a SPEC nor a CATALOG: `spec` ended with exit code 3 (no module named spec); `discover`" in said
    assert "s3cr3t-key" not in said
    assert verdict("--rules", "*.compatible", "--previous", "path:/nowhere/source-old") == 2
    assert "/nowhere/source-old" in capfd.readouterr().err


def test_what_the_suite_cannot_judge_breaks_its_rule_and_not_the_others() -> None:
    subject = subject_of(f"path:{SOURCE_MINI}", config=source_config(), expected_records=({"stream": "users"},))
    report = run(subject, rules="read.*,SP1")
    assert len(report.results) == 1 + len([c for c in load_cases() if c.group == "read" and not c.is_optional])
    (broken,) = (result for result in report.broken if result.case.code == "RD6")
    assert "cannot be judged: KeyError" in broken.findings[0].message
    assert broken.findings[0].run is not None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"config": source_config(), "catalog": {"streams": [{}]}}, "KeyError: 'stream'"),
        ({"config": source_config(start=date(2024, 1, 31))}, "TypeError: Object of type date is not JSON serializable"),
    ],
)
def test_what_the_suite_cannot_run_is_no_breach_of_the_connector(given: dict[str, Any], reason: str) -> None:
    report = run(subject_of(f"path:{SOURCE_MINI}", **given), rules="RD1,SP1")
    assert [(result.status, result.reason) for result in report.results] == [
        ("pass", None),
        ("error", f"the suite could not run it: {reason}"),
    ]
    assert report.exit_code == 1, "nobody knows whether the rule is kept"


def test_a_place_of_ours_that_cannot_be_written_to_is_no_breach_of_the_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "file" / "logs"))
    report = run(subject_of(f"path:{SOURCE_MINI}", config=source_config()), rules="SP1,CK1,RD1,IN4")
    assert {result.status for result in report.results} == {"error"}
    assert all("cannot be written" in (result.reason or "") for result in report.results)
    assert report.exit_code == 1
