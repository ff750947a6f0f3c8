"""The files of a connector, and what it makes of its config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_exec._connector.files import ConnectorFiles, same_text
from airbyte_exec.exceptions import PyAirbyteInputError


def test_a_file_is_the_users_alone(tmp_path: Path) -> None:
    path = ConnectorFiles(tmp_path).add("catalog.json", b"{}")

    assert path.read_bytes() == b"{}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_not_written_twice(tmp_path: Path) -> None:
    files = ConnectorFiles(tmp_path)
    files.add("catalog.json", b"{}")

    with pytest.raises(FileExistsError):
        files.add("catalog.json", b"{}")


@pytest.mark.parametrize("config", [{"n": 12345678901234567890123}, {"n": float("nan")}, {"t": (1, 2)}, {"é": "😀"}])
def test_a_config_that_stays_is_no_change(tmp_path: Path, config: dict[str, Any]) -> None:
    files = ConnectorFiles(tmp_path)
    files.add_config(config)

    assert files.rewritten_config() is None


def test_a_config_that_is_written_in_another_way_is_no_change(tmp_path: Path) -> None:
    files = ConnectorFiles(tmp_path)
    files.add_config({"a": 1, "b": "é"}).write_text('{"b": "\\u00e9",\n "a": 1}', encoding="utf-8")

    assert files.rewritten_config() is None


def test_each_change_is_seen_once(tmp_path: Path) -> None:
    files = ConnectorFiles(tmp_path)
    path = files.add_config({"a": 1})

    path.write_text('{"a": 2}', encoding="utf-8")
    assert files.rewritten_config() == {"a": 2}
    assert files.rewritten_config() is None

    path.write_text('{"a": 3}', encoding="utf-8")
    assert files.rewritten_config() == {"a": 3}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_a_file_that_is_no_config_any_more_changes_nothing(tmp_path: Path, content: bytes) -> None:
    files = ConnectorFiles(tmp_path)
    files.add_config({"a": 1}).write_bytes(content)

    assert files.rewritten_config() is None


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    files = ConnectorFiles(tmp_path)
    files.add_config({"a": 1}).unlink()

    assert files.rewritten_config() is None


def test_a_command_without_config_has_none_to_change(tmp_path: Path) -> None:
    assert ConnectorFiles(tmp_path).rewritten_config() is None


@pytest.mark.parametrize("odd", [{"a": object()}, {"a": {1, 2}}, {"a": Path("x")}, {("a",): 1}])
def test_what_json_does_not_know_is_said(odd: dict[Any, Any]) -> None:
    with pytest.raises(PyAirbyteInputError, match="JSON"):
        same_text(odd)


def test_equal_configs_have_the_same_text() -> None:
    assert same_text({"a": [1, 2], "b": None}) == same_text({"b": None, "a": (1, 2)})
    assert same_text({"a": 1}) != same_text({"a": "1"})
    assert json.loads(same_text({"a": 1})) == {"a": 1}
