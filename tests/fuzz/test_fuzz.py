"""A short run of `make fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.fuzz import HEAVY

HERE = Path(__file__).parent


def fuzz(*arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(HERE / "fuzz.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_mutated_output_is_what_json_says() -> None:
    fuzz("--number", "3000")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_output_takes_bounded_time_and_memory(name: str) -> None:
    fuzz("--heavy", name)
