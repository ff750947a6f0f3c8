"""A connector in a folder is installed and tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mini import SOURCE_MINI, source_config, stream
from wheels import write_slow_project

from airbyte_exec import exceptions as exc
from airbyte_exec.validate import run, validate

MAIN = f"""
import os, sys

def main():
    os.execv(sys.executable, [sys.executable, {str(SOURCE_MINI)!r}, *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def connector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with a space") / "source-slow"
    write_slow_project(folder, begun=folder / "never", go=folder / "never", main=MAIN)
    (folder / "metadata.yaml").write_text("data: {dockerRepository: airbyte/source-slow}\n", encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", "0")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "logs"))


def config(folder: Path, **more: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(source_config(**more)), encoding="utf-8")
    return path


def test_a_source_that_works_is_fine(connector: Path, tmp_path: Path) -> None:
    first_is_empty = config(tmp_path, streams=[stream("empty", records=0), stream("users", records=3)])
    validate(connector, first_is_empty)


def test_a_source_without_any_record_is_not(connector: Path, tmp_path: Path) -> None:
    with pytest.raises(exc.AirbyteNoDataFromConnectorError, match="No stream of source-slow"):
        validate(str(connector), str(config(tmp_path, streams=[stream(records=0)])))


def test_the_command_says_what_a_connector_fails_at(
    connector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = config(tmp_path, check={"status": "FAILED", "message": "no such account"})
    with pytest.raises(SystemExit) as caught:
        run(["--connector-dir", str(connector), "--sample-config", str(failing)])

    assert caught.value.code == 1
    assert "no such account" in capsys.readouterr().err


def test_an_installation_alone_needs_no_config(connector: Path) -> None:
    run(["--connector-dir", str(connector), "--validate-install-only"])


def test_what_is_missing_is_told_before_anything_is_installed(connector: Path, tmp_path: Path) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="A config is needed"):
        validate(connector)

    with pytest.raises(exc.PyAirbyteInputError, match=r"metadata\.yaml does not name a connector"):
        validate(tmp_path, validate_install_only=True)
