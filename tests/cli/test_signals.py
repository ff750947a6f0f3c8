"""What a signal does at each moment: before, while and after the asynchronous work runs."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Interrupted, Signals


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_before_the_work_is_raised_where_it_comes() -> None:
    with Signals(Output()), pytest.raises(Interrupted) as caught:
        interrupt()

    assert (caught.value.exit_code, caught.value.name) == (130, "Ctrl-C")


def test_a_signal_cancels_the_work_and_waits_for_its_cleaning_up() -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            interrupt()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                cleaned.append(True)

    with Signals(Output()) as signals, pytest.raises(Interrupted):
        signals.run(work)

    assert cleaned == [True]


def test_a_failure_on_the_way_out_is_an_interruption_all_the_same() -> None:
    async def work() -> None:
        try:
            interrupt()
            await anyio.sleep_forever()
        finally:
            raise ValueError

    with Signals(Output()) as signals, pytest.raises(Interrupted):
        signals.run(work)


def test_work_that_is_done_when_the_signal_comes_is_done() -> None:
    async def work() -> int:
        interrupt()
        return 7

    with Signals(Output()) as signals:
        assert signals.run(work) == 7


def test_a_failure_without_a_signal_is_itself() -> None:
    async def work() -> None:
        raise ValueError

    with Signals(Output()) as signals, pytest.raises(ValueError, match=r"^$"):
        signals.run(work)


def test_the_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Signals(Output()):
        assert signal.getsignal(signal.SIGINT) != before

    assert signal.getsignal(signal.SIGINT) == before
