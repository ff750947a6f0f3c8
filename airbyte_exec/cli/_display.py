"""How far a sync is, while it runs: a live table on a terminal, a line every few seconds elsewhere.

The engine counts; this only looks at the counters, a few times a second, from a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from airbyte_exec import constants
from airbyte_exec.cli._output import Output
from airbyte_exec.logs import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airbyte_exec._engine.progress import Progress, StreamProgress
    from airbyte_exec.types import StreamId

LINE_EVERY = 5.0  # seconds between two lines where there is no terminal
_SILENT_TURNS = 6  # where nothing moves, only each sixth line is told
DRAWN_PER_SECOND = 6.0
_LINES_KEPT = 6  # lines of the terminal that are left to others
_MOST_STREAMS = 20


class Watch:
    """The counters of the transfer that runs now; there is none before it has begun."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.progress: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Take the counters: this is a `WriteOptions.on_progress`."""
        self.progress = progress

    def line(self) -> str:
        """Say in one line how far it is."""
        if self.progress is None:
            return f"{self.title}: starting"

        return f"{self.title}: {summary(self.progress)}"

    def position(self) -> object:
        """Return what changes when something moves."""
        progress = self.progress
        if progress is None:
            return None

        return progress.phase, progress.records_read, progress.records_delivered, progress.states_committed

    def partial(self) -> dict[str, Any] | None:
        """Return what was done so far, in the form of a result; None where nothing was begun."""
        progress = self.progress
        if progress is None:
            return None

        from airbyte_exec.results import StreamResult, WriteResult

        return WriteResult(
            source_name=progress.source_name,
            destination_name=progress.destination_name,
            processed_records=progress.records_delivered,
            streams={
                stream: StreamResult(
                    counts.read,
                    counts.delivered,
                    counts.committed,
                    "complete" if counts.status == "complete" else "incomplete",
                )
                for stream, counts in progress.streams.items()
            },
            states_sent=progress.states_sent,
            states_committed=progress.states_committed,
            bytes_read=progress.bytes_read,
            duration_seconds=progress.elapsed_seconds,
        ).to_dict()

    def kept(self) -> str:
        """Say what stays of a sync that is ended early."""
        if self.progress is None:
            return "Nothing was moved yet."

        return (
            f"{self.progress.states_committed} of {self.progress.states_sent} states were committed: the next run "
            "continues there."
        )


@contextmanager
def shown(watch: Watch, output: Output) -> Iterator[None]:
    """Show the progress for as long as the block lasts, as the terminal (or the lack of one) allows.

    What was done is left in `output.partial`, for a run that does not come to its result.
    """
    draws = output.is_terminal and not constants.is_set("NO_LIVE_PROGRESS")
    how = nullcontext() if output.quiet else (_drawn if draws else _told)(watch, output)
    try:
        with how:
            yield
    finally:
        output.partial = watch.partial()


@contextmanager
def _told(watch: Watch, output: Output) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        before, silent = watch.position(), 0
        while not over.wait(LINE_EVERY):
            now = watch.position()
            silent = silent + 1 if now == before else 0
            before = now
            if silent % _SILENT_TURNS == 0:
                output.say(watch.line())

    teller = threading.Thread(target=tell, name="airbyte-exec progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


@contextmanager
def _drawn(watch: Watch, output: Output) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def draw() -> RenderableType:
        return _picture(watch, console.size.height)

    def above(line: str) -> None:
        console.print(Text.from_ansi(line), soft_wrap=True)

    live = Live(
        get_renderable=draw,
        console=console,
        refresh_per_second=DRAWN_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        output.above(above)
        try:
            yield
        finally:
            output.above(None)


def _picture(watch: Watch, height: int) -> RenderableType:
    from rich.console import Group
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    progress = watch.progress
    head = Spinner("dots", Text(visible(watch.line())))
    if progress is None or not progress.streams:
        return head

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("stream", no_wrap=True, overflow="ellipsis")
    for name in ("read", "written", "confirmed"):
        table.add_column(name, justify="right", no_wrap=True)

    table.add_column("", no_wrap=True)
    rows = max(1, min(_MOST_STREAMS, height - _LINES_KEPT))
    chosen = streams_to_show(progress, rows)
    for stream, counts in chosen:
        cells = (counts.read, counts.delivered, counts.committed)
        name = visible(str(stream)).replace("\n", " ")
        table.add_row(Text(name), *(f"{cell:,}" for cell in cells), Text(counts.status))

    left = len(progress.streams) - len(chosen)
    return Group(head, table, Text(f"and {left:,} more streams")) if left else Group(head, table)


_ORDER = {"failed": 0, "running": 1, "complete": 2, "pending": 3}


def streams_to_show(progress: Progress, number: int) -> list[tuple[StreamId, StreamProgress]]:
    """Return the streams that say most: those that failed or run, then the others; in the order of the catalog."""
    streams = list(progress.streams.items())
    if len(streams) <= number:
        return streams

    ranked = sorted(range(len(streams)), key=lambda at: (_ORDER.get(streams[at][1].status, 1), at))
    return [streams[at] for at in sorted(ranked[:number])]


def summary(progress: Progress) -> str:
    """Say how far a transfer is: records, speed, bytes, states, and who is waited for."""
    records, elapsed = progress.records_read, max(progress.elapsed_seconds, 0.001)
    said = [
        f"{records:,} records",
        f"{records / elapsed:,.0f}/s",
        f"{megabytes(progress.bytes_read)}",
        f"{progress.states_committed:,} of {progress.states_sent:,} states committed",
    ]
    expected = progress.estimates.get(None) or sum(n for stream, n in progress.estimates.items() if stream is not None)
    if expected:
        said[0] += f" of about {expected:,}"

    if progress.phase in ("reading", "finishing") and progress.waiting_for != "nobody":
        name = progress.source_name if progress.waiting_for == "source" else progress.destination_name
        said.append(f"{progress.phase}, waiting for {name}")
    else:
        said.append(progress.phase)

    return ", ".join(said)


def megabytes(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{number / 1e6:,.1f} MB" if number >= 1e5 else f"{number / 1e3:,.1f} kB"
