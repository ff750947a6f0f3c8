from __future__ import annotations

import os

import pytest

from airbyte_exec._connector.environment import ALWAYS, PLATFORM, connector_environment
from airbyte_exec.secrets import util


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "_fetched", {})


def test_all_of_our_variables_are_passed_on() -> None:
    assert connector_environment("read").items() >= (os.environ | PLATFORM).items()


def test_what_the_platform_sets_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_CHANNEL_MEDIUM", "SOCKET")

    assert connector_environment("read")["DATA_CHANNEL_MEDIUM"] == "STDIO"


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
def test_the_operation_is_told_where_the_platform_tells_it(command: str) -> None:
    assert connector_environment(command)["OPERATION_TYPE"] == command.upper()


@pytest.mark.parametrize("command", ["read", "write"])
def test_a_sync_has_no_operation_type(command: str) -> None:
    assert "OPERATION_TYPE" not in connector_environment(command)


def test_an_allow_list_leaves_what_programs_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("WANTED", "1")

    found = connector_environment("read", allowed={"WANTED"})

    assert found["WANTED"] == "1"
    assert found["LANG"] == "C.UTF-8"
    assert found.keys() <= {"WANTED"} | ALWAYS | PLATFORM.keys()


def test_secrets_are_never_passed_on_not_even_where_they_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "secret-1")
    monkeypatch.setenv("OF_ANOTHER", "secret-2")
    util.remember("OF_ANOTHER", "secret-2")

    found = connector_environment("read", allowed={"MINE", "OF_ANOTHER"}, secret={"MINE"})

    assert found.keys().isdisjoint({"MINE", "OF_ANOTHER"})
