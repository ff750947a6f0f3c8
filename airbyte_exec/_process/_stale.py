"""Removes what is left of runs whose process and guardian were both killed: at the next start, and once a process.

A run holds a lock on its folder, which the kernel frees with its process. A folder of ours that nobody locks, and that
was not made just now, is left over; so are the processes that carry its mark.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from pathlib import Path

from airbyte_exec._process import _sweep

_NAME = re.compile(r"airbyte-exec-([0-9a-f]{32})")
_YOUNG = 60.0  # seconds in which a folder may be made and not yet locked

logger = logging.getLogger(__name__)
_swept: set[tuple[int, str]] = set()


def claim(folder: Path) -> int | None:
    """Lock the folder of a run for as long as the file descriptor that is returned is open; None where that fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if _locks(descriptor):
        return descriptor

    os.close(descriptor)
    return None


def sweep_once(parent: Path) -> None:
    """Remove the folders that are left over; a second call of a process does nothing."""
    key = (os.getpid(), str(parent))
    if key in _swept:
        return

    _swept.add(key)
    for entry in os.scandir(parent):
        found = _NAME.fullmatch(entry.name)
        if found is not None and entry.is_dir(follow_symlinks=False):
            _sweep_one(Path(entry.path), found[1])


def _sweep_one(folder: Path, run_id: str) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # another user's, or gone by now
        return

    try:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or time.time() - about.st_mtime < _YOUNG or not _locks(descriptor):
            return

        logger.info("Removing %s, which a run that was killed has left.", folder)
        _sweep.kill_run(run_id)
        _sweep.remove_folder(str(folder))
    finally:
        os.close(descriptor)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False

    return True
