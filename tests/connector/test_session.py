"""What a connector is given, and what is gone afterwards."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from mini import after_record, last_run, step
from syncs import SECRET, Lab

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.options import SessionOptions
from airbyte_exec.secrets import util


def test_files_are_the_users_alone_and_writable_and_gone_afterwards(lab: Lab) -> None:
    lab.write()

    for run in (lab.read, lab.written):
        files = run.launch["files"].values()
        assert {"config", "catalog"} == run.launch["files"].keys()
        assert {(file["mode"], file["folder_mode"], file["writable"]) for file in files} == {("0o600", "0o700", True)}
        assert not any(Path(file["path"]).exists() for file in files)


def test_secrets_reach_no_argument(lab: Lab) -> None:
    lab.write(lab.source(api_key=SECRET))

    assert SECRET not in " ".join(lab.read.launch["argv"])
    assert lab.read.config["api_key"] == SECRET


def test_a_connector_gets_our_environment_and_what_the_platform_sets(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_USER", "1")

    lab.write(check=True)

    env = lab.read.launch["env"]
    assert env["OF_THE_USER"] == "1"
    assert env["USE_STREAM_CAPABLE_STATE"] == "true"
    assert (env["DATA_CHANNEL_MEDIUM"], env["DATA_CHANNEL_FORMAT"]) == ("STDIO", "JSONL")
    assert env["DEPLOYMENT_MODE"] == "OSS"
    assert "OPERATION_TYPE" not in env
    assert last_run(lab.sent, "check").launch["env"]["OPERATION_TYPE"] == "CHECK"


def test_the_environment_can_be_narrowed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANTED", "1")
    monkeypatch.setenv("UNWANTED", "1")

    lab.write(environment=frozenset({"WANTED"}), check=True)

    for run in (lab.read, lab.written, last_run(lab.sent, "discover"), last_run(lab.got, "check")):
        env = run.launch["env"]
        assert env["WANTED"] == "1"
        assert "UNWANTED" not in env
        assert env["PATH"] == os.environ["PATH"]
        assert env["USE_STREAM_CAPABLE_STATE"] == "true"


def test_what_a_source_was_made_with_counts_where_a_write_says_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNWANTED", "1")

    lab.write(lab.source(made_with={"options": SessionOptions(environment=frozenset())}))

    assert "UNWANTED" not in lab.read.launch["env"]
    assert "UNWANTED" in lab.written.launch["env"]


def test_a_variable_that_a_secret_came_from_reaches_neither_connector(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(util, "_fetched", {})
    monkeypatch.setenv("THE_KEY", SECRET)

    lab.write(lab.source(api_key="secret_reference::THE_KEY"), check=True)

    assert lab.read.config["api_key"] == SECRET
    for run in (lab.read, lab.written, last_run(lab.got, "check"), last_run(lab.sent, "discover")):
        assert "THE_KEY" not in run.launch["env"]
        assert SECRET not in json.dumps(run.launch)


def test_a_secret_that_nobody_has_stops_before_anything_runs(lab: Lab) -> None:
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="NO_SUCH_SECRET"):
        lab.write(lab.source(api_key="secret_reference::NO_SUCH_SECRET"))

    assert not lab.got.exists()


def test_a_config_keeps_its_references(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "_fetched", {})
    monkeypatch.setenv("THE_KEY", SECRET)
    source = lab.source(api_key="secret_reference::THE_KEY")
    lab.write(source)

    assert source.get_config()["api_key"] == "secret_reference::THE_KEY"
    monkeypatch.setenv("THE_KEY", "another-secret")
    assert lab.write(source).processed_records == 0


def test_silence_on_stderr_leaves_no_log_file(lab: Lab) -> None:
    lab.write()

    assert list((lab.folder / "logs").rglob("*.log")) == []


def test_all_of_stderr_is_in_a_file_that_the_error_names(lab: Lab) -> None:
    lines = "".join(f"line {n}\n" for n in range(2000))
    script = [step("stderr", after_record(5), text=lines), step("exit", after_record(5), code=1)]

    error = lab.failure(lab.source(script=script))

    assert error.log_file is not None
    assert error.log_file.read_text(encoding="utf-8") == lines
    assert error.stderr_tail[-1] == "line 1999"
    assert error.log_file.parent.stat().st_mode & 0o077 == 0


def test_the_words_of_a_connector_go_to_its_own_logger(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    script = [
        step("log", after_record(1), message="at 1", level="DEBUG"),
        step("log", after_record(3), message="at 3", level="FATAL"),
        step("noise", after_record(4), text="plain"),
    ]

    with caplog.at_level(logging.DEBUG):
        lab.write(lab.source(script=script))

    found = {record.getMessage(): (record.name, record.levelname) for record in caplog.records}
    assert found["at 1"] == ("airbyte_exec.connector.source-mini", "DEBUG")
    assert found["at 3"] == ("airbyte_exec.connector.source-mini", "CRITICAL")
    assert found["plain"] == ("airbyte_exec.connector.source-mini", "INFO")


def test_estimates_are_seen_while_the_sync_runs(lab: Lab) -> None:
    seen: list[dict[Any, int]] = []
    source = lab.source(script=[step("estimate", after_record(1), stream="users", rows=100)])

    lab.write(source, on_progress=lambda progress: seen.append(dict(progress.estimates)))

    assert list(seen[-1].values()) == [100]


def test_a_connector_that_dies_while_its_config_is_rewritten_is_no_change(lab: Lab) -> None:
    told: list[dict[str, Any]] = []
    script = {"read": [step("rewrite_config", after_record(5), merge={"token": "two"}), step("exit", "end", code=1)]}
    source = lab.source(script=script, made_with={"config_change_callback": told.append})

    error = lab.failure(source)

    assert error.exit_code == 1
    assert [config["token"] for config in told] == ["two"]


def test_many_trace_errors_are_cut_in_an_error(lab: Lab) -> None:
    error = lab.failure(lab.source(script=[step("trace_error", after_record(5), message="again", times=25)]))

    assert len(error.trace_messages) == 11
    assert "15 more" in error.trace_messages[-1]
