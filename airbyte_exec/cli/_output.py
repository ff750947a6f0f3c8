"""Where text goes: data and the one result to stdout, everything else to stderr, and nothing else prints.

What is shown comes in part from connectors: their control characters, and with them every escape code, are made
visible here and never reach the terminal.
"""

from __future__ import annotations

import argparse
import json as jsonlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from airbyte_exec.logs import visible

_SHOW_CURSOR = "\x1b[?25h\n"
_RED, _YELLOW, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


_INSTALLERS = tuple(f"airbyte_exec.executors.{name}" for name in ("venv", "_installer", "_installation"))
"""Loggers whose news are told without being asked: an installation takes minutes."""


class StdoutClosed(Exception):  # noqa: N818 - nothing is wrong: whoever read our output has enough
    """Whoever read our stdout has gone."""


class Output:
    """The two streams of this process, and how much is said.

    Parameters:
        json: stdout gets one JSON object and nothing else.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.quiet = False
        self.verbose = 0
        self.debug = False
        self.is_stuck = False
        """A write to stdout was given up."""
        self.roles: dict[str, str] = {}
        """What each connector of this run is, by name: `source` or `destination`."""
        self.said: set[str] = set()
        """The warnings that were shown already."""
        self.partial: Any = None
        """What was done so far, for a run that fails."""
        self._command = ""
        self._write_line: Callable[[str], None] | None = None

    def take(self, args: argparse.Namespace) -> None:
        """Take the options that say how much is said, and show what is logged."""
        self.json, self.quiet, self.debug = args.json, args.quiet, args.debug
        self.verbose = max(args.verbose, 2 if args.debug else 0)
        self._command = args.command_name
        _show_logs(self)

    @property
    def is_terminal(self) -> bool:
        """Whether stderr is a terminal that a live display can be drawn on."""
        return _is_terminal(sys.stderr) and os.environ.get("TERM", "") not in ("", "dumb")

    @property
    def has_colour(self) -> bool:
        """Whether text on stderr may be coloured."""
        return self.is_terminal and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """Tell something; not with --quiet."""
        if not self.quiet:
            self._line(visible(text))

    def warn(self, text: str) -> None:
        """Tell a warning, once."""
        if text not in self.said:
            self.said.add(text)
            self._line(f"{self._coloured('warning:', _YELLOW)} {visible(text)}")

    def error(self, headline: str, text: str = "") -> None:
        """Tell why this run failed; also with --quiet."""
        self._line(f"{self._coloured('error:', _RED)} {visible(headline)}")
        if text:
            self._line(visible(text))

    def aside(self, text: str) -> None:
        """Tell something that matters less, such as a line of a log."""
        self._line(self._coloured(visible(text), _DIM))

    def report(self, text: str) -> None:
        """Print what a person asked for: on stdout, but on stderr where stdout is for JSON; not with --quiet."""
        if self.json:
            self.say(text)
        elif not self.quiet:
            self.data((visible(text) + "\n").encode("utf-8", "backslashreplace"))

    def text(self, text: str) -> None:
        """Print the text that this command is for on stdout, as it is; nothing where stdout is for JSON."""
        if not self.json:
            self.data((text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace"))

    def data(self, data: bytes) -> None:
        """Write bytes to stdout.

        Raises:
            StdoutClosed: nobody reads any more.
        """
        if sys.stdout is None:
            return

        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # What is left in the buffer would raise once more when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise StdoutClosed from None

    async def stream(self, data: bytes) -> None:
        """Write bytes to stdout from a loop, which stays free: whoever reads them may be slow, or asleep."""
        import anyio

        try:
            await anyio.to_thread.run_sync(self.data, data, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            self.is_stuck = True
            raise

    def succeed(self, result: Any) -> None:
        """Print the result of the run, where JSON is wanted."""
        if self.json:
            self._json({"status": "succeeded", "command": self._command, "error": None, "result": result})

    def fail(self, error: Mapping[str, Any], *, status: str = "failed") -> None:
        """Print what became of the run, where JSON is wanted."""
        if self.json and not self.is_stuck:
            result = error.get("result") or self.partial
            told = {name: value for name, value in error.items() if name != "result"}
            self._json({"status": status, "command": self._command or None, "error": told, "result": result})

    def _json(self, document: Mapping[str, Any]) -> None:
        self.data(jsonlib.dumps(document, default=str).encode() + b"\n")

    def above(self, write_line: Callable[[str], None] | None) -> None:
        """Let lines go to a live display, or again to stderr."""
        self._write_line = write_line

    def restore_terminal(self) -> None:
        """Give the terminal back as it was, from a signal handler."""
        if self._write_line is not None:
            os.write(2, _SHOW_CURSOR.encode())

    def _coloured(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self.has_colour else text

    def _line(self, line: str) -> None:
        if self._write_line is not None:
            self._write_line(line)
            return

        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, AttributeError):  # nobody can be told
            return


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


class _LogLines(logging.Handler):
    """Shows what the library and the connectors log."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record: a warning of ours as a warning, all else as an aside."""
        text = record.getMessage()
        prefix = "airbyte_exec.connector."
        if record.name.startswith(prefix):
            self._output.aside(f"{record.name.removeprefix(prefix)}: {record.levelname}: {text}")
        elif record.levelno >= logging.WARNING:
            self._output.warn(text)
        else:
            self._output.aside(text)


def _show_logs(output: Output) -> None:
    library, connectors = logging.getLogger("airbyte_exec"), logging.getLogger("airbyte_exec.connector")
    library.handlers = [_LogLines(output)]
    library.propagate = False
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(output.verbose, 2)]
    library.setLevel(level)
    connectors.setLevel(logging.CRITICAL if not output.verbose else level)
    for name in _INSTALLERS:
        logging.getLogger(name).setLevel(level if output.verbose or output.quiet else logging.INFO)
