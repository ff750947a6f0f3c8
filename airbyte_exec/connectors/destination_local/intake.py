"""The write: stdin to buffers by stream, buffers to the store, and each state back once its rows are durable.

The order is the whole promise. A state is echoed after the store returned from the rows before it, never sooner, and
in the order in which the states came. An error between the two echoes nothing.
"""

from __future__ import annotations

import os
import select
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.failure import DestinationFailure
from airbyte_exec.connectors.destination_local.messages import log, with_destination_stats, write_lines
from airbyte_exec.connectors.destination_local.storage import Store
from airbyte_exec.protocol.codec import LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Item, Malformed, Message, Noise, Records, State
from airbyte_exec.types import StreamId

FLUSH_BYTES = 32 * 1024 * 1024
"""So much is held in memory at most before it is stored (one longer line is taken whole)."""

_READ_BYTES = 1024 * 1024
_NOTED_LINES = 3  # so many lines that are no message are shown; the rest is counted


@dataclass(slots=True)
class _Pending:
    """What was taken and is not stored yet."""

    batches: dict[StreamId, list[bytes]] = field(default_factory=dict)
    size: int = 0
    rows: Counter[StreamId] = field(default_factory=Counter)
    states: list[bytes] = field(default_factory=list)


class Intake:
    """One write.

    Parameters:
        streams: the streams of the catalog.
        store: where the rows go; it is open.
        flush_seconds: how long a state waits at most.
    """

    def __init__(self, streams: Sequence[ConfiguredStream], store: Store, *, flush_seconds: float) -> None:
        self._streams = {stream.id: stream for stream in streams}
        self._store = store
        self._flush_seconds = flush_seconds
        self._decoder = LineDecoder()
        self._pending = _Pending()
        self._flushed_at = time.monotonic()
        self._uncounted: defaultdict[StreamId, int] = defaultdict(int)
        self._statuses: dict[StreamId, str] = {}
        self._unknown: Counter[StreamId] = Counter()
        self._noise = 0
        self.rows: Counter[StreamId] = Counter()
        """The rows that were stored, by stream."""

    def run(self) -> None:
        """Take all of stdin, store it and end the streams that are complete.

        Raises:
            DestinationFailure: a line that cannot be stored, or a stream that did not come to its end.
        """
        while chunk := self._read():
            self._take(chunk)

        self._take(None)

        self._flush()
        self._say_what_was_ignored()
        self._end_streams()

    def _read(self) -> bytes:
        while self._pending.states:
            wait = self._flushed_at + self._flush_seconds - time.monotonic()
            if wait > 0 and select.select([0], [], [], wait)[0]:
                break

            self._flush()

        return os.read(0, _READ_BYTES)

    def _take(self, chunk: bytes | None) -> None:
        """Take a chunk of stdin, or its end."""
        try:
            items = self._decoder.end() if chunk is None else self._decoder.feed(chunk)
        except LineTooLongError as error:
            raise DestinationFailure(message=f"stdin: {error}.") from error

        for item in items:
            self._take_item(item)

        if self._pending.size >= FLUSH_BYTES:
            self._flush()

    def _take_item(self, item: Item) -> None:
        if isinstance(item, Records):
            self._take_records(item)
        elif isinstance(item, State):
            self._pending.states.append(self._counted(item))
            self._pending.size += len(item.line)
            if time.monotonic() - self._flushed_at >= self._flush_seconds:
                self._flush()

        elif isinstance(item, Message):
            self._take_message(item)
        elif isinstance(item, Noise):
            self._note(item)
        else:
            self._refuse(item)

    def _take_records(self, run: Records) -> None:
        pending = self._pending
        for stream, lines, count in run.by_stream():
            if stream not in self._streams:
                if not self._unknown[stream]:
                    log("WARN", f"Stream {str(stream)!r} is not in the catalog: its records are not stored.")

                self._unknown[stream] += count
                continue

            pending.batches.setdefault(stream, []).append(lines)
            pending.size += len(lines)
            pending.rows[stream] += count
            self._uncounted[stream] += count

    def _counted(self, state: State) -> bytes:
        """Return the line to echo, with the count of records since the last state of its stream, or of all streams."""
        if state.kind == "STREAM" and state.streams:
            count = self._uncounted.pop(state.streams[0][0], 0)
        else:
            count = sum(self._uncounted.values())
            self._uncounted.clear()

        return with_destination_stats(state.line, count)

    def _take_message(self, item: Message) -> None:
        trace = item.decode().trace
        if trace is None or trace.stream_status is None:
            return

        descriptor = trace.stream_status.stream_descriptor
        stream = self._known(StreamId(descriptor.name, descriptor.namespace))
        if stream is not None and self._statuses.get(stream) not in ("COMPLETE", "INCOMPLETE"):  # these are final
            self._statuses[stream] = trace.stream_status.status.value

    def _known(self, stream: StreamId) -> StreamId | None:
        """Return the stream of the catalog that a status speaks of: platforms mix up "" and no namespace."""
        if stream in self._streams:
            return stream

        other = StreamId(stream.name, None if stream.namespace == "" else "")
        return other if not stream.namespace and other in self._streams else None

    def _note(self, item: Noise) -> None:
        self._noise += 1
        if self._noise <= _NOTED_LINES:
            what = f"a message of the unknown type {item.type!r}" if item.type else "a line that is no message"
            log("WARN", f"stdin: {what} is ignored ({len(item.line)} bytes).")

    def _refuse(self, item: Malformed) -> None:
        if item.type not in ("RECORD", "STATE", None):
            log("WARN", f"stdin, line {item.line_no}: a broken {item.type} is ignored: {item.reason}.")
            return

        # A later state would claim rows that are not there.
        stream = f" of stream {item.stream!r}" if item.stream else ""
        raise DestinationFailure(
            message=f"stdin, line {item.line_no}: a broken {item.type or 'message'}{stream}: {item.reason}.",
        )

    def _flush(self) -> None:
        pending, self._pending = self._pending, _Pending()
        if pending.batches:
            self._store.write(pending.batches)
            self.rows += pending.rows

        if pending.states:
            write_lines(pending.states)

        self._flushed_at = time.monotonic()

    def _say_what_was_ignored(self) -> None:
        for stream, count in self._unknown.items():
            log("WARN", f"Stream {str(stream)!r} is not in the catalog: {count} records were not stored.")

        if self._noise > _NOTED_LINES:
            log("WARN", f"stdin: {self._noise} lines were no message and were ignored.")

    def _end_streams(self) -> None:
        complete = [s for s in self._streams.values() if self._is_complete(s)]
        open_ended = [s for s in self._streams.values() if not self._is_complete(s)]
        # What was sent to be added is kept whatever became of its source; what replaces waits for the rest of it.
        self._store.finish([s.id for s in complete] + [s.id for s in open_ended if not s.truncates])
        if open_ended:
            raise _incomplete(open_ended)

    def _is_complete(self, stream: ConfiguredStream) -> bool:
        status = self._statuses.get(stream.id)
        if stream.generation is None:
            # A platform without generations says nothing about streams: the end of its input is the end of them all.
            return status != "INCOMPLETE"

        return status == "COMPLETE"


def _incomplete(streams: Sequence[ConfiguredStream]) -> DestinationFailure:
    kept = [str(s.id) for s in streams if not s.truncates]
    waiting = [str(s.id) for s in streams if s.truncates]
    said = ["The input ended before these streams were complete."]
    if kept:
        said.append(f"Their rows were stored: {_some(kept)}.")

    if waiting:
        said.append(f"Their old rows stay, and the new ones wait for the rest: {_some(waiting)}.")

    return DestinationFailure(message=" ".join(said), failure_type="transient_error")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
