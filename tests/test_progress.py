"""The counters of a write in PyAirbyte's words, and how they are shown."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from mini import stream
from syncs import Lab, lab

from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec.progress import ProgressStyle, ProgressTracker
from airbyte_exec.progress import _tracker as module
from airbyte_exec.progress._clock import in_words
from airbyte_exec.protocol.models import AirbyteMessage
from airbyte_exec.types import StreamId

__all__ = ["lab"]


@dataclass
class Named:
    name: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def counters(phase: str = "reading", **more: Any) -> Progress:
    return Progress(
        streams={StreamId("users"): StreamProgress(read=1200, delivered=1000, committed=900)},
        source_name="source-a",
        destination_name="destination-b",
        phase=phase,
        bytes_read=2_500_000,
        **more,
    )


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each step: time is no part of these tests."""
    monkeypatch.setattr(module, "_LINE_EVERY", 0.0)
    monkeypatch.setattr(module, "_DRAWN_EVERY", 0.0)


def test_a_write_fills_the_tracker(lab: Lab) -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    lab.write(lab.source(streams=[stream(records=20)]), streams=["users"], on_progress=tracker)

    assert tracker.total_records_read == 20
    assert tracker.total_destination_records_delivered == tracker.total_destination_records_confirmed == 20
    assert tracker.total_bytes_read == tracker.total_megabytes_read * 1e6 > 0
    assert tracker.destination_records_delivered_per_second > 0
    assert tracker.job_description == "source-mini -> destination-mini"


def test_none_says_nothing(capfd: pytest.CaptureFixture[str], every_step: None) -> None:
    with ProgressTracker(ProgressStyle.NONE) as tracker:
        tracker(counters())
        tracker(counters("done"))

    assert capfd.readouterr() == ("", "")


def test_plain_lines_go_to_stderr_and_the_last_one_is_the_end(
    capfd: pytest.CaptureFixture[str], every_step: None
) -> None:
    with ProgressTracker(ProgressStyle.PLAIN, expected_streams=["users", "items"]) as tracker:
        tracker(counters())
        tracker(counters("done"))

    out, err = capfd.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert first.startswith("source-a -> destination-b: 1,200 records read, 1,000 delivered, 900 confirmed, 2.5 MB")
    assert first.endswith("still to come: items, reading")
    assert last.endswith("done")


@pytest.mark.parametrize(
    ("style", "no_live", "terminal", "is_drawn"),
    [
        (ProgressStyle.AUTO, "", Terminal, True),
        (ProgressStyle.AUTO, "1", Terminal, False),
        (ProgressStyle.AUTO, "", io.StringIO, False),
        (ProgressStyle.RICH, "1", Terminal, True),
        (ProgressStyle.IPYTHON, "", Terminal, True),
        (ProgressStyle.PLAIN, "", Terminal, False),
    ],
)
@pytest.mark.usefixtures("every_step")
def test_a_line_that_changes_is_drawn_on_terminals_unless_nobody_wants_one(
    monkeypatch: pytest.MonkeyPatch,
    style: ProgressStyle,
    no_live: str,
    terminal: type[io.StringIO],
    is_drawn: bool,
) -> None:
    monkeypatch.setenv("NO_LIVE_PROGRESS", no_live)
    monkeypatch.setenv("TERM", "xterm")
    shown = terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    tracker = ProgressTracker(style)
    tracker(counters())
    tracker(counters("failed"))

    assert ("\x1b[?25l" in shown.getvalue()) is is_drawn  # the cursor is hidden while a line changes
    assert shown.getvalue().count("\x1b[?25h") == is_drawn
    assert shown.getvalue().endswith("failed\n")


def test_what_is_given_is_named_before_anything_runs() -> None:
    tracker = ProgressTracker(source=Named("source-x"), cache=Named("rows"), destination=None)

    assert tracker.job_description == "source-x -> rows"
    assert ProgressTracker().get_status_message().startswith("sync: 0 records read")


def record(stream: str, **more: Any) -> AirbyteMessage:
    return AirbyteMessage.model_validate(
        {"type": "RECORD", "record": {"stream": stream, "data": {}, "emitted_at": 1, **more}}
    )


def status(stream: str, status: str) -> AirbyteMessage:
    told = {"stream_descriptor": {"name": stream}, "status": status}
    return AirbyteMessage.model_validate(
        {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": told}}
    )


def confirmed(stream: str, count: float) -> AirbyteMessage:
    told = {"stream_descriptor": {"name": stream}, "stream_state": {}}
    return AirbyteMessage.model_validate(
        {"type": "STATE", "state": {"type": "STREAM", "stream": told, "destinationStats": {"recordCount": count}}}
    )


def test_messages_that_pass_are_counted_and_come_out_as_they_were() -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    messages = [status("users", "STARTED"), record("users"), record("users", namespace="n"), record("items")]

    assert list(tracker.tally_records_read(messages)) == messages
    assert list(tracker.tally_pending_writes(messages[:2])) == messages[:2]
    assert list(tracker.tally_confirmed_writes([confirmed("users", 4.0), *messages])) == [
        confirmed("users", 4.0),
        *messages,
    ]
    tracker.tally_bytes_read(2_000_000, "users")

    assert tracker.total_records_read == 3
    assert tracker.total_destination_records_delivered == 1
    assert tracker.total_destination_records_confirmed == 4
    assert tracker.total_megabytes_read == 2.0
    assert tracker.progress.streams[StreamId("users")].status == "running"
    assert set(tracker.progress.streams) == {StreamId("users"), StreamId("users", "n"), StreamId("items")}


def test_records_that_a_state_of_all_streams_confirms_are_counted() -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    told = {"type": "GLOBAL", "global": {"stream_states": []}, "destinationStats": {"recordCount": 5.0}}
    message = AirbyteMessage.model_validate({"type": "STATE", "state": told})

    assert list(tracker.tally_confirmed_writes([message, confirmed("users", 4.0)])) == [
        message,
        confirmed("users", 4.0),
    ]
    assert tracker.total_destination_records_confirmed == 9


def test_streams_without_an_end_of_their_own_are_ended() -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    messages = [record("users"), record("items", namespace="n"), status("users", "COMPLETE")]

    *passed, ended = tracker.tally_records_read(messages, auto_close_streams=True)

    assert passed == messages
    assert ended.trace is not None
    assert ended.trace.stream_status is not None
    assert ended.trace.stream_status.stream_descriptor.to_dict() == {"name": "items", "namespace": "n"}
    assert {s.status for s in tracker.progress.streams.values()} == {"complete"}


def test_a_stream_that_is_incomplete_is_not_ended() -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    messages = [status("users", "STARTED"), record("users"), status("users", "INCOMPLETE")]

    assert list(tracker.tally_records_read(messages, auto_close_streams=True)) == messages
    assert tracker.progress.streams[StreamId("users")].status == "failed"


def test_each_message_that_was_taken_is_counted() -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    read = tracker.tally_records_read([record("users")] * 10)

    assert len(list(islice(tracker.tally_pending_writes(read), 3))) == 3
    assert tracker.total_records_read == tracker.total_destination_records_delivered == 3


def test_steps_are_noted_and_shown(capfd: pytest.CaptureFixture[str], every_step: None) -> None:
    tracker = ProgressTracker(ProgressStyle.PLAIN, source="source-a", cache="rows")
    assert tracker.elapsed_seconds_since_last_update is None
    assert tracker.elapsed_finalization_seconds == tracker.total_destination_write_time_seconds == 0
    tracker.log_stream_start("users")
    tracker.log_batch_written("users", 5)
    tracker.log_batch_written("items", 2)
    tracker.log_read_complete()
    tracker.log_batches_finalizing("users", 2)
    tracker.log_batches_finalized("users", 2)
    tracker.log_stream_finalized("users")
    tracker.log_stream_finalized("users")
    tracker.log_cache_processing_complete()
    tracker.log_success()

    assert (tracker.total_records_written, tracker.total_batches_written) == (7, 2)
    assert tracker.written_stream_names == {"users", "items"}
    assert (tracker.total_batches_finalized, tracker.finalized_stream_names) == (2, ["users"])
    assert tracker.elapsed_seconds_since_last_update is not None
    assert tracker.elapsed_seconds == tracker.elapsed_seconds
    assert tracker.total_time_elapsed_seconds >= tracker.elapsed_finalization_seconds >= 0
    assert tracker.elapsed_read_time_string.endswith("seconds")
    assert capfd.readouterr().err.splitlines()[-1].endswith("done")


def test_a_failure_ends_the_display(capfd: pytest.CaptureFixture[str]) -> None:
    tracker = ProgressTracker(ProgressStyle.PLAIN)
    tracker.reset_progress_style(ProgressStyle.PLAIN)
    tracker.log_failure(ValueError("secret"))

    assert capfd.readouterr().err.endswith("failed\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.126, "0.13 seconds"),
        (5.25, "5.2 seconds"),
        (42.4, "42 seconds"),
        (123, "2min 3s"),
        (1234, "20min"),
        (3 * 3600 + 125, "3hr 2min"),
    ],
)
def test_a_duration_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
