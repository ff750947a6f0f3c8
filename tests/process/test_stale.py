"""Folders of runs whose process and guardian are both dead go with the next start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airbyte_exec._process import _stale, open_guard

LEFT = "airbyte-exec-" + "ab" * 16
OLD = time.time() - 3600


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a run has left, with a config in it."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / LEFT
    folder.mkdir(mode=0o700)
    (folder / "config.json").write_text("{}")
    os.utime(folder, (OLD, OLD))
    return folder


def test_what_a_dead_run_left_goes_with_the_next_start(left: Path) -> None:
    with open_guard():
        assert not left.exists()


def test_a_process_that_carries_its_mark_goes_too(left: Path) -> None:
    run = LEFT.removeprefix("airbyte-exec-")
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "AIRBYTE_EXEC_RUN": run},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as orphan:
        assert orphan.stdout is not None
        orphan.stdout.readline()
        with open_guard():
            assert orphan.wait(30) == -9

    assert not left.exists()


def test_the_folder_of_a_living_run_stays(left: Path) -> None:
    held = _stale.claim(left)
    assert held is not None
    with open_guard():
        assert left.exists()

    os.close(held)


def test_a_folder_that_was_made_just_now_stays(left: Path) -> None:
    os.utime(left)

    with open_guard():
        assert left.exists()


def test_a_link_and_a_foreign_name_stay(left: Path, tmp_path: Path) -> None:
    other = tmp_path / "airbyte-exec-notes"
    other.mkdir()
    os.utime(other, (OLD, OLD))
    link = tmp_path / ("airbyte-exec-" + "cd" * 16)
    link.symlink_to(other)

    with open_guard():
        assert other.exists()
        assert link.is_symlink()
