"""A command that runs on this machine, before it is started: its files, and how they are named to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from airbyte_exec.executors.base import Launch
from airbyte_exec.executors.placement import Ending, Job, LocalPlacement


def place(folder: Path, launch: Launch | None = None, **files: bytes) -> LocalPlacement:
    job = Job(command="read", files=files, folder=folder, run_id="run")
    return LocalPlacement(launch or Launch(argv=("source-x",)), job)


def test_each_file_is_named_by_its_option(tmp_path: Path) -> None:
    launch = place(tmp_path, config=b"{}", state=b"[]").prepare()

    assert launch.argv == (
        "source-x",
        "read",
        "--config",
        str(tmp_path / "config.json"),
        "--state",
        str(tmp_path / "state.json"),
    )
    assert (tmp_path / "state.json").read_bytes() == b"[]"


def test_a_file_is_named_as_the_connector_sees_it(tmp_path: Path) -> None:
    launch = place(tmp_path, Launch(argv=("x",), show_path=lambda path: f"/seen/{path.name}"), config=b"{}").prepare()

    assert launch.argv[-1] == "/seen/config.json"


def test_a_file_is_the_users_alone(tmp_path: Path) -> None:
    place(tmp_path, catalog=b"{}").prepare()

    assert (tmp_path / "catalog.json").stat().st_mode & 0o777 == 0o600


def test_a_file_is_not_written_twice(tmp_path: Path) -> None:
    placement = place(tmp_path, catalog=b"{}")
    placement.prepare()

    with pytest.raises(FileExistsError):
        placement.prepare()


def test_the_config_is_what_the_file_holds_now(tmp_path: Path) -> None:
    placement = place(tmp_path, config=b"{}")
    assert placement.config() is None

    placement.prepare()
    (tmp_path / "config.json").write_bytes(b'{"a": 1}')
    assert placement.config() == b'{"a": 1}'


def test_a_local_command_ended_as_its_child_did(tmp_path: Path) -> None:
    assert place(tmp_path).ending(-9, []) == Ending(exit_code=-9)


def test_the_cleanup_is_called_once(tmp_path: Path) -> None:
    calls: list[str] = []
    placement = place(tmp_path, Launch(argv=("x",), cleanup=lambda: calls.append("cleaned")))

    placement.close()
    placement.close()
    assert calls == ["cleaned"]
