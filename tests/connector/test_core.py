"""spec, check, discover and configs, with real child processes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mini import SOURCE_MINI, last_run, runs, source_config, step, stream
from syncs import SECRET, SHORT, Lab

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.options import SessionOptions
from airbyte_exec.executors.local import PathExecutor
from airbyte_exec.executors.noop import NoOpExecutor
from airbyte_exec.sources import Source


def unknown_spec(lab: Lab, **config: Any) -> Source:
    """Return a source whose spec must be asked for."""
    return Source(PathExecutor(path=SOURCE_MINI), "source-mini", source_config(path=lab.sent, **config))


def told_to(lab: Lab, monkeypatch: pytest.MonkeyPatch, script: object) -> None:
    """Give `spec`, which has no config, its script."""
    path = lab.folder / "spec.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    monkeypatch.setenv("SOURCE_MINI_SCRIPT", str(path))


def test_the_spec_is_asked_once_and_forgotten_with_the_config(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told_to(lab, monkeypatch, {"path": str(lab.sent)})
    source = unknown_spec(lab)

    assert source.config_spec["properties"]["api_key"]["airbyte_secret"] is True
    assert source.config_spec
    assert len(runs(lab.sent, "spec")) == 1

    source.set_config(source_config(path=lab.sent, more=1), validate=False)
    assert source.config_spec
    assert len(runs(lab.sent, "spec")) == 2


def test_a_spec_after_a_log_line_is_found(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told_to(lab, monkeypatch, [step("log", "start", message="hello"), step("noise", "start", text="loading")])

    assert unknown_spec(lab).config_spec


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ({"spec": "silent"}, exc.AirbyteConnectorMissingSpecError, "without a SPEC"),
        ([step("exit", "start", code=2)], exc.AirbyteConnectorSpecFailedError, "code 2"),
        ([step("trace_error", "start", message="no spec today")], exc.AirbyteConnectorSpecFailedError, "no spec today"),
        ([step("trace_error", "end", message="x", stream="y")], exc.AirbyteConnectorSpecFailedError, "x"),
    ],
)
def test_a_spec_that_fails_says_why(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, script: object, error: type[Exception], said: str
) -> None:
    told_to(lab, monkeypatch, script)

    with pytest.raises(error, match=said):
        assert unknown_spec(lab).config_spec


def test_a_spec_that_hangs_is_stopped(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told_to(lab, monkeypatch, [step("hang", "start")])
    options = SessionOptions(limits=type(SHORT)(spec=0.4))
    source = Source(PathExecutor(path=SOURCE_MINI), "source-mini", {}, options=options)

    with pytest.raises(exc.AirbyteConnectorSpecFailedError, match="time limit `spec`"):
        assert source.config_spec


def test_a_spec_that_is_known_starts_nothing(lab: Lab) -> None:
    source = lab.source()

    assert source.config_spec["properties"]
    assert not lab.sent.exists()


def test_a_source_that_is_described_only_cannot_be_run(lab: Lab) -> None:
    source = Source(NoOpExecutor("source-mini"), "source-mini", {})

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="no_executor"):
        source.check()


def test_a_good_check_returns(lab: Lab) -> None:
    lab.source().check()

    assert last_run(lab.sent, "check").launch["argv"][-1].endswith("config.json")


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_failed_check_says_the_words_of_the_connector(lab: Lab, exit_code: int) -> None:
    source = lab.source(check={"status": "FAILED", "message": f"wrong key {SECRET}"}, api_key=SECRET)
    source = lab.source(**{**source.get_config(), "exit_code": exit_code})

    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match=r"wrong key \*\*\*\*") as caught:
        source.check()

    assert caught.value.connector_name == "source-mini"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"check": "silent"}, "without a CONNECTION_STATUS"),
        ({"check": {"status": "FAILED"}}, "gave no reason"),
        ({"script": {"check": [step("trace_error", "start", message="auth failed")]}}, "auth failed"),
        ({"script": {"check": [step("exit", "start", code=3)]}}, "code 3"),
        ({"script": {"check": [step("signal", "start", signal="SIGKILL")]}}, "SIGKILL"),
    ],
)
def test_a_check_that_is_no_success_says_why(lab: Lab, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match=said):
        lab.source(**settings).check()


def test_a_check_is_never_reused(lab: Lab) -> None:
    source = lab.source()
    source.check()
    source.check()
    lab.write(source, check=True)

    assert len(runs(lab.sent, "check")) == 3


def test_a_write_checks_both_sides_before_anything_is_read(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match="no disk"):
        lab.write(destination=lab.destination(check={"status": "FAILED", "message": "no disk"}), check=True)

    assert runs(lab.sent, "read") == []
    assert runs(lab.got, "write") == []


def test_streams_are_asked_once_and_forgotten_with_the_config(lab: Lab) -> None:
    source = lab.source(streams=[stream("users"), stream("items")])

    assert source.get_available_streams() == ["users", "items"]
    assert [found.name for found in source.discovered_catalog.streams] == ["users", "items"]
    assert len(runs(lab.sent, "discover")) == 1

    source.set_config(source_config(streams=[stream("new")], path=lab.sent))
    assert source.get_available_streams() == ["new"]


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"discover": "silent"}, exc.AirbyteConnectorMissingCatalogError, "without a CATALOG"),
        ({"script": {"discover": [step("exit", "end", code=1)]}}, exc.AirbyteConnectorDiscoverFailedError, "code 1"),
        (
            {"script": {"discover": [step("trace_error", "start", message="no rights")]}},
            exc.AirbyteConnectorDiscoverFailedError,
            "no rights",
        ),
    ],
)
def test_a_discover_that_fails_says_why(lab: Lab, settings: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        lab.source(**settings).get_available_streams()


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_callback_that_raises_fails_the_command(lab: Lab, command: str) -> None:
    class UnsavedError(Exception):
        pass

    def save(config: dict[str, Any]) -> None:
        raise UnsavedError

    script = {command: [step("control", "start", merge={"token": "two"})]}
    source = lab.source(script=script, made_with={"config_change_callback": save})

    with pytest.raises(UnsavedError):
        source.check() if command == "check" else source.get_available_streams()


def test_what_was_learnt_with_the_old_config_is_forgotten_when_the_connector_makes_a_new_one(lab: Lab) -> None:
    source = lab.source(script={"check": [step("control", "start", merge={"streams": [stream("new")]})]})

    assert source.get_available_streams() == ["users"]
    source.check()

    assert source.get_available_streams() == ["new"]


def test_a_config_that_does_not_fit_says_where_and_never_a_value(lab: Lab) -> None:
    source = lab.source()

    with pytest.raises(exc.AirbyteConnectorValidationFailedError) as caught:
        source.set_config({"api_key": 4711471147114711})

    assert "config.api_key" in str(caught.value)
    assert "4711471147114711" not in str(caught.value)
    assert "streams" in source.get_config()


def test_a_config_that_does_not_fit_stops_a_write_before_anything_runs(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteConnectorValidationFailedError, match="api_key"):
        lab.write(lab.source(api_key=4711), check=True)

    assert not lab.sent.exists()


def test_a_config_that_is_no_json_is_the_callers_mistake(lab: Lab) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="JSON"):
        lab.source(odd=object()).check()


def test_a_missing_config_is_said(lab: Lab) -> None:
    source = Source(PathExecutor(path=SOURCE_MINI), "source-mini")

    with pytest.raises(exc.AirbyteConnectorConfigurationMissingError):
        source.get_config()

    with pytest.raises(exc.AirbyteConnectorConfigurationMissingError):
        source.check()

    assert source.config_hash is None


def test_equal_configs_have_equal_hashes(lab: Lab) -> None:
    assert lab.source(a=1, b=2).config_hash == lab.source(b=2, a=1).config_hash != lab.source(a=2).config_hash


def test_a_program_that_is_not_there_is_said_at_once(lab: Lab) -> None:
    from airbyte_exec.sources import get_source

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="nowhere"):
        get_source("source-mini", {}, local_executable=lab.folder / "nowhere" / "source-mini")
