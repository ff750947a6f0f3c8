"""One run at a time on a pair: a lock that lies with the state, for the length of a run.

It is a file under `flock`: the kernel lets go of it when its holder dies, however that dies, and a new process that got
the holder's number means nothing. The file says who holds it, for the one who is refused. Where `flock` says nothing
for sure (between machines that share a folder, or where a fork of a dead holder keeps the file open), what is
written there decides: a holder on this machine by its process, one on another machine by how long ago it gave a sign.

Taking and leaving it happen under a short lock of the folder itself, so that the file can be removed: nothing stays.
What a killed holder leaves is a file that locks nothing, and the next run on the pair removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from airbyte_exec._process._sweep import start_time
from airbyte_exec._state.folders import make_private_folder
from airbyte_exec._state.store import Pair
from airbyte_exec.exceptions import PyAirbyteStateError, PyAirbyteStateInUseError

SIGN_EVERY = 20.0  # seconds between two signs of life of a holder
SILENT_FOR = 120.0  # seconds without a sign after which a holder on another machine counts as dead
_FOLDER_WAIT = 10.0  # seconds; the folder is locked for milliseconds
_LOOK_EVERY = 0.02  # seconds
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class LockPlace:
    """Where a store keeps the locks of its pairs.

    Parameters:
        folder: a folder that all users of the store see.
        scope: tells stores apart that lie in one folder.
    """

    folder: Path
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Parameters:
        pid: its process.
        host: the name of its machine.
        since: when it took the lock, in seconds since the epoch.
        started: when the process began, in clock ticks since boot; None where that cannot be told.
        machine: the boot and the space in which the pid counts.
    """

    pid: int
    host: str
    since: float
    started: int | None
    machine: str

    @classmethod
    def of_this_process(cls) -> Holder:
        """Return this process as a holder from now on."""
        pid = os.getpid()
        return cls(pid, socket.gethostname(), time.time(), start_time(pid), _machine())

    @property
    def is_here(self) -> bool:
        """Whether its pid is one of this machine."""
        return self.machine == _machine()

    @property
    def is_alive(self) -> bool:
        """Whether its process is there; only for one that `is_here`."""
        if self.started is not None:
            return start_time(self.pid) == self.started

        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True

        return True


class RunLock:
    """The lock of a pair, taken and left by one object in one process. All methods block.

    Parameters:
        place: where the store keeps its locks.
        pair: the pair, under the keys that it is saved by.
    """

    def __init__(self, place: LockPlace, pair: Pair) -> None:
        told = [place.scope, pair.source_name, pair.destination_name, pair.source_key, pair.destination_key]
        self.path = place.folder / f".{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]}.run"
        self._pair = pair
        self._file: int | None = None
        self._owner = 0

    def acquire(self) -> None:
        """Take the lock, also from a holder that is dead.

        Raises:
            PyAirbyteStateInUseError: another run holds it.
            PyAirbyteStateError: the folder cannot be used.
        """
        try:
            make_private_folder(self.path.parent)
            with _folder_locked(self.path.parent):
                self._file = self._take()
                self._owner = os.getpid()
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, json.dumps(asdict(Holder.of_this_process())).encode(), 0)
        except OSError as error:
            raise PyAirbyteStateError(message=f"The lock {self.path} cannot be taken: {error}") from error

    def give_sign(self) -> None:
        """Say that the holder lives."""
        if self._file is not None:
            with suppress(OSError):
                os.utime(self._file)

    def release(self) -> None:
        """Leave the lock; a second time does nothing."""
        file, self._file = self._file, None
        if file is None:
            return

        try:
            if self._owner == os.getpid():  # a fork only closes its copy
                with suppress(OSError), _folder_locked(self.path.parent):
                    if _is_same(file, self.path):
                        self.path.unlink()
        finally:
            os.close(file)

    def _take(self) -> int:
        file = self._open()
        try:
            locked = _flock(file)
            holder = _read(file)
            if locked is True and (holder is None or holder.is_here or self._is_silent(file)):
                return file

            if holder is not None and self._is_dead(holder, file, locked=locked):
                self.path.unlink(missing_ok=True)
                os.close(file)
                file = self._open()
                _flock(file)
                return file

            if locked is None and holder is None:
                return file

            raise self._refusal(holder)
        except BaseException:
            os.close(file)
            raise

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)

    def _is_dead(self, holder: Holder, file: int, *, locked: bool | None) -> bool:
        if holder.is_here:  # a fork of it may still hold the file
            return not holder.is_alive

        return locked is None and self._is_silent(file)

    def _is_silent(self, file: int) -> bool:
        """Say whether the holder has given no sign for long, by the clock of the file system."""
        signed = os.fstat(file).st_mtime
        probe = self.path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            os.utime(descriptor)
            return os.fstat(descriptor).st_mtime - signed > SILENT_FOR
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)

    def _refusal(self, holder: Holder | None) -> PyAirbyteStateInUseError:
        pair = f"{self._pair.source_name} and {self._pair.destination_name or 'this cache'}"
        if holder is None:
            return PyAirbyteStateInUseError(message=f"Another run works on {pair}.", lock_file=self.path)

        age = max(0.0, time.time() - holder.since)
        return PyAirbyteStateInUseError(
            message=f"Another run works on {pair}: process {holder.pid} on {holder.host}, for {_in_words(age)}.",
            guidance="Wait for it, or end it. Two runs at once would each move the state past rows of the other."
            + ("" if holder.is_here else f" Should that machine be dead: its lock counts {SILENT_FOR:.0f} s longer."),
            holder_pid=holder.pid,
            holder_host=holder.host,
            holder_seconds=round(age, 3),
            lock_file=self.path,
        )


def _flock(file: int) -> bool | None:
    """Take the lock of a file; None where its file system knows no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None

    return True


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _FOLDER_WAIT
        while _flock(descriptor) is False:
            if time.monotonic() > end:
                raise TimeoutError(f"another process holds the folder {folder}")

            time.sleep(_LOOK_EVERY)

        yield
    finally:
        os.close(descriptor)


def _read(file: int) -> Holder | None:
    try:
        told = json.loads(os.pread(file, 4096, 0))
        return Holder(int(told["pid"]), str(told["host"]), float(told["since"]), told["started"], str(told["machine"]))
    except (ValueError, KeyError, TypeError):
        return None


def _is_same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"

    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
