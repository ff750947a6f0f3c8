from __future__ import annotations

import signal
import threading
from types import SimpleNamespace

import anyio
import pytest

from airbyte_exec.cli._signals import Interrupted, Signals

PATIENCE = 30.0


def test_a_signal_that_another_thread_takes_ends_the_wait_of_this_one() -> None:
    output = SimpleNamespace(say=lambda _: None, is_stuck=False, restore_terminal=lambda: None)

    unheard: list[bool] = []

    def interrupt() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def wait() -> None:
        threading.Timer(0.2, interrupt).start()  # by then this thread waits; if it does not, the test proves less
        with anyio.move_on_after(PATIENCE) as waiting:
            try:
                await anyio.sleep_forever()
            finally:
                unheard.append(waiting.cancel_called)

    with Signals(output) as signals, pytest.raises(Interrupted) as caught:  # type: ignore[arg-type]
        signals.run(wait)

    assert unheard == [False]
    assert caught.value.number == signal.SIGINT
