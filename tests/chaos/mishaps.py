"""What goes wrong at our own side, within the process of an attempt: at a step of ours, or from its start on."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import threading
import time
from pathlib import Path
from typing import Any

from plan import Fault

from airbyte_exec import _crashpoints


def let_fail(faults: tuple[Fault, ...]) -> None:
    """Prepare this process for the faults that are its own."""
    for fault in faults:
        if isinstance(fault.when, dict) and "point" in fault.when:
            _stop_at(fault)
        elif fault.what == "clock_jump":
            _jump(fault.how["by"])


def _jump(seconds: float) -> None:
    real = time.time
    time.time = lambda: real() + seconds


def _stop_at(fault: Fault) -> None:
    """Let something happen when a point is reached for the n-th time."""
    wanted, left = fault.when["point"], fault.when["turn"]
    actions = {"killed_at_a_step": _die, "disk_full": _fill_up, "guardian_killed": _kill_guardian}
    action = actions.get(fault.what, _die)
    if fault.what == "power_cut":
        action = _Disk(Path("project/.cache/state").absolute()).lose_power

    lock = threading.Lock()

    def reached(point: str) -> None:
        nonlocal left
        if point == wanted:
            with lock:
                left -= 1
                strikes = left == 0

            if strikes:
                Path("struck").write_text(point, encoding="utf-8")
                action(point)

    _crashpoints.reached = reached


def _die(_point: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Disk:
    """A folder as it is after a power cut: without what nobody made durable.

    A file whose content was not synced is empty; a name that was made or changed since its folder was synced is what it
    was then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced = {path.stat().st_ino for path in folder.glob("*.json")}
        self._durable = self._content()
        self._sync = os.fsync
        os.fsync = self._fsync

    def _fsync(self, file: Any) -> None:
        self._sync(file)
        found = os.fstat(file)
        if not stat.S_ISDIR(found.st_mode):
            self._synced.add(found.st_ino)
        elif self._folder.exists() and os.path.samestat(found, self._folder.stat()):
            self._durable = self._content()

    def _content(self) -> dict[Path, bytes]:
        files = self._folder.iterdir() if self._folder.exists() else ()
        return {
            path: path.read_bytes() if path.stat().st_ino in self._synced else b""
            for path in files
            if path.suffix == ".json"
        }

    def lose_power(self, point: str) -> None:
        """Put the folder back to what is durable, and die."""
        for path in self._content():
            if path not in self._durable:
                path.unlink()

        for path, content in self._durable.items():
            path.write_bytes(content)

        _die(point)


def _fill_up(point: str) -> None:
    if point.startswith("cache."):
        import duckdb

        raise duckdb.IOException("No space left on device")

    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _kill_guardian(_point: str) -> None:
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text(encoding="utf-8").split():
            with contextlib.suppress(OSError):
                if b"_guardian_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
