"""The lock of a run: refused while its holder lives, taken over when it is dead, gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_exec._state import runlock
from airbyte_exec._state.files import StateFile, StateFolder
from airbyte_exec._state.pair import PairState
from airbyte_exec._state.runlock import Holder, LockPlace, RunLock
from airbyte_exec._state.store import Changes, Pair
from airbyte_exec.exceptions import PyAirbyteStateInUseError

PAIR = Pair("source-x", "destination-y", "s1", "d1")

HOLD = """
import os, sys
from pathlib import Path
from airbyte_exec._state.runlock import LockPlace, RunLock
from airbyte_exec._state.store import Pair
lock = RunLock(LockPlace(Path(sys.argv[1])), Pair("source-x", "destination-y", "s1", "d1"))
lock.acquire()
if len(sys.argv) > 2 and os.fork() == 0:
    os.read(0, 1)  # holds the file open for as long as the test lasts
    os._exit(0)
print("held", flush=True)
os.read(0, 1)
lock.release()
"""


@pytest.fixture
def lock(tmp_path: Path) -> RunLock:
    return RunLock(LockPlace(tmp_path), PAIR)


def hold(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.communicate(b"xx", timeout=60)


def holder(**changes: Any) -> str:
    return json.dumps(asdict(replace(Holder.of_this_process(), **changes)))


def test_a_lock_is_a_file_of_its_user_that_goes_with_it(lock: RunLock, tmp_path: Path) -> None:
    lock.acquire()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600

    lock.release()
    lock.release()

    assert list(tmp_path.iterdir()) == []


def test_another_process_is_refused_and_told_of_the_holder(lock: RunLock, tmp_path: Path) -> None:
    process = hold(tmp_path)
    with pytest.raises(PyAirbyteStateInUseError) as caught:
        lock.acquire()

    assert caught.value.holder_pid == process.pid
    assert caught.value.holder_host == os.uname().nodename
    assert caught.value.holder_seconds is not None
    end(process)
    lock.acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_holder_is_taken_over(lock: RunLock, tmp_path: Path) -> None:
    process = hold(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    lock.acquire()

    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_fork_that_outlives_the_holder_does_not_hold_it(lock: RunLock, tmp_path: Path) -> None:
    process = hold(tmp_path, "fork")
    process.send_signal(signal.SIGKILL)
    process.wait(60)

    lock.acquire()

    with pytest.raises(PyAirbyteStateInUseError):
        RunLock(LockPlace(tmp_path), PAIR).acquire()

    lock.release()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_got_the_number_of_a_dead_holder_holds_nothing(
    lock: RunLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.path.write_text(holder(started=1))
    monkeypatch.setattr(runlock, "_flock", lambda file: None)  # a file system without locks

    lock.acquire()

    lock.release()


def test_without_locks_of_the_file_system_a_living_holder_is_known_by_its_process(
    lock: RunLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.path.write_text(holder())
    monkeypatch.setattr(runlock, "_flock", lambda file: None)

    with pytest.raises(PyAirbyteStateInUseError):
        lock.acquire()


def test_a_holder_on_another_machine_counts_while_it_gives_signs(lock: RunLock) -> None:
    lock.path.write_text(holder(host="elsewhere", machine="another boot"))

    with pytest.raises(PyAirbyteStateInUseError) as caught:
        lock.acquire()

    assert caught.value.holder_host == "elsewhere"
    silent = lock.path.stat().st_mtime - runlock.SILENT_FOR - 5
    os.utime(lock.path, (silent, silent))
    lock.acquire()
    lock.release()


def test_a_sign_is_seen(lock: RunLock) -> None:
    lock.acquire()
    os.utime(lock.path, (1, 1))

    lock.give_sign()

    assert lock.path.stat().st_mtime > 1
    lock.release()


def test_a_file_that_says_nothing_is_taken(lock: RunLock) -> None:
    lock.path.write_bytes(b"\xff{")

    lock.acquire()

    lock.release()


def test_a_link_in_the_place_of_a_lock_is_not_followed(lock: RunLock, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    lock.path.symlink_to(target)

    with pytest.raises(Exception, match="cannot be taken"):
        lock.acquire()

    assert target.read_text() == "kept"


def test_a_fork_does_not_take_the_lock_along(lock: RunLock, tmp_path: Path) -> None:
    lock.acquire()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)

    os.waitpid(child, 0)
    assert lock.path.exists()
    with pytest.raises(PyAirbyteStateInUseError):
        RunLock(LockPlace(tmp_path), PAIR).acquire()

    lock.release()


@pytest.mark.parametrize("make", [lambda path: StateFile(path / "state.json"), StateFolder])
def test_a_config_that_a_connector_made_is_the_same_pair(make: Any, tmp_path: Path) -> None:
    store = make(tmp_path)
    store.commit(PAIR, Changes(aliases=frozenset({"s2"})))
    paths = [PairState(store, pair, b"").run_lock() for pair in (PAIR, replace(PAIR, source_key="s2"))]

    assert len({lock.path for lock in paths if lock is not None}) == 1
