"""The processes of a plan: this one is made the foster parent of whatever an attempt leaves, so nothing can hide."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def reap() -> bool:
    """Reap what has ended; return whether anything is left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False

    return True


def descendants() -> list[str]:
    """Return the pid and the command line of every process below this one."""
    found, waiting = [], [os.getpid()]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for pid in map(int, task.read_text(encoding="utf-8").split()):
                    waiting.append(pid)
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{pid} {words}")

    return found


def kill_descendants() -> None:
    """Kill every process below this one, and reap it."""
    for text in descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(text.split()[0]), signal.SIGKILL)

    while reap():
        time.sleep(0.01)


def become_foster_parent() -> None:
    """Take in whatever an attempt leaves; end with the process that started this one; leave no core files."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cpu_seconds() -> float:
    """Return what this process and all that it has reaped have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
