from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from airbyte_exec._process import Guard, StdinClosed, open_child
from airbyte_exec._process.launch import start_shim

if TYPE_CHECKING:
    from collections.abc import Callable

    from airbyte_exec._process import Child

    from .conftest import Liveness

PATIENCE = 30.0
pytestmark = pytest.mark.anyio


async def read_all(child: Child) -> bytes:
    text = b""
    while chunk := await child.read():
        text += chunk

    return text


async def run(argv: list[str], env: dict[str, str], guard: Guard, cwd: Path | None = None) -> bytes:
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard, cwd=cwd) as child:
            text = await read_all(child)
            assert await child.finish(exit_timeout=PATIENCE) == 0, child.stderr_tail
            assert not child.stdout_cut
            return text


@pytest.mark.parametrize("grow", [False, True])
async def test_megabytes_go_through_a_child_unchanged(guard: Guard, env: dict[str, str], *, grow: bool) -> None:
    parts = [os.urandom(3_000_000), b"", *(bytes([i % 256]) * (i % 50) for i in range(3000))]
    result = b""
    with anyio.fail_after(PATIENCE):
        async with (
            open_child(["cat"], env=env, stdin=True, guard=guard, grow_stdin=grow, grow_stdout=grow) as child,
            anyio.create_task_group() as tasks,
        ):

            async def feed() -> None:
                await child.write(*parts)
                await child.close_stdin()

            tasks.start_soon(feed)
            result = await read_all(child)

    assert result == b"".join(parts)


@pytest.mark.parametrize(("source", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -15 $$", -15)])
async def test_the_exit_code_is_the_childs_and_negative_for_a_signal(
    guard: Guard, env: dict[str, str], source: str, code: int
) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["sh", "-c", source], env=env, stdin=False, guard=guard) as child:
            assert await child.wait() == code
            assert await child.finish(exit_timeout=PATIENCE) == code
            assert await child.stop() == code


async def test_a_child_without_stdin_reads_from_dev_null(guard: Guard, env: dict[str, str]) -> None:
    assert await run(["cat"], env, guard) == b""


async def test_a_child_gets_the_given_environment_and_the_marks_and_nothing_else(guard: Guard) -> None:
    said = await run(["env"], {"PATH": os.environ["PATH"], "GREETING": "hello = world\n2"}, guard)

    assert sorted(said.split(b"\n")) == sorted(
        f"PATH={os.environ['PATH']}\nGREETING=hello = world\n2\n"
        f"AIRBYTE_EXEC_RUN={guard.run_id}\nAIRBYTE_EXEC_CHILD={guard.run_id}-1\n".encode().split(b"\n")
    )


async def test_an_environment_larger_than_a_pipe_reaches_the_child(guard: Guard, env: dict[str, str]) -> None:
    large = {f"LARGE_{i}": "x" * 100_000 for i in range(5)}

    assert (await run(["sh", "-c", 'printf %s "$LARGE_4"'], {**env, **large}, guard)) == b"x" * 100_000


async def test_a_child_inherits_no_file_descriptor_but_its_three(
    guard: Guard, env: dict[str, str], python: Callable[..., list[str]]
) -> None:
    ours = os.pipe()
    for fd in ours:
        os.set_inheritable(fd, True)

    said = await run(python("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"), env, guard)

    for fd in ours:
        os.close(fd)

    assert said == b"[0, 1, 2, 3]\n"  # 3 is the listing's own


async def test_a_child_starts_with_all_signals_at_their_defaults_whatever_is_ignored_or_blocked_here(
    guard: Guard, env: dict[str, str]
) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])
    try:
        status = (await run(["cat", "/proc/self/status"], env, guard)).decode()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)

    masks = dict(line.split(":\t") for line in status.splitlines())
    ours = sum(1 << (number - 1) for number in signal.valid_signals())  # the C library keeps two for itself
    assert [int(masks[name], 16) & ours for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


async def test_a_child_leads_a_session_and_a_process_group_of_its_own(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["cat"], env=env, stdin=True, guard=guard) as child:
            assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid


async def test_a_child_starts_in_the_given_folder(guard: Guard, env: dict[str, str], tmp_path: Path) -> None:
    assert await run(["pwd", "-P"], env, guard, cwd=tmp_path) == f"{os.path.realpath(tmp_path)}\n".encode()  # noqa: ASYNC240 - of no weight here


async def test_a_program_is_looked_for_in_the_childs_path_and_not_in_ours(guard: Guard, tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n", encoding="utf-8")
    program.chmod(0o755)

    assert await run(["only-here"], {"PATH": str(tmp_path)}, guard) == b"found\n"
    with pytest.raises(FileNotFoundError, match="only-here"):
        await run(["only-here"], {"PATH": "/nowhere"}, guard)


@pytest.mark.parametrize(
    ("file", "code"),
    [(None, errno.ENOENT), (("", 0o644), errno.EACCES), (("no program\n", 0o755), errno.ENOEXEC)],
)
async def test_a_program_that_cannot_be_executed_is_the_matching_os_error(
    guard: Guard, env: dict[str, str], tmp_path: Path, file: tuple[str, int] | None, code: int
) -> None:
    program = tmp_path / "connector"
    if file is not None:
        program.write_text(file[0], encoding="utf-8")
        program.chmod(file[1])

    with pytest.raises(OSError, match=r"connector|format") as caught:
        await run([str(program)], env, guard)

    assert caught.value.errno == code
    assert caught.value.filename == str(program)


async def test_a_folder_that_is_not_there_is_an_os_error(guard: Guard, env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        await run(["true"], env, guard, cwd=tmp_path / "missing")


@pytest.mark.parametrize(("argument", "variable"), [("a\0b", "X"), ("a", "X\0"), ("a", "X=Y")])
async def test_what_no_program_can_be_given_is_refused(
    guard: Guard, env: dict[str, str], argument: str, variable: str
) -> None:
    with pytest.raises(ValueError, match="null byte"):
        await run(["echo", argument], {**env, variable: "value"}, guard)


async def test_the_guardian_is_told_of_a_child_before_it_executes(
    guard: Guard, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []
    add_child = Guard.add_child

    def look(self: Guard, token: str, pid: int, **options: object) -> None:
        add_child(self, token, pid, **options)  # type: ignore[arg-type]
        command = b""
        while not command:  # it is empty for a moment, while the kernel puts the program in place
            command = Path(f"/proc/{pid}/cmdline").read_bytes()

        commands.append(command)

    monkeypatch.setattr(Guard, "add_child", look)
    assert await run(["echo", "executed"], env, guard) == b"executed\n"
    assert len(commands) == 1
    assert b"_shim.py" in commands[0]
    assert b"executed" not in commands[0]


async def test_a_child_whose_starter_dies_before_the_word_to_go_executes_nothing(
    env: dict[str, str], tmp_path: Path
) -> None:
    null = subprocess.DEVNULL
    marker = tmp_path / "executed"
    launch = start_shim(["touch", str(marker)], env=env, shim_env=env, cwd=None, stdin=null, stdout=null, stderr=null)
    launch.close()

    assert os.waitpid(launch.pid, 0)[1] == 0  # noqa: ASYNC222 - it ends at once, or the test fails
    assert not marker.exists()


async def test_a_write_to_a_child_that_closed_its_stdin_raises_stdin_closed(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(
            ["sh", "-c", "exec 0</dev/null; echo; cat; sleep 60"], env=env, stdin=True, guard=guard
        ) as child:
            await child.read()
            with pytest.raises(StdinClosed):
                await child.write(b"x" * 10)


async def test_a_write_to_a_child_that_exited_raises_stdin_closed_though_a_grandchild_holds_the_pipe(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(actor(liveness.path, "grandchild", "exit=0"), env=env, stdin=True, guard=guard) as child:
            with pytest.raises(StdinClosed):
                await child.write(b"x" * 10_000_000)

            liveness.await_names("grandchild")
            with pytest.raises(StdinClosed):
                await child.write(b"x")


async def test_a_write_after_close_stdin_raises_stdin_closed(guard: Guard, env: dict[str, str]) -> None:
    with anyio.fail_after(PATIENCE):
        async with open_child(["sleep", "60"], env=env, stdin=True, guard=guard) as child:
            await child.close_stdin()
            await child.close_stdin()
            with pytest.raises(StdinClosed):
                await child.write(b"x")


async def test_a_write_to_a_child_that_does_not_read_can_be_cancelled_and_the_child_still_ends(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    with anyio.fail_after(PATIENCE):
        argv = actor(liveness.path, "name=child", "print=x", "pause")
        async with open_child(argv, env=env, stdin=True, guard=guard) as child, anyio.create_task_group() as tasks:
            await child.read()
            tasks.start_soon(child.write, b"x" * 10_000_000)
            while not child._stdin.is_awaited:  # type: ignore[union-attr]
                await anyio.lowlevel.checkpoint()

            tasks.cancel_scope.cancel()

    assert child.exit_code == -signal.SIGTERM
    liveness.await_names("child")
    liveness.await_end()


async def test_a_cancelled_read_loses_nothing(guard: Guard, env: dict[str, str]) -> None:
    seen = b""
    with anyio.fail_after(PATIENCE):
        async with open_child(["cat"], env=env, stdin=True, guard=guard) as child:
            for i in range(200):
                await child.write(b"%03d" % i)
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    seen += await child.read()

            await child.close_stdin()
            seen += await read_all(child)

    assert seen == b"".join(b"%03d" % i for i in range(200))


async def test_what_the_body_raises_comes_out_as_it_is(guard: Guard, env: dict[str, str]) -> None:
    for error in (KeyError("mine"), ExceptionGroup("mine", [KeyError("one"), ValueError("two")])):
        with pytest.raises(type(error), match="mine") as caught:
            async with open_child(["cat"], env=env, stdin=True, guard=guard):
                raise error

        assert caught.value is error
        assert error.__cause__ is None


async def test_a_failing_stderr_callback_fails_the_child_and_comes_out_as_it_is(
    guard: Guard, env: dict[str, str]
) -> None:
    def refuse(chunk: bytes) -> None:
        raise KeyError(chunk)

    argv = ["sh", "-c", "echo no >&2; exec sleep 60"]
    with pytest.raises(KeyError, match="no"), anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard, on_stderr=refuse):
            await anyio.sleep_forever()


async def test_a_cancelled_host_leaves_no_child(
    guard: Guard, env: dict[str, str], actor: Callable[..., list[str]], liveness: Liveness
) -> None:
    argv = actor(liveness.path, "session", "daemon", "name=child", "pause")
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:

            async def live(*, task_status: anyio.abc.TaskStatus[None]) -> None:
                async with open_child(argv, env=env, stdin=True, guard=guard):
                    task_status.started()
                    await anyio.sleep_forever()

            await tasks.start(live)
            await anyio.to_thread.run_sync(liveness.await_names, "session", "daemon", "child")
            tasks.cancel_scope.cancel()

    liveness.await_end()
