"""Short versions of `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process holds")


def soak(folder: Path, **amounts: int) -> None:
    told = {"row": 0, "crowd": 0, "records": 0, **amounts}
    ran = subprocess.run(
        [sys.executable, str(HERE / "soak.py"), *(f"--{name}={number}" for name, number in told.items())],
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_many_syncs_in_a_row_leave_the_process_as_it_was(tmp_path: Path) -> None:
    soak(tmp_path, row=40)


@pytest.mark.slow
def test_many_syncs_at_once_all_complete_and_take_little_memory(tmp_path: Path) -> None:
    soak(tmp_path, crowd=24)


@pytest.mark.slow
def test_a_long_sync_holds_no_more_at_its_end(tmp_path: Path) -> None:
    soak(tmp_path, records=2_000_000)
