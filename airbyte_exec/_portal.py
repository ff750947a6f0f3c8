"""The one door between threads and the event loop.

The blocking classes call the asynchronous ones through here. Each call has a loop of its own, in a thread of its own,
for as long as it lasts: so it works in a script, in a thread and inside a running loop, and nothing stays behind.

Ctrl-C in the main thread cancels what runs, is held back until all of it is closed, and is raised then. Python raises
it at any instruction, also between the start of a thread and the note of it: the loop would run on, or be waited for
for ever.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from concurrent.futures import CancelledError, Future, wait
from contextlib import ExitStack, aclosing, suppress
from contextvars import copy_context
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread
from anyio.from_thread import start_blocking_portal

T = TypeVar("T")

_LOOK_FOR_STOP = 0.1  # seconds; a `threading.Event` cannot be waited for together with anything else


def run(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Call an asynchronous function and return what it returns.

    Ctrl-C cancels the call, waits for its clean-up, and is raised then; a second one is raised at once.
    """
    with _CtrlC() as ctrl_c, start_blocking_portal(backend="asyncio") as portal:
        future: Future[T] = portal.start_task_soon(ctrl_c.cancels, function, *args)
        return _result(future)


async def call(function: Callable[..., T], *args: Any, may_be_abandoned: bool) -> T:
    """Call a blocking function in a thread and return what it returns.

    Parameters:
        may_be_abandoned: a cancellation leaves the call to itself, and so does the end of this process: for calls
            that wait for somebody who may never answer. Else a cancellation waits for its end.
    """
    if not may_be_abandoned:
        return await anyio.to_thread.run_sync(function, *args)

    outcome: Future[T] = Future()
    waiting, working = socket.socketpair()
    context = copy_context()

    def work() -> None:
        with working:
            try:
                outcome.set_result(context.run(function, *args))
            except BaseException as error:  # noqa: BLE001 - the top of a thread: it is raised by whoever waits
                outcome.set_exception(error)

    with waiting:
        # A daemon, unlike anyio's own threads: the interpreter would wait for those when it ends.
        threading.Thread(target=work, name=f"airbyte_exec {getattr(function, '__name__', '')}", daemon=True).start()
        await anyio.wait_readable(waiting)

    return outcome.result()


def iterate(make: Callable[[], AsyncIterator[T]], *, stop: threading.Event | None = None) -> Generator[T, None, None]:
    """Iterate over an asynchronous generator, one crossing an item.

    Parameters:
        make: makes the asynchronous generator.
        stop: ends the iteration when it is set, also while the next item is waited for.

    Closing this generator (or leaving the loop over it) closes the asynchronous one, with all of its clean-up, before
    it returns. The generator runs in one task from its first to its last step, as cancel scopes demand.
    """
    opened = ExitStack()
    try:
        try:
            yield from _crossings(make, stop, opened)
        finally:
            with _CtrlC():
                opened.close()
    except KeyboardInterrupt:
        opened.close()  # for one that came right before it was held back; else nothing is left to close
        raise


def _crossings(
    make: Callable[[], AsyncIterator[T]], stop: threading.Event | None, opened: ExitStack
) -> Generator[T, None, None]:
    """Do what `iterate` tells, and note in `opened` what it has to close."""
    with _CtrlC():
        portal = opened.enter_context(start_blocking_portal(backend="asyncio"))
        send, receive = portal.call(_make_stream)
        leave = portal.call(anyio.Event)
        opened.callback(_result, portal.start_task_soon(_forward, make, send, leave))
        opened.callback(portal.call, _shut, leave, receive)

    while stop is None or not stop.is_set():
        with _CtrlC() as ctrl_c:
            coming = portal.start_task_soon(ctrl_c.cancels, receive.receive)
            if not _comes(coming, stop):
                return

            try:
                item = _result(coming)
            except anyio.EndOfStream:
                return

        yield item


class _CtrlC:
    """Holds Ctrl-C back within a `with` block of the main thread, and raises it where the block ends.

    Only Python's own handler is replaced: who has one of their own decides themselves.
    """

    def __init__(self) -> None:
        self._came = False
        self._cancel: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        self._replaces = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._replaces:
            signal.signal(signal.SIGINT, self._take)

        return self

    def __exit__(self, *_: object) -> None:
        if self._replaces:
            signal.signal(signal.SIGINT, signal.default_int_handler)

        if self._came:
            raise KeyboardInterrupt from None

    def _take(self, number: int, frame: Any) -> None:
        if self._came:
            signal.default_int_handler(number, frame)

        self._came = True
        if self._cancel is not None:
            with suppress(RuntimeError):  # the loop has closed
                self._cancel()

    async def cancels(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call an asynchronous function; Ctrl-C cancels it.

        Raises:
            CancelledError: Ctrl-C came.
        """
        with anyio.CancelScope() as scope:
            # Not by the future of this call: its lock may be held by the very frame that the signal came to.
            loop = asyncio.get_running_loop()
            self._cancel = lambda: loop.call_soon_threadsafe(scope.cancel)
            if self._came:
                scope.cancel()

            return await function(*args)

        raise CancelledError


def _comes(future: Future[Any], stop: threading.Event | None) -> bool:
    """Wait until the future is done; return False where `stop` is set before that."""
    while stop is not None and not wait([future], timeout=_LOOK_FOR_STOP).done:
        if stop.is_set():
            future.cancel()
            return False

    return True


def _make_stream() -> Any:
    return anyio.create_memory_object_stream[Any](0)


async def _shut(leave: anyio.Event, receive: Any) -> None:
    leave.set()
    receive.close()


async def _forward(make: Callable[[], AsyncIterator[T]], send: Any, leave: anyio.Event) -> None:
    """Run the generator in one task, and end it as soon as nobody listens, also while it waits for its next item."""
    failure: BaseException | None = None

    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await leave.wait()
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            async with send, aclosing(make()) as items:  # type: ignore[type-var]  # a generator has aclose
                async for item in items:
                    await send.send(item)
        except anyio.BrokenResourceError:
            pass
        except Exception as error:  # noqa: BLE001 - the top of a task: it is raised in the calling thread, bare
            failure = error

        group.cancel_scope.cancel()

    if failure is not None:
        raise failure


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except CancelledError:
        raise
    except BaseException:
        future.cancel()
        raise
