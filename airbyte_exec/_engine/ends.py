"""The two ends of a straight stream: a source child as a feed, a destination child as a sink."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Protocol

import anyio

from airbyte_exec import _crashpoints
from airbyte_exec._connector.session import Session
from airbyte_exec._process import StdinClosed
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.selection import some
from airbyte_exec.types import StreamId


class Feed(Protocol):
    """What is read: a source child, or the journal of a cache."""

    def batches(self) -> AsyncGenerator[list[Records | State], None]:
        """Yield the data in order; raises where the other side failed."""
        ...

    def failed_streams(self) -> dict[StreamId, str]:
        """Return the streams that failed while the others went on, with the reason."""
        ...

    def error(self, message: str) -> Exception:
        """Return an error that says that this side is at fault."""
        ...


class SinkClosedError(Exception):
    """The sink takes nothing any more; why is said by `Sink.messages`."""


class Sink(Protocol):
    """Where the data goes: a destination child, or a cache."""

    async def send(self, items: Sequence[Records | State]) -> None:
        """Return when the items were taken; raises `SinkClosedError` where they cannot be."""
        ...

    async def complete(self, completed: Collection[StreamId]) -> bool:
        """Say which streams are complete, where no end of the input follows; returns whether that is durable now."""
        ...

    async def end_of_input(self, completed: Collection[StreamId]) -> None:
        """Say that all was sent, and which streams are complete."""
        ...

    def messages(self) -> AsyncGenerator[list[State], None]:
        """Yield the states that are durable; ends when the sink has ended well, raises where it did not."""
        ...

    def error(self, message: str) -> Exception:
        """Return an error that says that this side is at fault."""
        ...


class SourceFeed:
    """A source child that is being read.

    Parameters:
        session: the running `read`.
        streams: the streams of the catalog.
    """

    def __init__(self, session: Session, streams: Collection[StreamId]) -> None:
        self._session = session
        self._streams = _Known(streams)

    async def batches(self) -> AsyncGenerator[list[Records | State], None]:
        """Yield the data in order.

        Raises:
            AirbyteConnectorReadError: it did not end well.
        """
        limits = self._session.options.limits
        async with aclosing(self._session.batches(heartbeat=limits.source_heartbeat)) as batches:
            async for batch in batches:
                yield batch

        await self._session.finish(exit_timeout=limits.exit)
        failure = self._session.exit_error(apart=self._streams)
        if failure is not None:
            raise failure

        self._warn_of_statuses()

    def failed_streams(self) -> dict[StreamId, str]:
        """Return the streams of the catalog that the source itself says have failed."""
        failed = self._session.facts.failed_streams()
        return {self._streams[stream]: reason for stream, reason in failed.items() if stream in self._streams}

    def _warn_of_statuses(self) -> None:
        facts, name = self._session.facts, self._session.connector
        ended = {self._streams[s] for s, status in facts.statuses.items() if s in self._streams and status in _TERMINAL}
        open_ended = [str(stream) for stream in self._streams.all if stream not in ended]
        if open_ended:
            facts.warn(
                f"{name} ended well and did not say whether it completed {some(open_ended)}: taken as complete, since "
                "no stream was said to have failed."
            )

        strange = [str(stream) for stream in facts.statuses if stream not in self._streams]
        if strange:
            facts.warn(f"{name} told the status of streams that are not in the catalog: {some(strange)}.")

    def error(self, message: str) -> Exception:
        """Return an error of the source."""
        return self._session.error(message)


class DestinationSink:
    """A destination child that is being written to.

    Parameters:
        session: the running `write`.
    """

    def __init__(self, session: Session, names: dict[StreamId, StreamId]) -> None:
        self._session = session
        self._names = names
        self._input_ended = False

    async def send(self, items: Sequence[Records | State]) -> None:
        """Write the items; returns when the pipe took them.

        Raises:
            AirbyteConnectorWriteError: it took nothing for too long.
            SinkClosedError: it closed its stdin, or has exited.
        """
        limit = self._session.options.limits.destination_write
        parts = [item.data if isinstance(item, Records) else item.line for item in items]
        try:
            await self._session.child.write(*parts, limit=limit)
        except TimeoutError:
            raise self._session.error(
                f"It took nothing of what was written to it for {limit:g} s.",
                guidance="Set the time limit `destination_write` higher if it may be busy for that long.",
            ) from None
        except StdinClosed:
            raise SinkClosedError from None

    async def complete(self, completed: Collection[StreamId]) -> bool:
        """Write a COMPLETE for each of the streams. What it does then it does not say before it ends."""
        lines = [_complete(self._names[stream]) for stream in completed]
        limit = self._session.options.limits.destination_write
        try:
            with anyio.fail_after(limit):
                _crashpoints.reached("input.ending")
                await self._session.child.write(b"".join(lines))
                _crashpoints.reached("input.completed")
        except TimeoutError:
            raise self._session.error(f"It did not take the end of its input within {limit:g} s.") from None
        except StdinClosed:
            raise SinkClosedError from None

        return False

    async def end_of_input(self, completed: Collection[StreamId]) -> None:
        """Write a COMPLETE for each of the streams and close the destination's stdin."""
        await self.complete(completed)
        self._input_ended = True
        await self._session.child.close_stdin()
        _crashpoints.reached("input.ended")

    async def messages(self) -> AsyncGenerator[list[State], None]:
        """Yield the states that it gives back, until it has ended.

        Raises:
            AirbyteConnectorWriteError: it did not end well, or before it got all of its input.
        """
        limits = self._session.options.limits
        async with aclosing(self._session.batches()) as batches:
            async for batch in batches:
                states = [item for item in batch if isinstance(item, State)]
                if len(states) < len(batch):
                    name = self._session.connector
                    self._session.facts.warn(f"{name} wrote records: a destination has none to write.")

                if states:
                    yield states

        await self._session.finish(exit_timeout=limits.exit)
        failure = self._session.exit_error()
        if failure is None and not self._input_ended:
            failure = self._session.error("It ended before it got the end of its input.")

        if failure is not None:
            raise failure

    def error(self, message: str) -> Exception:
        """Return an error of the destination."""
        return self._session.error(message)


_TERMINAL = ("COMPLETE", "INCOMPLETE")


class _Known:
    """Finds the stream of the catalog that a source means: some say `""` where they have no namespace."""

    def __init__(self, streams: Collection[StreamId]) -> None:
        self.all = tuple(streams)
        alike = {StreamId(stream.name, None if stream.namespace == "" else ""): stream for stream in streams}
        self._found = {**{means: s for means, s in alike.items() if not s.namespace}, **{s: s for s in streams}}

    def __contains__(self, stream: object) -> bool:
        return stream in self._found

    def __getitem__(self, stream: StreamId) -> StreamId:
        return self._found[stream]


def _complete(stream: StreamId) -> bytes:
    descriptor = {"name": stream.name} if stream.namespace is None else stream._asdict()
    trace = {
        "type": "STREAM_STATUS",
        "emitted_at": float(round(time.time() * 1000)),
        "stream_status": {"stream_descriptor": descriptor, "status": "COMPLETE"},
    }
    return json.dumps({"type": "TRACE", "trace": trace}).encode() + b"\n"
