from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exec._process.pipes import DEFAULT_SIZE, GROWN_SIZE, ReadEnd, WriteEnd, write_all

if TYPE_CHECKING:
    from collections.abc import Callable

    RunAsNobody = Callable[[str, str], str]

IMPORTS = "from airbyte_exec._process.pipes import DEFAULT_SIZE, GROWN_SIZE, ReadEnd, WriteEnd, pipe_size\n"
CHILD_PIPES = """
def child_pipes():
    # what a source and a destination have: stdin, stdout and stderr, two of them enlarged
    ends = [os.pipe() for _ in range(3)]
    return [WriteEnd(ends[0][1], grow=True), ReadEnd(ends[1][0], grow=True), ReadEnd(ends[2][0])], ends
"""


def test_sixty_four_children_of_an_unprivileged_user_leave_later_pipes_their_full_size(
    run_as_nobody: RunAsNobody,
) -> None:
    said = run_as_nobody(
        IMPORTS,
        CHILD_PIPES
        + """
held = [child_pipes() for _ in range(64)]
grown = sum(end.size == GROWN_SIZE for ends, _ in held for end in ends)
later = [pipe_size(os.pipe()[0]) for _ in range(50)]
print(grown, min(later) == DEFAULT_SIZE)
""",
    )
    grown, is_full_size = said.split()

    assert 0 < int(grown) <= 16
    assert is_full_size == "True"


def test_nothing_is_enlarged_once_other_processes_of_the_user_took_the_quota(run_as_nobody: RunAsNobody) -> None:
    said = run_as_nobody(
        IMPORTS,
        CHILD_PIPES
        + """
others = []
try:
    while pipe_size((ends := os.pipe())[0]) == DEFAULT_SIZE:
        others.append(ends); fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, GROWN_SIZE)
except PermissionError:
    pass
ends, _ = child_pipes()
print(max(end.size for end in ends) <= DEFAULT_SIZE)
""",
    )

    assert said.split() == ["True"]


def test_a_pipe_is_made_smaller_again_if_it_took_the_last_of_the_users_quota(run_as_nobody: RunAsNobody) -> None:
    said = run_as_nobody(
        IMPORTS,
        CHILD_PIPES
        + """
with open("/proc/sys/fs/pipe-user-pages-soft") as file: limit = int(file.read())
page, mine = os.sysconf("SC_PAGE_SIZE"), os.pipe()
left = limit - GROWN_SIZE // page  # so that exactly one large pipe fits beside the others
others = []
while left >= DEFAULT_SIZE // page:
    ends = os.pipe(); others.append(ends)
    size = GROWN_SIZE if left >= GROWN_SIZE // page else DEFAULT_SIZE
    fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, size)
    left -= size // page
end = ReadEnd(mine[0], grow=True)
print(end.size == DEFAULT_SIZE, pipe_size(os.pipe()[0]) == DEFAULT_SIZE)
""",
    )

    assert said.split() == ["True", "True"]


def test_a_closed_pipe_gives_its_share_back(run_as_nobody: RunAsNobody) -> None:
    said = run_as_nobody(
        IMPORTS,
        CHILD_PIPES
        + """
for _ in range(100):
    ends, pipes = child_pipes()
    assert [end.size for end in ends] == [GROWN_SIZE, GROWN_SIZE, DEFAULT_SIZE]
    for end in ends: end.close()
    os.close(pipes[0][0]); os.close(pipes[1][1]); os.close(pipes[2][1])
print("done")
""",
    )

    assert said.split() == ["done"]


@given(st.lists(st.integers(0, 200_000), max_size=8), st.sampled_from(["asyncio", "trio"]))
@settings(max_examples=25)
def test_parts_of_any_size_arrive_as_one_stream(sizes: list[int], backend: str) -> None:
    parts = [os.urandom(size) for size in sizes]
    assert anyio.run(_through_a_pipe, parts, backend=backend) == b"".join(parts)


async def _through_a_pipe(parts: list[bytes]) -> bytes:
    read_fd, write_fd = os.pipe()
    reader, writer = ReadEnd(read_fd), WriteEnd(write_fd, grow=True)
    result = b""
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                await write_all(writer, parts, may_write=lambda: True)
                writer.close()

            tasks.start_soon(write)
            while chunk := await reader.read():
                result += chunk

    reader.close()
    return result


def test_a_host_that_gave_sigpipe_its_default_action_survives_a_broken_pipe() -> None:
    script = """
import os, signal
from airbyte_exec._process.pipes import WriteEnd
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
reader, writer = os.pipe()
end = WriteEnd(writer)
print(end.write_now([memoryview(b"x")]))
os.close(reader)
try:
    end.write_now([memoryview(b"x")])
except BrokenPipeError:
    print("broken", signal.sigpending(), signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "1\nbroken set() set()\n")


@pytest.mark.parametrize("end", [ReadEnd, WriteEnd])
def test_an_end_can_be_closed_twice_and_is_not_inherited(end: type[ReadEnd | WriteEnd]) -> None:
    with ExitStack() as other:
        fds = os.pipe()
        mine, others = fds if end is ReadEnd else fds[::-1]
        other.callback(os.close, others)
        opened = end(mine)
        assert not os.get_inheritable(mine)
        assert opened.size == DEFAULT_SIZE < GROWN_SIZE
        opened.close()
        opened.close()
        assert not opened.is_open
