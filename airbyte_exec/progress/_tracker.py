"""The counters of a job, shown while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from airbyte_exec import constants
from airbyte_exec.progress._tallies import Tallies

if TYPE_CHECKING:
    from typing import Self

    from airbyte_exec._engine.progress import Progress

_LINE_EVERY = 5.0  # seconds between two plain lines
_DRAWN_EVERY = 0.15  # seconds between two pictures of the line that changes


class ProgressStyle(Enum):
    """How progress is shown."""

    AUTO = "auto"
    """On a terminal and in a notebook a line that changes, unless `NO_LIVE_PROGRESS` is set; plain lines elsewhere."""
    RICH = "rich"
    """A line that changes."""
    IPYTHON = "ipython"
    """A line that changes in the output of a notebook's cell; rich does that as well."""
    PLAIN = "plain"
    """A line every few seconds."""
    NONE = "none"
    """Not at all; the numbers are there all the same."""


class ProgressTracker(Tallies):
    """Counters of a write, or of several one after the other, and a display of them on stderr.

    Parameters:
        style: how it is shown.
        source: the source, a name or anything with a `name`; it is told by the write itself where it is left out.
        cache: the cache, in the same way.
        destination: the destination, in the same way.
        expected_streams: names of streams that are listed before anything has come of them.
    """

    def __init__(
        self,
        style: ProgressStyle = ProgressStyle.AUTO,
        *,
        source: Any = None,
        cache: Any = None,
        destination: Any = None,
        expected_streams: Iterable[str] | None = None,
    ) -> None:
        super().__init__()
        self.style = style
        self._source = _name(source)
        self._target = _name(destination) or _name(cache)
        self.expected_streams = list(expected_streams or ())
        self._status: Any = None

    def __call__(self, progress: Progress) -> None:
        """Take the counters: this is a `WriteOptions.on_progress`."""
        self.progress = progress
        if progress.phase in ("done", "failed"):
            self._end(progress.phase)
        else:
            self._clock.ended = None
            self._update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the display; a write that ends does that by itself."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    @property
    def job_description(self) -> str:
        """Between what the records move."""
        names = (self._source or self.progress.source_name, self._target or self.progress.destination_name)
        return " -> ".join(name for name in names if name)

    def reset_progress_style(self, style: ProgressStyle = ProgressStyle.AUTO) -> None:
        """Show it in another way from now on."""
        self.close()
        self.style = style

    def log_success(self) -> None:
        """Note that the job ended well, and end the display."""
        self._end("done")

    def log_failure(self, exception: Exception) -> None:  # noqa: ARG002 - PyAirbyte's name; its caller raises it
        """Note that the job failed, and end the display.

        Parameters:
            exception: what it failed with.
        """
        self._end("failed")

    def get_status_message(self) -> str:
        """Say in one line how far it is."""
        seen = {stream.name for stream in self.progress.streams}
        waiting = [name for name in self.expected_streams if name not in seen]
        said = [
            f"{self.total_records_read:,} records read",
            f"{self.total_destination_records_delivered:,} delivered",
            f"{self.total_destination_records_confirmed:,} confirmed",
            f"{self.total_megabytes_read:,.1f} MB",
            f"{self.elapsed_seconds:,.0f} s",
            *([f"still to come: {', '.join(waiting)}"] if waiting else []),
            self.progress.phase,
        ]
        return f"{self.job_description or 'sync'}: {', '.join(said)}"

    def _end(self, phase: str) -> None:
        self.progress.phase = phase
        self._clock.ended = time.monotonic()
        self.close()
        if self.style is not ProgressStyle.NONE:
            self._tell()

    def _update(self, *, now: bool = False) -> None:
        if self.style is ProgressStyle.NONE:
            return

        every = _DRAWN_EVERY if self._is_live() else _LINE_EVERY
        if now or time.monotonic() - (self._clock.shown or self._clock.started) >= every:
            self._clock.shown = time.monotonic()
            if self._is_live():
                self._draw()
            else:
                self._tell()

    def _is_live(self) -> bool:
        if self.style is ProgressStyle.AUTO:
            return (sys.stderr.isatty() or "ipykernel" in sys.modules) and not constants.is_set("NO_LIVE_PROGRESS")

        return self.style in (ProgressStyle.RICH, ProgressStyle.IPYTHON)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.text import Text

        text = Text(self.get_status_message())
        if self._status is None:
            self._status = Console(stderr=True).status(text, refresh_per_second=6)
            self._status.start()

        self._status.update(text)

    def _tell(self) -> None:
        sys.stderr.write(self.get_status_message() + "\n")


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(getattr(thing, "name", None) or "")
