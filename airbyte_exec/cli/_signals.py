"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the work in order, the second one at once.

While connectors run, the first signal cancels the task that runs them: they are stopped, their files are removed, what
was confirmed is kept. A second one ends this process without a further step; the guardian then ends the connectors.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    import asyncio

    from airbyte_exec.cli._output import Output

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked this process to end.

    Parameters:
        number: the signal.
        told: what to tell the user beside its name.
        leaves_threads: a thread is still at work that cannot be stopped.
    """

    def __init__(self, number: int, *, told: str = "", leaves_threads: bool = False) -> None:
        super().__init__(number)
        self.number = number
        self.told = told
        self.leaves_threads = leaves_threads

    @property
    def name(self) -> str:
        """The signal's name."""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """What a shell reports of a process that ended by this signal."""
        return 128 + self.number

    def __str__(self) -> str:
        return f"Interrupted by {self.name}."


class Signals:
    """Takes the signals for as long as the block lasts. One that was ignored when we began stays ignored (nohup).

    Parameters:
        output: told that we are ending, and asked to give the terminal back.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._cancel: Callable[[], object] | None = None
        self._taken: int | None = None
        self.told = ""
        """What the user is told of the state of things when the work is interrupted."""

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)

        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._taken is not None:
            self._output.restore_terminal()
            os._exit(128 + number)

        self._taken = number
        if self._cancel is None:
            raise Interrupted(number)

        self._cancel()

    def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run an asynchronous function on a loop of its own, in this thread.

        Raises:
            Interrupted: a signal came; the function was cancelled, and has cleaned up.
        """
        import anyio

        done: list[T] = []

        async def run_cancellably() -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            with anyio.CancelScope() as scope:

                def end() -> None:
                    self._output.say("Ending the connectors … (once more: at once)")
                    scope.cancel()

                # Not from the handler itself: it may have come in the middle of a write to the same stream.
                self._cancel = partial(loop.call_soon_threadsafe, end)
                try:
                    with _woken_by_signals(loop):
                        done.append(await function())
                finally:
                    self._cancel = None

        try:
            anyio.run(run_cancellably)
        except Exception as error:
            if self._taken is None:
                raise

            raise self._interrupted(self._taken) from error  # whatever failed on the way out, it was asked to end

        if not done and self._taken is not None:
            raise self._interrupted(self._taken)

        return done[0]

    def _interrupted(self, number: int) -> Interrupted:
        return Interrupted(number, told=self.told, leaves_threads=self._output.is_stuck)


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let a signal end the loop's wait: one that comes right before it would be heard after it, which may be never."""
    heard, told = socket.socketpair()
    with heard, told:
        heard.setblocking(False)
        told.setblocking(False)
        loop.add_reader(heard, heard.recv, 4096)
        before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(heard)
