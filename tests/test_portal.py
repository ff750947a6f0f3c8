"""The door between threads and the event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from airbyte_exec import _portal


async def _double(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return 2 * number


def test_a_call_returns_what_the_function_returns() -> None:
    assert _portal.run(_double, 21) == 42


def test_a_call_raises_what_the_function_raises() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        _portal.run(fail)


def test_a_call_works_inside_a_running_loop() -> None:
    async def main() -> int:
        return _portal.run(_double, 21)

    assert asyncio.run(main()) == 42


def test_calls_work_in_many_threads_at_once() -> None:
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda n: _portal.run(_double, n), range(64))) == [2 * n for n in range(64)]


def test_nothing_stays_behind_after_a_call() -> None:
    before = set(threading.enumerate())

    _portal.run(_double, 1)

    assert set(threading.enumerate()) == before


def test_an_iteration_yields_everything_in_order() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            yield number

    assert list(_portal.iterate(numbers)) == list(range(100))


def test_an_iteration_raises_what_the_generator_raises_after_its_items() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        raise KeyError("x")

    items = _portal.iterate(numbers)

    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_leaving_an_iteration_cleans_up_before_it_returns() -> None:
    done: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                done.append("cleaned up")

    items = _portal.iterate(numbers)
    next(items)
    items.close()

    assert done == ["cleaned up"]


def test_leaving_an_iteration_does_not_wait_for_its_next_item() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        await anyio.sleep_forever()

    items = _portal.iterate(numbers)
    assert next(items) == 1
    items.close()


def test_an_error_of_the_clean_up_is_raised() -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            raise KeyError("x")

    items = _portal.iterate(numbers)
    next(items)
    with pytest.raises(KeyError):
        items.close()


def test_an_event_ends_an_iteration_that_waits() -> None:
    stop = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        yield 1
        stop.set()
        await anyio.sleep_forever()

    assert list(_portal.iterate(numbers, stop=stop)) == [1]


def test_an_event_that_is_set_starts_nothing() -> None:
    stop = threading.Event()
    stop.set()

    async def numbers() -> AsyncIterator[int]:
        yield 1

    assert list(_portal.iterate(numbers, stop=stop)) == []


def test_ctrl_c_cancels_the_call_and_waits_for_its_clean_up() -> None:
    program = (
        "import anyio, os, signal\n"
        "from airbyte_exec import _portal\n"
        "async def work():\n"
        "    try:\n"
        "        print('working', flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "    finally:\n"
        "        print('cleaned up', flush=True)\n"
        "try:\n"
        "    _portal.run(work)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.read() == "cleaned up\ninterrupted\n"

    assert process.returncode == 0


INTERRUPTED_EVERYWHERE = """
import os, signal, sys, threading
import anyio
from airbyte_exec import _portal

async def sleep():
    await anyio.sleep(0)

async def numbers():
    for number in range(2):
        yield number

def run():
    _portal.run(sleep)

def iterate():
    list(_portal.iterate(numbers))

def interrupted_at(line, call):
    left = line

    def trace(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left == 0 and event == "line":
            signal.raise_signal(signal.SIGINT)

        return trace

    try:
        sys.settrace(trace)
        call()
        sys.settrace(None)
    except KeyboardInterrupt:
        sys.settrace(None)
        return True

    return left <= 0

def held():
    return set(os.listdir("/proc/self/fd")), threading.active_count(), signal.getsignal(signal.SIGINT)

call = {"run": run, "iterate": iterate}[sys.argv[1]]
call()
before, line = held(), 0
while interrupted_at(line := line + 1, call):
    assert held() == before, (line, held(), before)

print(line)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which descriptors are open")
@pytest.mark.parametrize("call", ["run", "iterate"])
def test_ctrl_c_at_any_line_leaves_no_descriptor_no_thread_and_no_handler(call: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_EVERYWHERE, call], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 50, "the lines of the portal were not traced"


def test_ctrl_c_is_left_to_a_handler_of_the_users_own() -> None:
    came, main = threading.Event(), threading.get_ident()
    before = signal.signal(signal.SIGINT, lambda _number, _frame: came.set())
    try:

        async def work() -> bool:
            signal.pthread_kill(main, signal.SIGINT)
            return await anyio.to_thread.run_sync(came.wait, 30)

        assert _portal.run(work)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("may_be_abandoned", [False, True])
def test_a_blocking_function_is_called_in_a_thread_with_the_callers_context(
    backend: str, may_be_abandoned: bool
) -> None:
    variable: ContextVar[str] = ContextVar("variable")

    def work(number: int) -> tuple[int, str, bool]:
        return 2 * number, variable.get(), threading.current_thread() is threading.main_thread()

    async def main() -> tuple[int, str, bool]:
        variable.set("seen")
        return await _portal.call(work, 21, may_be_abandoned=may_be_abandoned)

    assert anyio.run(main, backend=backend) == (42, "seen", False)


@pytest.mark.parametrize("may_be_abandoned", [False, True])
def test_what_a_blocking_function_raises_is_raised(may_be_abandoned: bool) -> None:
    def fail() -> None:
        raise KeyError("x")

    async def main() -> None:
        await _portal.call(fail, may_be_abandoned=may_be_abandoned)

    with pytest.raises(KeyError, match="x"):
        anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_may_be_abandoned_is_left_to_itself_when_it_is_cancelled(backend: str) -> None:
    go_on, ended, began = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(30)
        ended.set()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(_portal.call, work, may_be_abandoned=True))
            await anyio.to_thread.run_sync(began.wait, 30)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(30)


def test_the_interpreter_does_not_wait_for_a_call_that_was_abandoned() -> None:
    code = """
import threading, anyio
from functools import partial
from airbyte_exec import _portal
began = threading.Event()
def work():
    began.set()
    threading.Event().wait()
async def main():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(_portal.call, work, may_be_abandoned=True))
        await anyio.to_thread.run_sync(began.wait)
        tasks.cancel_scope.cancel()
anyio.run(main)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
