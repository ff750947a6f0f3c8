"""The counters of a job: a write adds to them by itself, a program that moves messages passes them through here."""

from __future__ import annotations

import abc
import time
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec.progress._clock import Clock, in_words, since
from airbyte_exec.protocol.models import AirbyteMessage, AirbyteStreamStatus, AirbyteTraceMessage, Type
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import StreamDescriptor

_STATUSES = {
    AirbyteStreamStatus.STARTED: "running",
    AirbyteStreamStatus.COMPLETE: "complete",
    AirbyteStreamStatus.INCOMPLETE: "failed",
}
_ENDS = (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE)


class Tallies(abc.ABC):
    """Counters and times; `_update` shows them."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.total_records_written = 0
        self.total_batches_written = 0
        self.total_batches_finalized = 0
        self.written_stream_names: set[str] = set()
        self.finalized_stream_names: list[str] = []
        self._confirmed_together = 0  # by states of several streams, which do not say how many are of which
        self._clock = Clock()

    @abc.abstractmethod
    def _update(self, *, now: bool = False) -> None:
        """Show the counters, if it is time to or if it is to be now."""

    # Messages that pass by

    def tally_records_read(
        self, messages: Iterable[AirbyteMessage], *, auto_close_streams: bool = False
    ) -> Generator[AirbyteMessage, None, None]:
        """Yield the messages, and count the records among them as read.

        Parameters:
            messages: what a source sends.
            auto_close_streams: at the end, yield a COMPLETE for each stream that had records, and no end of its own.
        """
        self._update()
        open_streams: dict[StreamId, None] = {}
        for message in messages:  # counted before it is handed on: nobody may ask for another one
            if message.record is not None:
                stream = StreamId(message.record.stream, message.record.namespace)
                self._clock.first_record = self._clock.first_record or time.monotonic()
                self._stream(stream).read += 1
                open_streams[stream] = None
            elif message.trace is not None and message.trace.stream_status is not None:
                status = message.trace.stream_status
                stream = _stream_of(status.stream_descriptor)
                if status.status in _STATUSES:
                    self._stream(stream).status = _STATUSES[status.status]

                if status.status in _ENDS:
                    open_streams.pop(stream, None)

            self._update()
            yield message

        for stream in open_streams if auto_close_streams else ():
            self._stream(stream).status = "complete"
            yield _complete(stream)

    def tally_pending_writes(self, messages: Iterable[AirbyteMessage]) -> Generator[AirbyteMessage, None, None]:
        """Yield the messages, and count the records among them as delivered to the destination."""
        for message in messages:
            if message.record is not None:
                self._clock.first_sent = self._clock.first_sent or time.monotonic()
                self._stream(StreamId(message.record.stream, message.record.namespace)).delivered += 1

            self._update()
            yield message

    def tally_confirmed_writes(self, messages: Iterable[AirbyteMessage]) -> Generator[AirbyteMessage, None, None]:
        """Yield the messages, and add up the `destinationStats` of the states that a destination sends."""
        for message in messages:
            state = message.state
            if state is not None and state.destinationStats is not None:
                count = int(state.destinationStats.recordCount or 0)
                if state.stream is not None:
                    self._stream(_stream_of(state.stream.stream_descriptor)).committed += count
                else:
                    self._confirmed_together += count

                self._update()

            yield message

        self._update(now=True)

    def tally_bytes_read(self, bytes_read: int, stream_name: str) -> None:  # noqa: ARG002 - PyAirbyte's name
        """Count bytes as read.

        Parameters:
            bytes_read: how many.
            stream_name: the stream that they are of.
        """
        self.progress.bytes_read += bytes_read

    # Steps

    def log_stream_start(self, stream_name: str) -> None:
        """Note that a stream is being read."""
        self._stream(StreamId(stream_name)).status = "running"
        self._update()

    def log_read_complete(self) -> None:
        """Note that everything is read."""
        self._clock.read = time.monotonic()
        self.progress.phase = "finishing"
        self._update(now=True)

    def log_batch_written(self, stream_name: str, batch_size: int) -> None:
        """Note that a batch is written.

        Parameters:
            stream_name: the stream that it is of.
            batch_size: its records.
        """
        self.total_records_written += batch_size
        self.total_batches_written += 1
        self.written_stream_names.add(stream_name)
        self._update()

    def log_batches_finalizing(self, stream_name: str, num_batches: int) -> None:  # noqa: ARG002 - PyAirbyte's names
        """Note that what was written is about to be put in place: nothing more is read from then on.

        Parameters:
            stream_name: the stream that it is of.
            num_batches: its batches.
        """
        self._clock.finalizing = self._clock.finalizing or time.monotonic()
        self._clock.read = self._clock.read or self._clock.finalizing
        self._update(now=True)

    def log_batches_finalized(self, stream_name: str, num_batches: int) -> None:  # noqa: ARG002 - PyAirbyte's name
        """Note that batches are in place.

        Parameters:
            stream_name: the stream that they are of.
            num_batches: how many.
        """
        self.total_batches_finalized += num_batches
        self._update(now=True)

    def log_cache_processing_complete(self) -> None:
        """Note that all that was written is in place."""
        self._clock.finalized = time.monotonic()
        self._update(now=True)

    def log_stream_finalized(self, stream_name: str) -> None:
        """Note that all of a stream is in place."""
        if stream_name not in self.finalized_stream_names:
            self.finalized_stream_names.append(stream_name)
            self._update(now=True)

    # Numbers

    @property
    def total_records_read(self) -> int:
        """Records that came from the source."""
        return self.progress.records_read

    @property
    def total_bytes_read(self) -> int:
        """Bytes of records and states that came from the source."""
        return self.progress.bytes_read

    @property
    def total_megabytes_read(self) -> float:
        """The same, in units of 1,000,000 bytes."""
        return self.progress.bytes_read / 1e6

    @property
    def total_destination_records_delivered(self) -> int:
        """Records that the destination has taken."""
        return self.progress.records_delivered

    @property
    def total_destination_records_confirmed(self) -> int:
        """Records before a state that the destination confirmed."""
        return self.progress.records_committed + self._confirmed_together

    @property
    def destination_records_delivered_per_second(self) -> float:
        """Records that the destination takes in a second."""
        seconds = self.total_destination_write_time_seconds or self.elapsed_seconds
        return self.progress.records_delivered / max(seconds, 1e-3)

    # Times

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start, or until the end."""
        return since(self.progress.started, self._clock.ended)

    @property
    def elapsed_read_seconds(self) -> float:
        """Seconds from the first record until everything was read."""
        return since(self._clock.first_record or self.progress.started, self._clock.read or self._clock.ended)

    @property
    def elapsed_finalization_seconds(self) -> float:
        """Seconds that putting what was written in place took; 0 before that."""
        return since(self._clock.finalizing, self._clock.finalized or self._clock.ended)

    @property
    def elapsed_seconds_since_last_update(self) -> float | None:
        """Seconds since it was shown; None before that."""
        return None if self._clock.shown is None else since(self._clock.shown, None)

    @property
    def total_time_elapsed_seconds(self) -> float:
        """Seconds since the tracker was made, or until the end."""
        return since(self._clock.started, self._clock.ended)

    @property
    def total_destination_write_time_seconds(self) -> float:
        """Seconds since the first record was sent to the destination, or until the end; 0 before that."""
        return since(self._clock.first_sent, self._clock.ended)

    @property
    def elapsed_time_string(self) -> str:
        """`elapsed_seconds` in words."""
        return in_words(self.elapsed_seconds)

    @property
    def elapsed_read_time_string(self) -> str:
        """`elapsed_read_seconds` in words."""
        return in_words(self.elapsed_read_seconds)

    @property
    def elapsed_finalization_time_str(self) -> str:
        """`elapsed_finalization_seconds` in words."""
        return in_words(self.elapsed_finalization_seconds)

    @property
    def total_time_elapsed_str(self) -> str:
        """`total_time_elapsed_seconds` in words."""
        return in_words(self.total_time_elapsed_seconds)

    @property
    def total_destination_write_time_str(self) -> str:
        """`total_destination_write_time_seconds` in words."""
        return in_words(self.total_destination_write_time_seconds)

    def _stream(self, stream: StreamId) -> StreamProgress:
        return self.progress.streams.setdefault(stream, StreamProgress())


def _stream_of(descriptor: StreamDescriptor) -> StreamId:
    return StreamId(descriptor.name, descriptor.namespace)


def _complete(stream: StreamId) -> AirbyteMessage:
    descriptor = {"name": stream.name} if stream.namespace is None else stream._asdict()
    trace = {
        "type": "STREAM_STATUS",
        "emitted_at": time.time() * 1000,
        "stream_status": {"stream_descriptor": descriptor, "status": "COMPLETE"},
    }
    return AirbyteMessage(type=Type.TRACE, trace=AirbyteTraceMessage.model_validate(trace))
