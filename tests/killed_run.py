"""What all tests that kill a part of a sync share: the sync in a process of its own, and what it may not leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

WRITER = Path(__file__).with_name("killed_writer.py")
RUN_LIMIT = 120.0  # seconds
GONE_LIMIT = 30.0  # seconds until everything that was killed must be gone


class BrokenPromiseError(AssertionError):
    """A promise that was not kept."""


class KilledRun:
    """A sync that can be started again and again in one folder.

    Parameters:
        folder: its own.
        places: environment variables and the folders below it that they name.
    """

    def __init__(self, folder: Path, places: dict[str, str]) -> None:
        self.folder = folder
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.script = folder / "script.json"
        self._plan = folder / "plan.json"
        self._places = {name: str(folder / place) for name, place in places.items()}

    def plan(self, **plan: Any) -> None:
        """Say what is synced; `killed_writer` reads it."""
        self._plan.write_text(json.dumps(plan), encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(WRITER), str(self._plan)],
            env={**os.environ, **self._places, "TMPDIR": str(self.temp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_through(self) -> dict[str, Any]:
        process = self.start()
        output, complaints = process.communicate(timeout=RUN_LIMIT)
        if process.returncode != 0:
            raise BrokenPromiseError(f"a run that nobody disturbed failed:\n{complaints}")

        result: dict[str, Any] = json.loads(output)
        return result

    def expect_nothing_left(self) -> None:
        """No process and no file of the run may be left."""
        expect_gone(self._left, "still there")

    def _left(self) -> list[str]:
        mark = str(self.folder)
        processes = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("TMPDIR", "").startswith(mark):
                    processes.append(f"{process.pid} {process.cmdline()}")

        return [*processes, *(str(path) for path in self.temp.rglob("*"))]


def expect_gone(left: Callable[[], list[str]], what: str) -> None:
    """Wait until nothing is left.

    Raises:
        BrokenPromiseError: something stays.
    """
    end = time.monotonic() + GONE_LIMIT
    while found := left():
        if time.monotonic() > end:
            raise BrokenPromiseError(f"{what}: {found}")

        time.sleep(0.05)
