"""What a connector makes of its config, seen by what its file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airbyte_exec._connector.files import ConfigFile, same_text
from airbyte_exec.exceptions import PyAirbyteInputError


def config_file(config: dict[str, Any], path: Path) -> ConfigFile:
    path.write_text(json.dumps(config), encoding="utf-8")
    return ConfigFile(config, lambda: path.read_bytes() if path.exists() else None)


@pytest.mark.parametrize("config", [{"n": 12345678901234567890123}, {"n": float("nan")}, {"t": (1, 2)}, {"é": "😀"}])
def test_a_config_that_stays_is_no_change(tmp_path: Path, config: dict[str, Any]) -> None:
    assert config_file(config, tmp_path / "config.json").rewritten() is None


def test_a_config_that_is_written_in_another_way_is_no_change(tmp_path: Path) -> None:
    file = config_file({"a": 1, "b": "é"}, tmp_path / "config.json")
    (tmp_path / "config.json").write_text('{"b": "\\u00e9",\n "a": 1}', encoding="utf-8")

    assert file.rewritten() is None


def test_each_change_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    file = config_file({"a": 1}, path)

    path.write_text('{"a": 2}', encoding="utf-8")
    assert file.rewritten() == {"a": 2}
    assert file.rewritten() is None

    path.write_text('{"a": 3}', encoding="utf-8")
    assert file.rewritten() == {"a": 3}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_a_file_that_is_no_config_any_more_changes_nothing(tmp_path: Path, content: bytes) -> None:
    file = config_file({"a": 1}, tmp_path / "config.json")
    (tmp_path / "config.json").write_bytes(content)

    assert file.rewritten() is None


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    file = config_file({"a": 1}, tmp_path / "config.json")
    (tmp_path / "config.json").unlink()

    assert file.rewritten() is None


def test_a_command_without_config_has_none_to_change() -> None:
    assert ConfigFile(None, lambda: b'{"a": 1}').rewritten() is None


@pytest.mark.parametrize("odd", [{"a": object()}, {"a": {1, 2}}, {"a": Path("x")}, {("a",): 1}])
def test_what_json_does_not_know_is_said(odd: dict[Any, Any]) -> None:
    with pytest.raises(PyAirbyteInputError, match="JSON"):
        same_text(odd)


def test_equal_configs_have_the_same_text() -> None:
    assert same_text({"a": [1, 2], "b": None}) == same_text({"b": None, "a": (1, 2)})
    assert same_text({"a": 1}) != same_text({"a": "1"})
    assert json.loads(same_text({"a": 1})) == {"a": 1}
