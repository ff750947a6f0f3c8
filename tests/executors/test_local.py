from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.executors import PathExecutor, resolve_executor

SCRIPT = "#!/bin/sh\necho hello\n"


def write(path: Path, text: str = SCRIPT, mode: int = 0o755) -> Path:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


def test_an_executable_by_path_is_launched_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = write(tmp_path / "source-x")
    monkeypatch.chdir(tmp_path)

    for given in (program, "./source-x", str(program)):
        launch = resolve_executor("source-x", local_executable=given).launch()
        assert launch.argv == (str(program),)
        assert subprocess.check_output(launch.argv) == b"hello\n"


def test_an_executable_is_found_on_path_by_name_or_by_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = write(tmp_path / "source-x")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    for given in ("source-x", True, Path("source-x")):
        assert resolve_executor("source-x", local_executable=given).launch().argv == (str(program),)

    assert isinstance(resolve_executor("source-x"), PathExecutor)


def test_a_later_change_of_the_working_directory_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "source-x")
    monkeypatch.chdir(tmp_path)
    executor = resolve_executor("source-x", local_executable="./source-x")
    monkeypatch.chdir("/")
    assert executor.launch().argv == (str(tmp_path / "source-x"),)


@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        pytest.param(SCRIPT, 0o644, "not executable", id="no execute bit"),
        pytest.param("echo hello\n", 0o755, "without a `#!` line", id="no interpreter line"),
        pytest.param("#!/nowhere/python\n", 0o755, "interpreter /nowhere/python does not exist", id="interpreter gone"),
        pytest.param("#!/bin/sh\r\necho\r\n", 0o755, "carriage return", id="windows line ends"),
        pytest.param("#!/usr/bin/env nosuchprogram\n", 0o755, "nosuchprogram is not on PATH", id="env finds nothing"),
        pytest.param("#!\n", 0o755, "names no interpreter", id="empty interpreter line"),
        pytest.param("", 0o755, "empty", id="empty file"),
    ],
)
def test_a_file_that_the_kernel_would_refuse_is_an_error_at_once(
    tmp_path: Path, text: str, mode: int, fault: str
) -> None:
    program = write(tmp_path / "source-x", text, mode)

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match=fault) as caught:
        resolve_executor("source-x", local_executable=program)

    assert caught.value.connector_name == "source-x"
    assert str(program) in str(caught.value)


def test_a_missing_file_is_an_error_that_names_the_near_ones(tmp_path: Path) -> None:
    write(tmp_path / "source-postgres")

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="does not exist") as caught:
        resolve_executor("source-x", local_executable=str(tmp_path / "source-postgre"))

    assert "source-postgres" in str(caught.value)


def test_a_name_that_is_not_on_path_is_an_error_that_names_the_near_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "source-postgres")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="on PATH") as caught:
        resolve_executor("source-x", local_executable="source-postgre")

    assert "source-postgres" in str(caught.value)


def test_a_folder_and_a_dangling_link_have_messages_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="a folder"):
        resolve_executor("source-x", local_executable=tmp_path)

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="link"):
        resolve_executor("source-x", local_executable=tmp_path / "link")


def test_an_executable_that_vanishes_after_it_was_found_is_an_error_when_it_is_launched(tmp_path: Path) -> None:
    program = write(tmp_path / "source-x")
    executor = resolve_executor("source-x", local_executable=program)
    program.unlink()

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError):
        executor.launch()

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError):
        executor.ensure_installation()


def test_a_local_executable_is_not_ours_to_install_or_remove(tmp_path: Path) -> None:
    executor = resolve_executor("source-x", local_executable=write(tmp_path / "source-x"))

    for action in (executor.install, executor.uninstall):
        with pytest.raises(exc.AirbyteConnectorInstallationError, match="not managed"):
            action()

    assert executor.get_installed_version() is None

    with pytest.raises(exc.AirbyteConnectorInstallationError):
        executor.get_installed_version(raise_on_error=True)
