from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from airbyte_exec._process import _sweep, guardian, guardian_link, kept_guardian, open_child, open_guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from airbyte_exec._process import Guard

    from .conftest import Liveness

    OpenHost = Callable[..., AbstractContextManager[subprocess.Popen[str]]]
    RunAsNobody = Callable[[str, str], str]

PATIENCE = 30.0
ALL = ("source", "destination", "grandchild", "session", "daemon", "bare", "regrouped", "escaped")


def link_of_this_process() -> guardian_link.Link:
    link = guardian._guardian._link
    assert link is not None
    return link


def await_exit(pid: int) -> None:
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            assert select.select([handle], [], [], PATIENCE)[0], f"process {pid} still runs"
        finally:
            os.close(handle)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_of_a_run_outlives_a_host_that_is_ended_by_a_signal_and_no_destination_sees_an_end(
    number: signal.Signals, liveness: Liveness, tmp_path: Path, anyio_backend: str, open_host: OpenHost
) -> None:
    marker, killed = tmp_path / "end-of-input", tmp_path / "kill-command-ran"
    script = Path(__file__).with_name("driver.py")
    env = {**os.environ, "BACKEND": anyio_backend}
    with open_host(script, liveness.path, marker, killed, env=env) as driver:
        assert driver.stdout is not None
        pid, folder = driver.stdout.readline().split()
        liveness.await_names(*ALL)
        assert Path(folder).stat().st_mode & 0o777 == 0o700

        driver.send_signal(number)

        liveness.await_end()
        await_exit(int(pid))
        assert driver.wait(PATIENCE) != 0
        assert not marker.exists()
        assert killed.exists()
        assert not Path(folder).exists()


def test_a_signal_to_the_whole_terminal_session_does_not_reach_the_guardian(guard: Guard) -> None:
    assert os.getsid(link_of_this_process().pid) != os.getsid(0)


@pytest.mark.anyio
async def test_a_destination_sees_the_end_of_its_input_when_we_close_it_although_the_guardian_held_a_copy(
    guard: Guard, env: dict[str, str], python: Callable[..., list[str]]
) -> None:
    with anyio.fail_after(PATIENCE):
        source = "import sys; print(len(sys.stdin.buffer.read()))"
        async with open_child(python(source), env=env, stdin=True, guard=guard, hold_stdin=True) as child:
            await child.write(b"four")
            await child.close_stdin()

            assert await child.read() == b"4\n"
            assert await child.finish(exit_timeout=PATIENCE) == 0


@pytest.mark.anyio
async def test_a_guardian_that_dies_is_replaced_at_once_and_the_new_one_knows_every_child(
    env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(PATIENCE), open_guard() as guard:
        async with open_child(["cat"], env=env, stdin=True, guard=guard, hold_stdin=True) as child:
            old = link_of_this_process()

            os.kill(old.pid, signal.SIGKILL)
            while guardian._guardian._link is old:
                await anyio.lowlevel.checkpoint()

            new = link_of_this_process()
            stdin = files_of(child.pid)[0]
            assert stdin in files_of(new.pid)
            assert "started anew" in caplog.text
            await child.write(b"still here")
            assert await child.read() == b"still here"
            await child.close_stdin()
            assert stdin not in files_of(new.pid)
            assert await child.read() == b""


def files_of(pid: int) -> list[str]:
    return [str(entry.readlink()) for entry in sorted(Path(f"/proc/{pid}/fd").iterdir())]


def test_a_guardian_that_died_unnoticed_is_replaced_by_the_next_order(caplog: pytest.LogCaptureFixture) -> None:
    with open_guard():
        old = link_of_this_process()
        os.kill(old.pid, signal.SIGKILL)

        with open_guard():
            assert link_of_this_process() is not old
            assert "started anew" in caplog.text


def test_the_guardian_ends_with_the_last_run_and_is_reaped() -> None:
    with open_guard():
        with open_guard():
            pid = link_of_this_process().pid

        assert link_of_this_process().pid == pid

    assert guardian._guardian._link is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_runs_that_follow_one_another_in_a_block_share_a_guardian_which_ends_with_the_block() -> None:
    with kept_guardian():
        with open_guard():
            pid = link_of_this_process().pid

        with kept_guardian(), open_guard():
            assert link_of_this_process().pid == pid

    assert guardian._guardian._link is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_guardian_that_is_kept_ends_with_the_run_that_outlives_the_block() -> None:
    with open_guard():
        with kept_guardian():
            pid = link_of_this_process().pid

        assert link_of_this_process().pid == pid

    assert guardian._guardian._link is None


def test_a_runs_folder_is_private_and_gone_after_the_run_even_if_a_connector_locked_it(
    run_as_nobody: RunAsNobody,
) -> None:
    said = run_as_nobody(
        """
from airbyte_exec._process import _sweep
import shutil
""",
        """
folder = f"/tmp/airbyte-exec-test-{os.getuid()}"
os.makedirs(folder + "/a/b")
open(folder + "/a/b/file", "w").close()
os.chmod(folder + "/a/b", 0); os.chmod(folder, 0)
print(_sweep.remove_folder(folder), os.path.exists(folder))
""",
    )
    assert said.split() == ["True", "False"]


def test_a_link_in_place_of_a_runs_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o500)
    (tmp_path / "link").symlink_to(precious)

    assert not _sweep.remove_folder(str(tmp_path / "link"))
    assert precious.stat().st_mode & 0o777 == 0o500


def test_links_inside_a_runs_folder_are_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o500)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(precious)

    assert _sweep.remove_folder(str(folder))
    assert precious.stat().st_mode & 0o777 == 0o500


def test_the_end_of_a_run_kills_what_its_children_left(
    liveness: Liveness, actor: Callable[..., list[str]], env: dict[str, str]
) -> None:
    with open_guard() as guard:
        marked = {**env, _sweep.RUN_MARK: guard.run_id}
        guard.new_token()  # of a child that never came to its end: as if we had lost sight of it
        with subprocess.Popen(actor(liveness.path, "daemon", "exit=0"), env=marked) as left:
            assert left.wait(PATIENCE) == 0

        liveness.await_names("daemon")

    liveness.await_end()


@pytest.mark.anyio
async def test_the_marks_of_a_run_inside_a_run_name_both(
    guard: Guard, env: dict[str, str], python: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_EXEC_RUN", "outer")
    monkeypatch.setenv("AIRBYTE_EXEC_CHILD", "outer-1")
    source = "import os; print(os.environ['AIRBYTE_EXEC_RUN'], os.environ['AIRBYTE_EXEC_CHILD'])"
    with anyio.fail_after(PATIENCE):
        async with open_child(python(source), env=env, stdin=False, guard=guard) as child:
            said = (await child.read()).decode().split()

    assert said == [f"outer:{guard.run_id}", f"outer-1:{guard.run_id}-1"]


def test_the_guardian_cleans_up_though_a_fork_that_runs_no_python_holds_its_socket(
    open_host: OpenHost,
) -> None:
    script = """
import ctypes, os, signal, sys
from airbyte_exec._process import guardian, open_guard
with open_guard() as guard:
    if ctypes.CDLL(None).fork() == 0:  # past Python: no hook of ours runs
        signal.pause()
    print(guardian._guardian._link.pid, guard.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with open_host("-c", script) as host:
        assert host.stdout is not None
        pid, folder = host.stdout.readline().split()
        await_exit(int(pid))
        assert not Path(folder).exists()


def test_the_client_of_a_container_is_killed_after_its_container(tmp_path: Path) -> None:
    fifo, pid, lived = (tmp_path / name for name in ("fifo", "pid", "lived"))
    os.mkfifo(fifo)
    # Slow, as an engine is; the client's end is an end of input for the container.
    kill_argv = ["sh", "-c", f"sleep 0.2; kill -0 $(cat {pid}) && touch {lived}"]
    code = f"""
import os, anyio
from airbyte_exec._process import open_child, open_guard
async def main():
    client = ["sh", "-c", "exec 3> {fifo}; echo $$ > {pid}; echo ready >&3; sleep 600"]
    with open_guard() as guard:
        async with open_child(client, env=dict(os.environ), stdin=True, guard=guard, orphan_argv={kill_argv!r}):
            await anyio.sleep_forever()
anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as host, fifo.open("rb") as alive:
        assert alive.readline() == b"ready\n"
        host.kill()
        assert alive.read() == b""

    assert lived.exists()


def test_what_is_made_before_a_child_and_outlives_it_ends_with_us(open_host: OpenHost, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = f"""
import signal
from airbyte_exec._process import open_guard
with open_guard() as guard:
    with guard.ends_by(("touch", {str(tmp_path / "too-early")!r})):
        pass
    with guard.ends_by(("sh", "-c", "echo done > {fifo}")):
        print("ready", flush=True)
        signal.pause()
"""
    with open_host("-c", code) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        host.kill()
        assert fifo.read_text(encoding="utf-8") == "done\n"

    assert not (tmp_path / "too-early").exists()
