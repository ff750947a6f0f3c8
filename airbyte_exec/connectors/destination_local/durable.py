"""The few things a filesystem does at once and for good: a file written whole, a folder swapped, a sync."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from airbyte_exec.connectors.destination_local.failure import wrong_config

_MANY = 32
"""From so many paths on, one sync of the filesystem is cheaper than an fsync of each (about 5 ms)."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


def sync_paths(paths: Iterable[Path]) -> None:
    """Return when these files and folders are on disk. All of them lie on one filesystem."""
    wanted = list(dict.fromkeys(paths))
    if len(wanted) >= _MANY and hasattr(_libc(), "syncfs"):
        _sync_filesystem(wanted[0])
        return

    for path in wanted:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _sync_filesystem(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc().syncfs(fd):
            _raise_errno(path)
    finally:
        os.close(fd)


def swap_folders(new: Path, live: Path, aside: Path) -> None:
    """Put the folder `new` in the place of `live`; the old one is at `new` afterwards, or gone.

    A reader finds the old folder or the new one at every moment. Where the filesystem cannot exchange two names (some
    network filesystems), there is a moment without a folder, and `aside` holds the old one: see `restore_aside`.
    """
    if not live.exists():
        new.rename(live)
        return

    if _exchange(new, live):
        return

    aside.parent.mkdir(parents=True, exist_ok=True)
    live.rename(aside)
    new.rename(live)
    shutil.rmtree(aside)


def restore_aside(live: Path, aside: Path) -> None:
    """Mend a swap that was cut off where the filesystem cannot exchange two names."""
    if not aside.exists():
        return

    if live.exists():
        shutil.rmtree(aside)
    else:
        aside.rename(live)


def try_to_make(folder: Path) -> None:
    """Find out whether files can be made in a folder, or in the nearest one above it that exists.

    Raises:
        DestinationFailure: they cannot.
    """
    above = folder
    while not above.exists():
        above = above.parent

    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise wrong_config(f"{folder} cannot be written to: {error.strerror}: {above}.") from error


def _exchange(one: Path, other: Path) -> bool:
    libc = _libc()
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        result = libc.renamex_np(os.fsencode(one), os.fsencode(other), _RENAME_EXCHANGE)
    elif hasattr(libc, "renameat2"):
        result = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    else:
        return False

    if result == 0:
        return True

    if ctypes.get_errno() in _NO_EXCHANGE:
        return False

    return _raise_errno(one)


def _raise_errno(path: Path) -> bool:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), str(path))


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
