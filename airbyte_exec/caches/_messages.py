"""Messages that a program hands to a cache one by one: gathered, written batch by batch, their states handed on."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from airbyte_exec.caches._sink import COMMIT_BYTES, COMMIT_INTERVAL
from airbyte_exec.exceptions import AirbyteConnectorReadError, AirbyteStreamNotFoundError
from airbyte_exec.protocol.codec import LineDecoder
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.models import AirbyteStreamStatus
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.caches._load import Load
    from airbyte_exec.protocol.catalog import StreamPlan
    from airbyte_exec.protocol.models import AirbyteMessage, AirbyteStateMessage, AirbyteTraceMessage
    from airbyte_exec.shared.state_writers import StateWriterBase


class Tracker(Protocol):
    """What is told how far the writing is; a `ProgressTracker` is one."""

    def log_batch_written(self, stream_name: str, batch_size: int) -> None:
        """Take note of a batch that is durable."""

    def log_stream_finalized(self, stream_name: str) -> None:
        """Take note of a stream that is complete."""

    def log_cache_processing_complete(self) -> None:
        """Take note of the end."""


class Writing:
    """Messages on their way into a load.

    Parameters:
        load: takes the records; its states are not its affair.
        plans: the streams that may come.
        state_writer: takes the states whose records are durable.
        tracker: is told of what is durable.
    """

    def __init__(
        self, load: Load, plans: Sequence[StreamPlan], state_writer: StateWriterBase, tracker: Tracker | None
    ) -> None:
        self._load = load
        self._plans = {plan.stream: plan for plan in plans}
        self._replaced = {plan.stream for plan in plans if plan.refresh}
        self._state_writer = state_writer
        self._tracker = tracker
        self._builder = load.builder()
        self._decoder = LineDecoder()
        self._states: list[AirbyteStateMessage] = []
        self._counts: dict[StreamId, int] = {}
        self._seen: dict[StreamId, None] = {}
        self._failures: dict[StreamId | None, str] = {}
        self._written_at = time.monotonic()

    def take(self, messages: Iterable[AirbyteMessage]) -> None:
        """Take messages, and write whenever a batch is large, or a state has waited for a second.

        Where they break off, what came until then is written, and what was added stays.
        """
        ended = False
        try:
            for message in messages:
                self._take(message)

            ended = True
        finally:
            if not ended:
                self._write(kept=self._added(), last=True)

    def finish(self, source_name: str) -> None:
        """Write what is left. The streams of which something came, and nothing bad, are complete.

        Raises:
            AirbyteConnectorReadError: there was a TRACE ERROR, or a stream is INCOMPLETE.
        """
        completed = [] if None in self._failures else [s for s in self._seen if s not in self._failures]
        self._write(completed, kept=self._added(), last=True)
        if self._tracker is not None:
            for stream in completed:
                self._tracker.log_stream_finalized(stream.name)

            self._tracker.log_cache_processing_complete()

        if self._failures:
            told = "; ".join(text if s is None else f"stream {s}: {text}" for s, text in self._failures.items())
            raise AirbyteConnectorReadError(
                message=f"The messages tell of a failure: {told}",
                guidance="What came with it is in the cache; streams that were to be replaced are as they were.",
                connector_name=source_name,
            )

    def _take(self, message: AirbyteMessage) -> None:
        if message.record is not None:
            stream = self._known(message.record.stream, message.record.namespace)
            self._counts[stream] = self._counts.get(stream, 0) + 1
            self._seen[stream] = None
            self._gather(message)
        elif message.state is not None:
            self._states.append(message.state)
            self._gather(message)
        elif message.trace is not None:
            self._note(message.trace)

        waited = bool(self._states) and time.monotonic() - self._written_at >= COMMIT_INTERVAL
        if waited or self._builder.size >= COMMIT_BYTES:
            self._write()

    def _gather(self, message: AirbyteMessage) -> None:
        items = self._decoder.feed(message.to_bytes() + b"\n")
        self._builder.add(item for item in items if isinstance(item, Records | State))

    def _known(self, name: str, namespace: str | None) -> StreamId:
        stream = StreamId(name, namespace)
        if stream not in self._plans:
            raise AirbyteStreamNotFoundError(
                message="A record is of a stream that is not in the catalog.",
                stream_name=str(stream),
                available_streams=[str(known) for known in self._plans],
            )

        return stream

    def _note(self, trace: AirbyteTraceMessage) -> None:
        if trace.error is not None:
            descriptor = trace.error.stream_descriptor
            failed = None if descriptor is None else StreamId(descriptor.name, descriptor.namespace)
            self._failures.setdefault(failed, trace.error.message)

        if trace.stream_status is not None:
            descriptor = trace.stream_status.stream_descriptor
            stream = StreamId(descriptor.name, descriptor.namespace)
            if stream in self._plans and trace.stream_status.status is AirbyteStreamStatus.COMPLETE:
                self._seen[stream] = None
            elif trace.stream_status.status is AirbyteStreamStatus.INCOMPLETE:
                self._failures.setdefault(stream, "INCOMPLETE")

    def _added(self) -> list[StreamId]:
        return [stream for stream in self._seen if stream not in self._replaced]

    def _write(self, completed: Sequence[StreamId] = (), *, kept: Sequence[StreamId] = (), last: bool = False) -> None:
        batch = self._builder.take()
        states, self._states = self._states, []  # where the batch fails, they are not for anyone
        self._load.write(batch, completed=completed, kept=kept, last=last, on_rows=lambda: None)
        waiting = (self._replaced & self._seen.keys()).difference(completed)
        for state in states:
            if _speaks_of(state, waiting):  # of rows that are put aside, and may never take their place
                self._states.append(state)
            else:
                self._state_writer.write_state(state)

        counts, self._counts = self._counts, {}
        if self._tracker is not None:
            for stream, count in counts.items():
                self._tracker.log_batch_written(stream.name, count)

        self._written_at = time.monotonic()


def _speaks_of(state: AirbyteStateMessage, streams: Collection[StreamId]) -> bool:
    """Say whether one of the streams is among those that a state speaks of."""
    if state.stream is None:
        return bool(streams)

    descriptor = state.stream.stream_descriptor
    return StreamId(descriptor.name, descriptor.namespace) in streams
