"""What the rules for sources catch, and what they let pass: subjects that are scripted, and programs of a few lines."""

from __future__ import annotations

import json

import pytest
from mini import SOURCE_MINI, source_config, step, stream

from airbyte_exec.conformance import Report, run, subject_of

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
