from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from airbyte_exec._process import StdinClosed, open_child
from airbyte_exec._process.ending import Ending
from airbyte_exec._process.pipes import ReadEnd
from airbyte_exec._process.stdout import Stdout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airbyte_exec._process import Guard

    from .conftest import Liveness

PATIENCE = 30.0
SHORT = 0.05
pytestmark = pytest.mark.anyio


async def test_a_child_that_obeys_sigterm_ends_by_it(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["sleep", "60"], env=env, stdin=False, guard=guard, stop_grace=PATIENCE) as child:
            assert await child.stop() == -signal.SIGTERM


async def test_a_stop_in_a_cancelled_scope_still_ends_the_child(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["sleep", "60"], env=env, stdin=False, guard=guard, stop_grace=PATIENCE) as child:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await child.stop()

            assert child.exit_code == -signal.SIGTERM


async def test_a_child_that_ignores_sigterm_is_killed_with_all_that_it_started(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    scenes = [
        "ignore-sigterm",
        "grandchild",
        "session",
        "daemon",
        "bare",
        "regrouped",
        "print=x",
        "name=child",
        "pause",
    ]
    argv = actor(liveness.path, *scenes)
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=True, guard=guard, stop_grace=SHORT) as child:
            assert await child.read() == b"x"
            assert await child.stop() == -signal.SIGKILL
            liveness.await_names("grandchild", "session", "daemon", "bare", "regrouped", "child")
            liveness.await_end()


async def test_a_stopped_child_can_still_react_to_sigterm(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = actor(liveness.path, "print=x", "stop-yourself", "pause")
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard, stop_grace=PATIENCE) as child:
            assert await child.read() == b"x"
            assert await child.stop() == -signal.SIGTERM


async def test_a_child_that_says_a_lot_when_it_is_stopped_is_not_stuck_on_its_stdout(
    guard: Guard, env: dict[str, str], python: Callable[..., list[str]]
) -> None:
    source = """
import os, signal, sys
def bye(*_):
    left = 3_000_000
    while left: left -= os.write(1, b"x" * min(left, 65536))
    os._exit(5)
signal.signal(signal.SIGTERM, bye)
os.write(1, b"ready")
while True: signal.pause()
"""
    with anyio.fail_after(PATIENCE):
        async with open_child(python(source), env=env, stdin=False, guard=guard, stop_grace=PATIENCE) as child:
            assert await child.read() == b"ready"
            assert await child.stop() == 5


async def test_a_destination_that_is_stopped_does_not_see_the_end_of_its_input(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness, tmp_path: Path
) -> None:
    marker = tmp_path / "end-of-input"
    argv = actor(liveness.path, "ignore-sigterm", "name=child", "print=x", f"read-to-the-end={marker}")
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=True, guard=guard, hold_stdin=True, stop_grace=SHORT) as child:
            assert await child.read() == b"x"

    liveness.await_names("child")
    liveness.await_end()
    assert not marker.exists()


async def test_a_stop_ends_the_reads_and_writes_of_other_tasks(guard: Guard, env: dict[str, str]) -> None:
    ended = []
    with anyio.fail_after(PATIENCE):
        async with (
            open_child(["sleep", "60"], env=env, stdin=True, guard=guard) as child,
            anyio.create_task_group() as tasks,
        ):

            async def read() -> None:
                ended.append(await child.read())

            async def write() -> None:
                with pytest.raises(StdinClosed):
                    await child.write(b"x" * 10_000_000)

                ended.append(b"write")

            tasks.start_soon(read)
            tasks.start_soon(write)
            while not (child._stdin.is_awaited and child._stdout.pipe.is_awaited):  # type: ignore[union-attr]
                await anyio.lowlevel.checkpoint()

            tasks.start_soon(child.stop)
            tasks.start_soon(child.stop)

    assert sorted(ended) == [b"", b"write"]
    assert child.stdout_cut


async def test_a_grandchild_that_holds_stdout_after_the_exit_is_killed_in_bounded_time(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = actor(liveness.path, "grandchild", "daemon", "print=last line", "exit=0")
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard, drain_timeout=SHORT) as child:
            assert await child.read() == b"last line"
            assert await child.read() == b""
            assert child.stdout_cut
            liveness.await_names("grandchild", "daemon")
            liveness.await_end()
            assert await child.finish(exit_timeout=PATIENCE) == 0


async def test_a_read_that_waits_when_the_child_exits_is_bounded_too(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = actor(liveness.path, "daemon", "wait-for-input", "exit=0")
    with anyio.fail_after(PATIENCE):
        ended = []
        async with (
            open_child(argv, env=env, stdin=True, guard=guard, drain_timeout=SHORT) as child,
            anyio.create_task_group() as tasks,
        ):

            async def read() -> None:
                ended.append(await child.read())

            tasks.start_soon(read)
            while not child._stdout.pipe.is_awaited:
                await anyio.lowlevel.checkpoint()

            await child.close_stdin()

        assert ended == [b""]
        assert child.stdout_cut
        liveness.await_names("daemon")
        liveness.await_end()


async def test_more_than_a_pipe_holds_after_the_exit_is_somebody_elses_and_cut_when_its_time_is_over() -> None:
    read_fd, write_fd = os.pipe()
    pipe = ReadEnd(read_fd)
    ending = Ending(os.getpid())
    ending.seen.set()
    ending.time = anyio.current_time() - 1
    stdout = Stdout(pipe, ending, drain_timeout=0.5)

    os.write(write_fd, b"x" * pipe.size)
    assert len(await stdout.read()) == pipe.size
    os.write(write_fd, b"y")
    assert await stdout.read() == b""
    assert stdout.is_cut

    os.close(write_fd)
    pipe.close()
    os.close(ending._handle or 0)


async def test_a_grandchild_that_writes_for_ever_after_the_exit_is_killed_in_bounded_time(
    guard: Guard, env: dict[str, str]
) -> None:
    with anyio.fail_after(PATIENCE):
        argv = ["sh", "-c", "echo first; yes & exit 0"]
        async with open_child(argv, env=env, stdin=False, guard=guard, drain_timeout=SHORT) as child:
            while await child.read():
                pass

            assert child.stdout_cut
            assert await child.finish(exit_timeout=PATIENCE) == 0


async def test_what_a_child_wrote_before_its_exit_is_read_however_late_we_are(
    guard: Guard, env: dict[str, str]
) -> None:
    with anyio.fail_after(PATIENCE):
        argv = ["head", "-c", "65536", "/dev/zero"]
        async with open_child(argv, env=env, stdin=False, guard=guard, drain_timeout=0) as child:
            assert await child.wait() == 0
            assert len(await child.read()) == 65536
            assert await child.read() == b""
            assert not child.stdout_cut


async def test_a_child_that_closed_stdout_but_lives_on_is_stopped_when_its_time_is_over(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = actor(liveness.path, "name=child", "close-stdout", "pause")
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard) as child:
            assert await child.read() == b""
            assert not child.stdout_cut
            with pytest.raises(TimeoutError, match="did not exit within"):
                await child.finish(exit_timeout=SHORT)

            assert child.exit_code == -signal.SIGTERM
            liveness.await_names("child")
            liveness.await_end()


async def test_a_grandchild_that_holds_stderr_does_not_hold_us(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = ["sh", "-c", 'exec "$@" >/dev/null', "-", *actor(liveness.path, "daemon", "exit=3")]
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard) as child:
            assert await child.read() == b""
            assert await child.finish(exit_timeout=PATIENCE, drain_timeout=SHORT) == 3
            liveness.await_names("daemon")
            liveness.await_end()


async def test_what_a_child_left_is_killed_though_the_child_succeeded(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "-", *actor(liveness.path, "daemon", "exit=0")]
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard) as child:
            assert await child.finish(exit_timeout=PATIENCE) == 0

    liveness.await_names("daemon")
    liveness.await_end()


@pytest.mark.parametrize(("source", "ran"), [("exit 0", False), ("exit 1", True), ("sleep 60", True)])
async def test_the_command_that_ends_a_child_for_sure_runs_unless_the_child_succeeded(
    guard: Guard, env: dict[str, str], tmp_path: Path, source: str, *, ran: bool
) -> None:
    marker = tmp_path / "ran"
    argv = ["sh", "-c", f"echo; {source}"]
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard, kill_argv=["touch", str(marker)]) as child:
            await child.read()
            if source.startswith("exit"):
                await child.wait()

    assert marker.exists() == ran


async def test_a_child_is_asked_to_end_by_its_own_command_and_gets_no_signal(
    guard: Guard, env: dict[str, str], tmp_path: Path
) -> None:
    end, asked = tmp_path / "end", tmp_path / "asked"
    os.mkfifo(end)
    argv = ["sh", "-c", 'trap "exit 9" TERM; echo; read line < "$0"; exit 5', str(end)]
    stop_argv = ["sh", "-c", 'touch "$0"; echo > "$1"', str(asked), str(end)]
    with anyio.fail_after(PATIENCE):
        async with open_child(
            argv, env=env, stdin=False, guard=guard, stop_argv=stop_argv, stop_grace=PATIENCE
        ) as child:
            await child.read()
            assert await child.stop() == 5

    assert asked.exists()


async def test_a_child_that_does_not_answer_to_its_own_command_is_killed(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(
            ["sleep", "60"], env=env, stdin=False, guard=guard, stop_argv=["true"], stop_grace=SHORT
        ) as child:
            assert await child.stop() == -signal.SIGKILL


async def test_a_kill_command_that_is_not_there_is_logged_and_stops_nothing(
    guard: Guard, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["sleep", "60"], env=env, stdin=False, guard=guard, kill_argv=["not-there"]) as child:
            assert await child.stop() == -signal.SIGTERM

    assert "not-there" in caplog.text
