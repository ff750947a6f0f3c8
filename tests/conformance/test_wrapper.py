"""EW1: one command of a connector, as a test of one's own sees it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mini import DESTINATION_MINI, SOURCE_MINI, destination_config, source_config, step

from airbyte_exec import conformance

SPEC = '{"type":"SPEC","spec":{"connectionSpecification":{"properties":{"key":{"airbyte_secret":true}}}}}'
CRASHING = f"""#!{sys.executable}
import json, sys
if "spec" in sys.argv:
    print('{SPEC}')
    raise SystemExit
config = json.load(open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8"))
print("loading")
print('{{"type":"RECORD","record":"none"}}')
print('{{"type":"LOG","log":{{"level":"WARN","message":"the key is ' + config["key"] + '"}}}}')
raise KeyError("no such thing")
"""
CATALOG = '{"type":"CATALOG","catalog":{"streams":[]}}'


def program(folder: Path, text: str) -> conformance.Subject:
    path = folder / "source-own"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return conformance.subject_of(f"path:{path}", config={"key": "s3cr3t-of-mine"})


def test_lines_that_are_no_messages_are_logs_and_a_crash_is_an_error(tmp_path: Path) -> None:
    run = conformance.call(program(tmp_path, CRASHING), "check")
    assert [log["level"] for log in run.logs] == ["INFO", "INFO", "WARN"], "in the order in which they came"
    assert run.logs[0] == {"level": "INFO", "message": "loading"}
    (error,) = run.trace_errors
    assert [line.body["error"] for line in run.errors] == [line.body["error"] for line in run.of("TRACE")] == [error]
    assert error["message"] == "KeyError: 'no such thing'"
    assert "Traceback" in error["stack_trace"]
    assert run.exit_code == 1


def test_a_secret_of_the_config_is_not_in_what_a_test_shows(tmp_path: Path) -> None:
    run = conformance.call(program(tmp_path, CRASHING), "check")
    assert "the key is" in run.logs[-1]["message"]
    assert "s3cr3t" not in repr(run)


def test_an_error_that_told_none_says_how_it_came_to_its_end(tmp_path: Path) -> None:
    silent = program(tmp_path, f"#!{sys.executable}\nraise SystemExit(3)\n")
    assert [error["message"] for error in conformance.call(silent, "check").trace_errors] == [
        "it ended with exit code 3"
    ]
    hangs = program(tmp_path, f"#!{sys.executable}\nimport sys, time\nif 'check' in sys.argv: time.sleep(60)\n")
    stopped = conformance.call(hangs, "check", time_limit=0.5)
    assert [error["message"] for error in stopped.trace_errors] == ["it was stopped (timeout)"]


@pytest.mark.parametrize("error", ["{}", '{"stack_trace":"x"}'])
def test_an_error_that_lacks_its_message_is_an_error(error: str, tmp_path: Path) -> None:
    line = f'{{"type":"TRACE","trace":{{"type":"ERROR","emitted_at":1.0,"error":{error}}}}}'
    run = conformance.call(program(tmp_path, f"#!{sys.executable}\nprint('{line}')\n"), "check")
    assert len(run.trace_errors) == 1
    assert run.exit_code == 0


@pytest.mark.parametrize("count", [0, 2])
def test_a_catalog_must_be_written_exactly_once(count: int, tmp_path: Path) -> None:
    lines = f"print('{CATALOG}')\n" * count
    run = conformance.call(program(tmp_path, f"#!{sys.executable}\n{lines}"), "discover")
    with pytest.raises(ValueError, match=f"there are {count}"):
        _ = run.catalog


def test_a_trace_error_that_was_written_is_the_one_that_counts() -> None:
    config = source_config(script={"check": [step("trace_error"), step("exit", code=1)]})
    run = conformance.call(conformance.subject_of(f"path:{SOURCE_MINI}", config=config), "check")
    assert len(run.trace_errors) == len(run.errors) == 1


def test_a_destination_is_given_lines(tmp_path: Path) -> None:
    subject = conformance.subject_of(f"path:{DESTINATION_MINI}", config=destination_config(tmp_path))
    stream = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    configured = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    state = (
        b'{"type":"STATE","state":{"type":"STREAM","stream":'
        b'{"stream_descriptor":{"name":"users"},"stream_state":{"id":1}}}}\n'
    )
    run = conformance.call(subject, "write", catalog={"streams": [configured]}, stdin=state)
    assert [line.raw + b"\n" for line in run.states] == [state]
