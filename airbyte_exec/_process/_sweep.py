"""Finds and kills what a run started, and removes its folder: for this process, and for the guardian after it.

Standard library only and no import of ours: the guardian loads this file by its path, in an interpreter without
site-packages.

A process belongs to a run if its environment carries the run's mark, if it is in the process group or session of
one of the run's children, or if it descends from such a process. The first finds grandchildren that made sessions
of their own, the second and third those that emptied their environment. Without /proc only the process groups are
known.
"""

from __future__ import annotations

import os
import stat
import time

TYPE_CHECKING = False  # `typing` costs the guardian a third of its start; checkers know this name
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Iterator, Mapping
else:
    signal = __import__("_signal")  # `signal` itself builds enums

RUN_MARK = "AIRBYTE_EXEC_RUN"
CHILD_MARK = "AIRBYTE_EXEC_CHILD"
MARK_SEPARATOR = ":"  # a connector may itself run connectors: each level appends its own mark to its parent's

SWEEP_LIMIT = 5.0  # seconds; only a process in an uninterruptible system call outlives SIGKILL for longer
_FIRST_PAUSE = 0.001  # seconds; what the kernel usually takes to end a killed process
_LONGEST_PAUSE = 0.1  # seconds
_PAGE = 4096  # bytes; a file in /proc gives less only at its end
_QUIET_SCANS = 2  # one scan can miss a process that is born, with a lower pid, while it runs


class Process:
    """One line of the process table."""

    __slots__ = ("group", "parent", "pid", "session", "start", "state")

    def __init__(self, pid: int, fields: list[bytes]) -> None:
        self.pid = pid
        self.state = fields[0]
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.start = int(fields[19])


def read_process(pid: int) -> Process | None:
    """Return the table's line of a process; None where there is none, or no /proc."""
    text = _read_proc(pid, "stat")
    return Process(pid, text[text.rindex(b")") + 2 :].split()) if text else None


def _read_proc(pid: int, name: str) -> bytes:
    """Return a file of a process; b"" where it is gone, or another user's."""
    # Neither a file object nor a large buffer: either doubles the time of a scan.
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""

    parts = []
    try:
        while len(part := os.read(fd, _PAGE)) == _PAGE:
            parts.append(part)

        parts.append(part)
    except OSError:
        pass
    finally:
        os.close(fd)

    return b"".join(parts)


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot: with the pid it names a process for good."""
    process = read_process(pid)
    return None if process is None else process.start


def is_marked(pid: int, marks: Collection[str]) -> bool:
    """Return whether the environment that a process began with carries one of the marks."""
    environ = _read_proc(pid, "environ")
    wanted = [mark.encode() for mark in marks]
    if not any(mark in environ for mark in wanted):
        return False

    names = (RUN_MARK.encode() + b"=", CHILD_MARK.encode() + b"=")
    values = [entry.partition(b"=")[2] for entry in environ.split(b"\0") if entry.startswith(names)]
    return any(mark in value.split(MARK_SEPARATOR.encode()) for value in values for mark in wanted)


def find(marks: Collection[str], leaders: Mapping[int, int | None], since: int = 0) -> list[Process]:
    """Return the living processes that belong to the marks or to the groups of `leaders` (pid to start time).

    Parameters:
        since: the start time of the first process that can carry a mark; reading environments is most of the work.
    """
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - pathlib is too slow to import in the guardian
    except OSError:
        return []

    table = [read_process(int(name)) for name in names if name.isdecimal()]
    alive = {process.pid: process for process in table if process and process.state not in (b"Z", b"X")}
    alive.pop(os.getpid(), None)
    groups = {pid for pid, start in leaders.items() if is_same(pid, start)}
    found = {
        pid
        for pid, process in alive.items()
        if process.group in groups or process.session in groups or (process.start >= since and is_marked(pid, marks))
    }

    children: dict[int, list[int]] = {}
    for process in alive.values():
        children.setdefault(process.parent, []).append(process.pid)

    unseen = [*found, *groups]
    while unseen:
        for pid in children.get(unseen.pop(), ()):
            if pid not in found:
                found.add(pid)
                unseen.append(pid)

    return [alive[pid] for pid in found]


def is_same(pid: int, start: int | None) -> bool:
    """Return whether `pid` can still be the process that began at `start`.

    A leader that is gone counts: the kernel gives its number to nobody while its group or session has a member.
    """
    process = read_process(pid)
    return process is None or start is None or process.start == start


def kill_round(marks: Collection[str], leaders: Mapping[int, int | None], since: int = 0) -> int:
    """Send SIGKILL to all that belongs to the marks and leaders; return how many processes there were to kill."""
    for pid, start in leaders.items():
        if is_same(pid, start):
            signal_group(pid, signal.SIGKILL)

    return sum(_kill(process) for process in find(marks, leaders, since))


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group; one that is gone, or is another user's by now, is left alone."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def _kill(process: Process) -> bool:
    """Return False for a process that we may not kill: waiting for it would be in vain."""
    try:
        handle = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    except ProcessLookupError:
        return True
    except OSError:  # no such system call here, or no file descriptor left
        handle = None

    try:
        if start_time(process.pid) == process.start:
            if handle is None:
                os.kill(process.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    finally:
        if handle is not None:
            os.close(handle)

    return True


class KillRounds:
    """Kills in rounds until nothing is found twice in a row, or time is over.

    To be iterated over: it gives the pause before each next round, so that an event loop and a plain process wait in
    their own way.

    Parameters:
        marks: of the processes, with `leaders` and `since` as `find` takes them.
        seconds: how long it goes on.
    """

    def __init__(
        self,
        marks: Collection[str],
        leaders: Mapping[int, int | None],
        *,
        since: int = 0,
        seconds: float = SWEEP_LIMIT,
    ) -> None:
        self._marks, self._leaders, self._since, self._seconds = marks, leaders, since, seconds
        self.found_none = False
        """Whether it ended because nothing is left."""

    def __iter__(self) -> Iterator[float]:
        end = time.monotonic() + self._seconds
        pause, quiet = _FIRST_PAUSE, 0
        while True:
            if kill_round(self._marks, self._leaders, self._since):
                quiet = 0
                yield pause
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                quiet += 1

            self.found_none = quiet == _QUIET_SCANS
            if self.found_none or time.monotonic() > end:
                return


def kill_run(run_id: str, leaders: Mapping[int, int | None] | None = None, seconds: float = SWEEP_LIMIT) -> None:
    """Kill every process of a run; returns when two scans in a row found none, or after `seconds`."""
    for pause in KillRounds([run_id], leaders or {}, seconds=seconds):
        time.sleep(pause)


def remove_folder(path: str) -> bool:
    """Remove a run's folder, also what a connector made unreadable in it; return whether it is gone."""
    import shutil  # the guardian needs it only at its end

    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True

    # A link, or another user's folder of that name, is not what the run made.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False

    _make_writable(path)
    shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def _make_writable(path: str) -> None:
    try:
        os.chmod(path, stat.S_IRWXU)  # noqa: PTH101 - as above
    except OSError:
        return

    for _, folders, _, place in os.fwalk(path, follow_symlinks=False):
        for name in folders:
            try:
                if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
                    os.chmod(name, stat.S_IRWXU, dir_fd=place)
            except OSError:
                continue
