"""What one command of a connector wrote, line by line, and how it ended. The suite judges by nothing else.

A line is a message where the protocol's schema accepts it. What is not is kept as what it is, with the reason: no line
is ever just gone. For tests of one's own there are views of it: messages by type, logs, the one catalog.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

Stop = Literal["exit", "timeout", "flood", "killed", "not started"]
Key = tuple[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line that was written on stdout.

    Parameters:
        number: counted from 1.
        raw: its bytes without the newline.
        at: seconds since the start.
        message: the JSON object, where the line is one with a `type`; else None.
        problem: why it is no message of the protocol; None where it is one.
    """

    number: int
    raw: bytes
    at: float
    message: dict[str, Any] | None
    problem: str | None = None

    @property
    def type(self) -> str:
        """The message's type; empty where it is no message."""
        return str(self.message["type"]) if self.message is not None and self.problem is None else ""

    @property
    def body(self) -> dict[str, Any]:
        """What the message holds under its type, also where it is no message of the protocol; empty where nothing."""
        message = self.message or {}
        found = message.get(_BODIES.get(message.get("type", ""), ""))
        return found if isinstance(found, dict) else {}

    @property
    def is_error(self) -> bool:
        """Whether it is a TRACE ERROR, however incomplete: that is one, whatever else the line is."""
        return (self.message or {}).get("type") == "TRACE" and self.body.get("type") == "ERROR"

    @property
    def error(self) -> dict[str, Any]:
        """What a TRACE ERROR says; empty where it is incomplete."""
        found = self.body.get("error")
        return found if isinstance(found, dict) else {}


_BODIES = {
    "RECORD": "record",
    "STATE": "state",
    "LOG": "log",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
    "CATALOG": "catalog",
    "TRACE": "trace",
    "CONTROL": "control",
    "DESTINATION_CATALOG": "destination_catalog",
}
_MOST_DIGITS = 4_000
_MOST_MISPLACED = 5  # messages on stderr; a thousand of one fault say no more
_LONGEST_MISPLACED = 16 << 20  # bytes; a longer line on stderr is not held in memory
_PROBLEM_SHOWN = 250  # characters
_LEVELS = ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")


def _whole(digits: str) -> int:
    """Return a whole number; of one with more digits than Python reads or writes, its beginning: `raw` has the rest."""
    return int(digits[:_MOST_DIGITS])


def read_line(number: int, raw: bytes, at: float, mask: Callable[[str], str] = str) -> Line | None:
    """Return what a line is; None for one that holds nothing.

    Parameters:
        mask: makes a text fit to be shown; the problem quotes what was written, and is cut after that.
    """
    if not raw.strip():
        return None

    try:
        value = json.loads(raw.decode("utf-8"), parse_int=_whole)
    except UnicodeDecodeError:
        return Line(number=number, raw=raw, at=at, message=None, problem="it is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Line(number=number, raw=raw, at=at, message=None, problem=f"it is not JSON: {error}")

    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return Line(number=number, raw=raw, at=at, message=None, problem="it is JSON, and no message: it has no type")

    return Line(number=number, raw=raw, at=at, message=value, problem=_shown(_problem(value), mask))


def _shown(problem: str | None, mask: Callable[[str], str]) -> str | None:
    return None if problem is None else mask(problem)[:_PROBLEM_SHOWN]


def misplaced(path: Path) -> list[Line]:
    """Return the first messages in a file with all of a connector's stderr; none where there is no file.

    A message is a JSON object that has a type of the protocol and what belongs under it, in any order, whole or not: a
    JSON log of another shape is none.
    """
    found: list[Line] = []
    number = 0
    try:
        with path.open("rb") as file:
            while (raw := file.readline(_LONGEST_MISPLACED)) and len(found) < _MOST_MISPLACED:
                number += 1
                line = read_line(number, raw.rstrip(b"\r\n"), 0.0) if raw.lstrip().startswith(b"{") else None
                value = {} if line is None or line.message is None else line.message
                if line is not None and _BODIES.get(value.get("type", "")) in value:
                    found.append(line)
    except FileNotFoundError:
        return []  # it is made with the first byte

    return found


def _problem(value: dict[str, Any]) -> str | None:
    if value["type"] not in _BODIES:
        return f"its type {value['type']!r} is none of the protocol's"

    if value["type"] == "RECORD" and _is_plain_record(value.get("record")):
        return None  # the schema takes a millisecond, and most lines are records

    if value["type"] == "LOG" and _is_plain_log(value.get("log")):
        return None  # or logs

    from jsonschema.exceptions import best_match

    from airbyte_exec.protocol.resources import validator

    error = best_match(validator("message").iter_errors(value))
    if error is None:
        return None

    where = ".".join(str(part) for part in error.absolute_path) or "the message"
    return f"{where}: {error.message}"


def _is_plain_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("stream"), str)
        and isinstance(record.get("data"), dict)
        and isinstance(record.get("emitted_at"), int)
        and set(record) <= {"stream", "data", "emitted_at", "namespace"}
        and isinstance(record.get("namespace"), str | None)
    )


def _is_plain_log(log: Any) -> bool:
    return (
        isinstance(log, dict)
        and set(log) == {"level", "message"}
        and log["level"] in _LEVELS
        and isinstance(log["message"], str)
    )


@dataclass(kw_only=True)
class Transcript:
    """One command of a connector, from its start to its end.

    Parameters:
        command: such as `read`.
        argv: what was run, without secrets.
        lines: what it wrote, in order.
        exit_code: its exit code, negative for a signal; None where it was stopped.
        stop: how it came to its end.
        stderr: the last lines of its stderr.
        misplaced: messages on stderr, the first ones; looked for in a `read` alone.
        seconds: how long it ran.
        inputs: the files that it was given, by option; the config masked.
        files: the files themselves, as they must be to repeat it, with `stdin.jsonl` where it was written to.
        folder: where these files were written down, if anywhere.
        started_at: when it was started, in milliseconds since 1970.
        problem: why it could not be run.
    """

    command: str
    argv: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    exit_code: int | None = None
    stop: Stop = "exit"
    stderr: list[str] = field(default_factory=list)
    misplaced: list[Line] = field(default_factory=list)
    seconds: float = 0.0
    inputs: dict[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    started_at: int = 0
    problem: str | None = None

    def of(self, kind: str) -> list[Line]:
        """Return the lines of one type."""
        return self._by_type.get(kind, [])

    @cached_property
    def _by_type(self) -> dict[str, list[Line]]:
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.type, []).append(line)

        return found

    @property
    def records(self) -> list[Line]:
        """The RECORD lines."""
        return self.of("RECORD")

    @property
    def states(self) -> list[Line]:
        """The STATE lines."""
        return self.of("STATE")

    @property
    def errors(self) -> list[Line]:
        """The TRACE ERROR lines, the incomplete ones too."""
        return [line for line in self.lines if line.is_error]

    @property
    def statuses(self) -> dict[Key, list[Line]]:
        """The STREAM_STATUS lines, by stream."""
        found: dict[Key, list[Line]] = {}
        for line in self.of("TRACE"):
            if line.body.get("type") == "STREAM_STATUS":
                found.setdefault(key_of(line.body["stream_status"]["stream_descriptor"]), []).append(line)

        return found

    @property
    def strays(self) -> list[Line]:
        """The lines that are no messages of the protocol."""
        return [line for line in self.lines if line.problem is not None]

    @property
    def logs(self) -> list[dict[str, Any]]:
        """What was logged: the LOG messages, and each line that is no message as one of the level INFO."""
        return [
            line.body if line.type == "LOG" else {"level": "INFO", "message": line.raw.decode(errors="replace")}
            for line in self.lines
            if line.type == "LOG" or line.problem is not None
        ]

    @property
    def trace_errors(self) -> list[dict[str, Any]]:
        """What the TRACE ERROR messages say."""
        return [line.error for line in self.errors]

    @property
    def catalog(self) -> dict[str, Any]:
        """The one catalog.

        Raises:
            ValueError: there is none, or more than one.
        """
        found = self.of("CATALOG")
        if len(found) != 1:
            raise ValueError(f"there must be exactly one CATALOG, and there are {len(found)}")

        return found[0].body

    @property
    def by_hand(self) -> str:
        """The command that repeats it by hand."""
        command = shlex.join(self.argv) + (" < stdin.jsonl" if self.command == "write" else "")
        return f"(cd {shlex.quote(str(self.folder))} && {command})" if self.folder else command

    def before(self, line: Line, count: int = 3) -> Iterator[Line]:
        """Yield the lines that stand right before one."""
        yield from (other for other in self.lines if line.number - count <= other.number < line.number)


def key_of(descriptor: dict[str, Any], name: str = "name") -> Key:
    """Return the stream of a descriptor, or of a record (`name="stream"`); no namespace and an empty one are one."""
    return (descriptor[name], descriptor.get("namespace") or None)
