"""The habits of a host process that children must survive; each host is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    OpenHost = Callable[..., AbstractContextManager[subprocess.Popen[str]]]

BEGIN = """
import os, signal, sys, threading
import anyio
from airbyte_exec._process import ExitStatusLost, guardian, open_child, open_guard
ENV = dict(os.environ)
BACKEND = sys.argv[1]
"""


def run_host(script: str, backend: str, *, timeout: float = 60) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", BEGIN + script, backend],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout.split("\n")[:-1]


def test_an_exit_status_that_the_host_ignores_is_lost_and_never_success(anyio_backend: str) -> None:
    said = run_host(
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
async def main():
    with open_guard() as guard:
        for argv in (["true"], ["false"]):
            async with open_child(argv, env=ENV, stdin=False, guard=guard) as child:
                assert await child.read() == b""
                for end in (child.wait(), child.finish(exit_timeout=20)):
                    try:
                        print(await end)
                    except ExitStatusLost as error:
                        print("lost", "SIGCHLD" in str(error))
                print(await child.stop())
        async with open_child(["sleep", "60"], env=ENV, stdin=False, guard=guard) as child:
            pass
anyio.run(main, backend=BACKEND)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child left")
""",
        anyio_backend,
    )

    assert said == ["lost True", "lost True", "None"] * 2 + ["no child left"]


def test_an_exit_status_that_the_host_took_is_lost_and_what_the_child_left_still_ends(anyio_backend: str) -> None:
    said = run_host(
        """
async def main():
    with open_guard() as guard:
        argv = ["sh", "-c", "setsid sleep 60 & echo $!; exec sleep 60"]
        async with open_child(argv, env=ENV, stdin=False, guard=guard) as child:
            left = int(await child.read())
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            try:
                print(await child.wait())
            except ExitStatusLost:
                print("lost", [entry.has_leader for entry in guardian._guardian._children.values()])
            # Its number may be another group's by now: it must not be signalled.
            os.killpg = lambda *group: print("signalled", group)
        try:
            os.kill(left, 0)
            with open(f"/proc/{left}/stat") as file: print("left", file.read().split()[2])
        except ProcessLookupError:
            print("nothing left")
anyio.run(main, backend=BACKEND)
""",
        anyio_backend,
    )

    assert said[0] == "lost [False]"
    assert said[1] in ("nothing left", "left Z")  # a zombie is for whoever adopted it to reap


def test_many_children_in_a_row_leave_no_file_no_thread_and_no_zombie(anyio_backend: str) -> None:
    said = run_host(
        """
def left():
    return len(os.listdir("/proc/self/fd")), threading.active_count()
async def main():
    with open_guard() as guard:
        before = None
        for i in range(100 if BACKEND == "asyncio" else 30):
            async with open_child(["cat"], env=ENV, stdin=True, guard=guard, hold_stdin=i % 2, grow_stdin=True,
                                  grow_stdout=True) as child:
                await child.write(b"x")
                if i % 3:
                    await child.close_stdin()
                    assert await child.read() == b"x"
                    assert await child.finish(exit_timeout=20) == 0
            try:
                async with open_child(["/not/there"], env=ENV, stdin=True, guard=guard): pass
            except FileNotFoundError:
                pass
            before = before or left()
        print(left() == before)
        link = guardian._guardian._link
        print(len(os.listdir(f"/proc/{link.pid}/fd")) <= 6, guardian._guardian._children)
begin = left()
anyio.run(main, backend=BACKEND)
print(left() == begin)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child left")
""",
        anyio_backend,
    )

    assert said == ["True", "True {}", "True", "no child left"]


def test_several_event_loops_in_several_threads_run_children_at_once(anyio_backend: str) -> None:
    said = run_host(
        """
done = []
async def main(name):
    with open_guard() as guard:
        for i in range(5):
            async with open_child(["cat"], env=ENV, stdin=True, guard=guard, hold_stdin=True) as child:
                await child.write(b"%d" % (name * 10 + i))
                await child.close_stdin()
                done.append(int(await child.read()))
                assert await child.finish(exit_timeout=20) == 0
def work(name): anyio.run(main, name, backend=BACKEND)
threads = [threading.Thread(target=work, args=[i]) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(done) == [i * 10 + j for i in range(4) for j in range(5)], guardian._guardian._link)
""",
        anyio_backend,
    )

    assert said == ["True None"]


def test_a_fork_of_the_host_keeps_no_destination_from_the_end_of_its_input(
    anyio_backend: str,
) -> None:
    said = run_host(
        """
async def main():
    with open_guard() as guard:
        async with open_child(["cat"], env=ENV, stdin=True, guard=guard, hold_stdin=True) as child:
            hold, let_go = os.pipe()
            fork = os.fork()
            if fork == 0:
                os.close(let_go)
                os.read(hold, 1)
                os._exit(0)
            os.close(hold)
            await child.close_stdin()
            assert await child.read() == b""
            os.close(let_go)
            os.waitpid(fork, 0)
            print(guard.folder.is_dir(), await child.finish(exit_timeout=20))
        async with open_child(["cat"], env=ENV, stdin=True, guard=guard, hold_stdin=True) as child:
            await child.write(b"x")
            print(await child.read())
anyio.run(main, backend=BACKEND)
""",
        anyio_backend,
    )

    assert said == ["True 0", "b'x'"]


def test_a_fork_that_leaves_the_run_of_its_parent_ends_nothing_of_it() -> None:
    said = run_host(
        """
with open_guard() as guard:
    fork = os.fork()
    if fork == 0:
        sys.exit(0)
    os.waitpid(fork, 0)
    print(guard.folder.is_dir())
    guardian._guardian.revive()
print(guard.folder.exists())
""",
        "asyncio",
    )

    assert said == ["True", "False"]


def test_a_fork_gets_a_guardian_of_its_own_and_the_parents_guardian_sees_the_parent_die(open_host: OpenHost) -> None:
    script = """
with open_guard() as guard:
    told, tell = os.pipe()
    if os.fork() == 0:
        with open_guard() as own:
            print(guardian._guardian._link.pid, own.folder.is_dir(), flush=True)
            os.write(tell, b"x")
            sys.stdin.read()
            print(own.folder.is_dir(), guard.folder.exists(), flush=True)
        os._exit(0)
    os.read(told, 1)
    print(guardian._guardian._link.pid, guard.folder, flush=True)
    signal.pause()
"""
    with open_host("-c", BEGIN + script, "asyncio") as host:
        assert host.stdin is not None
        assert host.stdout is not None
        of_fork, is_there = host.stdout.readline().split()
        of_parent, folder = host.stdout.readline().split()
        assert of_fork != of_parent
        assert is_there == "True"

        host.send_signal(signal.SIGKILL)
        _await_end(int(of_parent))
        assert not Path(folder).exists()
        host.stdin.close()
        assert host.stdout.read().split() == ["True", "False"]


def _await_end(pid: int) -> None:
    import select

    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return

    try:
        assert select.select([handle], [], [], 30)[0]
    finally:
        os.close(handle)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_guardian_survives_the_signals_that_are_sent_to_everybody(number: signal.Signals) -> None:
    said = run_host(
        f"""
with open_guard():
    pid = guardian._guardian._link.pid
    os.kill(pid, {int(number)})  # perhaps before its first line
    with open_guard():
        os.kill(pid, {int(number)})
        guardian._guardian.revive()
        print(guardian._guardian._link.pid == pid)
""",
        "asyncio",
    )

    assert said == ["True"]
