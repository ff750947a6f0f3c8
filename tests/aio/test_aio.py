"""The asynchronous face, on asyncio and on trio."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import anyio
import pytest
from mini import after_record, last_run, step, stream
from syncs import SHORT, Lab, is_running

from airbyte_exec import exceptions as exc

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_write_does_what_the_blocking_one_does(lab: Lab) -> None:
    result = await lab.async_destination().write(lab.async_source(), cache=False, check=False, limits=SHORT)

    assert result.processed_records == 100
    assert lab.written.saw_eof


async def test_two_writes_run_side_by_side(lab: Lab) -> None:
    results: list[Any] = []

    async def write(number: int) -> None:
        source = lab.async_source(path=lab.folder / f"from-{number}")
        destination = lab.async_destination(path=lab.folder / f"to-{number}")
        results.append(await destination.write(source, cache=False, check=False, limits=SHORT))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, 1)
        tasks.start_soon(write, 2)

    assert [result.processed_records for result in results] == [100, 100]


async def test_record_batches_end_early_without_a_trace(lab: Lab) -> None:
    source = lab.async_source(script=[step("wait_for", after_record(20), path=lab.folder / "never")])
    configured = await source.configured_stream("users")

    async with aclosing(source.record_batches(configured)) as batches:
        async for lines in batches:
            assert lines[0].startswith(b'{"type":"RECORD"')
            break

    assert not is_running(last_run(lab.sent, "read").pid)


async def test_spec_check_and_discover_are_awaited(lab: Lab) -> None:
    source = lab.async_source(streams=[stream("a"), stream("b")])

    assert (await source.spec()).connectionSpecification["properties"]
    await source.check()
    assert await source.get_available_streams() == ["a", "b"]


async def test_errors_come_bare(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match="no"):
        await lab.async_destination(check={"status": "FAILED", "message": "no"}).write(lab.async_source(), cache=False)


async def test_a_cancelled_check_leaves_nothing(lab: Lab) -> None:
    source = lab.async_source(script={"check": [step("hang", "start")]})

    with anyio.move_on_after(0.5) as scope:
        await source.check()

    assert scope.cancelled_caught
