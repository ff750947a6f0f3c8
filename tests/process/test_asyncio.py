"""What only a host with asyncio's own cancellation can do: it knows no shield, and it counts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from airbyte_exec._process import open_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airbyte_exec._process import Child, Guard

    from .conftest import Liveness


def test_a_task_that_is_cancelled_again_while_it_stops_its_child_leaves_no_child_and_no_end_of_input(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    marker = liveness.path.with_name("end-of-input")
    argv = actor(liveness.path, "ignore-sigterm", "daemon", "name=child", "print=x", f"read-to-the-end={marker}")

    async def main() -> None:
        children: list[Child] = []
        stopping = asyncio.Event()

        async def live() -> None:
            async with open_child(argv, env=env, stdin=True, guard=guard, hold_stdin=True, stop_grace=60) as child:
                await child.read()
                children.append(child)
                stopping.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(live())
        await stopping.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)

        assert task.cancelled()
        pids.extend(child.pid for child in children)

    pids: list[int] = []
    asyncio.run(main())
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)

    liveness.await_names("daemon", "child")
    liveness.await_end()
    assert not marker.exists()


def test_what_stands_behind_a_go_between_is_ended_first_where_nobody_waits(
    guard: Guard, env: dict[str, str], tmp_path: Path
) -> None:
    fifo, marker = tmp_path / "input", tmp_path / "end-of-input"
    os.mkfifo(fifo)
    script = 'while read line; do :; done < "$0"; touch "$1"'
    with subprocess.Popen(["sh", "-c", script, str(fifo), str(marker)]) as remote:

        async def main() -> None:
            stopping = asyncio.Event()

            async def live() -> None:
                argv = ["sh", "-c", 'echo; exec cat > "$0"', str(fifo)]
                kill_argv = ["kill", "-KILL", str(remote.pid)]
                async with open_child(
                    argv, env=env, stdin=True, guard=guard, hold_stdin=True, stop_argv=["true"], kill_argv=kill_argv
                ) as child:
                    await child.read()
                    stopping.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(live())
            await stopping.wait()
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)

        asyncio.run(main())
        assert remote.wait() == -signal.SIGKILL

    assert not marker.exists()


def test_a_failure_beside_the_body_leaves_no_cancellation_pending(guard: Guard, env: dict[str, str]) -> None:
    def refuse(chunk: bytes) -> None:
        raise KeyError(chunk)

    async def main() -> None:
        argv = ["sh", "-c", "echo no >&2; exec sleep 60"]
        with pytest.raises(KeyError):
            async with open_child(argv, env=env, stdin=False, guard=guard, on_stderr=refuse):
                await asyncio.Event().wait()

        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_an_asyncio_timeout_ends_the_child_and_is_a_timeout(guard: Guard, env: dict[str, str]) -> None:
    async def main() -> None:
        async with asyncio.timeout(None) as limit, open_child(argv, env=env, stdin=False, guard=guard) as child:
            pids.append(child.pid)
            limit.reschedule(0)
            await child.read()

    argv = ["sleep", "60"]
    pids: list[int] = []
    with pytest.raises(TimeoutError):
        asyncio.run(main())

    with pytest.raises(ProcessLookupError):
        os.killpg(pids[0], 0)
