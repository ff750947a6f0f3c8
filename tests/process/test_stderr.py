from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from airbyte_exec._process import open_child
from airbyte_exec._process.stderr import LINE_LENGTH, TAIL_BYTES, TAIL_LINES

if TYPE_CHECKING:
    from pathlib import Path

    from airbyte_exec._process import Guard

PATIENCE = 30.0
pytestmark = pytest.mark.anyio


async def stderr_of(source: str, guard: Guard, env: dict[str, str], log: Path | None = None) -> tuple[list[str], bytes]:
    chunks: list[bytes] = []
    argv = ["sh", "-c", source]
    with anyio.fail_after(PATIENCE):
        async with open_child(
            argv, env=env, stdin=False, guard=guard, stderr_log=log, on_stderr=chunks.append
        ) as child:
            assert await child.read() == b""
            assert await child.finish(exit_timeout=PATIENCE) == 0

        return child.stderr_tail, b"".join(chunks)


async def test_the_last_lines_the_callback_and_the_log_have_what_the_child_said(
    guard: Guard, env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    tail, chunks = await stderr_of("echo first >&2; echo second >&2; printf unfinished >&2", guard, env, log)

    assert tail == ["first", "second", "unfinished"]
    assert chunks == log.read_bytes() == b"first\nsecond\nunfinished"
    assert log.stat().st_mode & 0o777 == 0o600


async def test_a_log_is_continued_by_the_next_child(guard: Guard, env: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    await stderr_of("echo first >&2", guard, env, log)
    await stderr_of("echo second >&2", guard, env, log)

    assert log.read_text(encoding="utf-8") == "first\nsecond\n"


async def test_a_flood_neither_blocks_the_child_nor_stays_in_memory(guard: Guard, env: dict[str, str]) -> None:
    argv = ["sh", "-c", "yes 'a line of a flood' | head -c 50000000 >&2; echo >&2; echo the last line >&2"]
    with anyio.fail_after(PATIENCE):
        async with open_child(argv, env=env, stdin=False, guard=guard) as child:
            assert await child.read() == b""
            assert await child.finish(exit_timeout=PATIENCE) == 0
            assert len(child._stderr._tail) <= 2 * TAIL_BYTES

    assert len(child.stderr_tail) == TAIL_LINES
    assert child.stderr_tail[-1] == "the last line"


async def test_a_line_without_end_is_cut_and_says_so(guard: Guard, env: dict[str, str]) -> None:
    tail, _ = await stderr_of("head -c 1000000 /dev/zero | tr '\\0' x >&2", guard, env)

    assert len(tail) == 1
    assert tail[0] == "…" + "x" * (LINE_LENGTH - 1) + "…"


async def test_bytes_that_are_no_utf8_are_shown_as_such(guard: Guard, env: dict[str, str]) -> None:
    tail, chunks = await stderr_of("printf 'caf\\351\\n' >&2", guard, env)

    assert tail == ["caf\ufffd"]
    assert chunks == b"caf\xe9\n"


async def test_a_full_disk_under_the_log_stops_the_log_and_nothing_else(
    guard: Guard, env: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "full"
    log.symlink_to("/dev/full")
    tail, chunks = await stderr_of("echo first >&2; sleep 0.01; echo second >&2", guard, env, log)

    assert tail == ["first", "second"]
    assert chunks == b"first\nsecond\n"
    assert caplog.text.count("not logged any more") == 1
