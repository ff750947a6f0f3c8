"""The counters of a write in PyAirbyte's words, and how they are shown."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from mini import stream
from syncs import Lab, lab

from airbyte_exec import progress as module
from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec.progress import ProgressStyle, ProgressTracker
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
