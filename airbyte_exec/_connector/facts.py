"""What a connector said and did beside its data: errors, statuses, noise, its end."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_exec.protocol.envelope import Malformed, State, StateKind
from airbyte_exec.types import StreamId

_MOST_ERRORS = 10
_LONGEST_TEXT = 50_000  # characters; both as the Airbyte platform cuts them


@dataclass(frozen=True, slots=True)
class TraceError:
    """A TRACE ERROR, however incomplete it was.

    Parameters:
        message: the connector's words for the user.
        internal_message: its words for a developer.
        failure_type: `system_error`, `config_error` or `transient_error`.
        stream: the stream that failed; None for the whole of it.
    """

    message: str
    internal_message: str | None = None
    failure_type: str | None = None
    stream: StreamId | None = None

    def __str__(self) -> str:
        kind = f"[{self.failure_type}] " if self.failure_type else ""
        where = f"{self.stream}: " if self.stream else ""
        inner = self.internal_message
        return f"{kind}{where}{self.message}" + (f" ({inner})" if inner and inner != self.message else "")


@dataclass(slots=True)
class Facts:
    """Collected while a connector runs.

    Parameters:
        errors: its TRACE ERROR messages, in order.
        statuses: the last STREAM_STATUS of each stream; one that is INCOMPLETE stays so.
        answers: SPEC, CATALOG and CONNECTION_STATUS payloads, in order.
        noise: lines that are no messages, counted by the rule's id in `protocol/README.md`.
        malformed: malformed lines that were let pass, counted.
        quarantine: the file that holds their exact bytes.
        estimates: the rows that the source expects to send, by stream; of the whole sync under None.
        warnings: what the user should know, once each.
        mask: makes any text of the connector fit to be shown.
        state_kind: the kind of its first state: all others must be of that kind.
    """

    errors: list[TraceError] = field(default_factory=list)
    statuses: dict[StreamId, str] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    noise: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    quarantine: Path | None = None
    estimates: dict[StreamId | None, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    mask: Callable[[str], str] = str
    state_kind: StateKind | None = None

    def mixed_states(self, state: State) -> dict[str, Any] | None:
        """Note a state; return the parts of an error where it is of another kind than those before it."""
        if self.state_kind is None:
            self.state_kind = state.kind

        if state.kind == self.state_kind:
            return None

        stream = str(state.streams[0][0]) if state.kind == "STREAM" else None
        return {
            "message": f"It mixes kinds of state: line {state.line_no} is a {state.kind} state"
            f"{f' of stream {stream!r}' if stream else ''}, and those before it were {self.state_kind}.",
            "guidance": "The protocol has one kind of state a run: of two, nobody can tell which one the next run is "
            "to go on from. Nothing from that line on was taken.",
            "stream_name": stream,
        }

    def saw_status(self, stream: StreamId, status: str) -> None:
        """Note a STREAM_STATUS. COMPLETE and INCOMPLETE are final, and only a failure overrides COMPLETE."""
        before = self.statuses.get(stream)
        if before == "INCOMPLETE" or (before == "COMPLETE" and status != "INCOMPLETE"):
            return

        self.statuses[stream] = status

    def warn(self, text: str) -> bool:
        """Note a warning, and say whether it is new."""
        if text in self.warnings:
            return False

        self.warnings.append(text)
        return True

    def error_texts(self, mask: Callable[[str], str] = str) -> list[str]:
        """Return the texts of its TRACE ERROR messages for an error of ours: not too many, none too long.

        Parameters:
            mask: replaces secrets, before anything is cut.
        """
        shown = (mask(str(error)) for error in self.errors[: _MOST_ERRORS + 1])
        texts = [text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…" for text in shown]
        left_out = len(self.errors) - _MOST_ERRORS
        return texts if left_out <= 0 else [*texts[:_MOST_ERRORS], f"… and {left_out} more"]

    def failure_type(self) -> str:
        """Return the kind of failure that its TRACE ERROR messages tell: the kind that leaves most hope.

        A source sums the errors of its streams up in a last one that is a `config_error` in form alone. So it is one
        only where nothing else is told; and without any word it is a `system_error`.
        """
        told = {error.failure_type for error in self.errors if error.failure_type}
        if "transient_error" in told:
            return "transient_error"

        return "config_error" if told == {"config_error"} else "system_error"

    def failed_streams(self) -> dict[StreamId, str]:
        """Return the streams that failed by themselves, each with the reason."""
        failed = {
            stream: "the source says INCOMPLETE" for stream, status in self.statuses.items() if status == "INCOMPLETE"
        }
        failed.update({error.stream: str(error) for error in self.errors if error.stream is not None})
        return failed


def describe_exit(code: int) -> str:
    """Say how a process ended: `exited with code 1`, `was ended by SIGKILL`."""
    if code >= 0:
        return f"exited with code {code}"

    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def hint_for_exit(code: int | None) -> str | None:
    """Return what an exit code usually means, where it has a usual meaning."""
    if code in (-signal.SIGKILL, 137):
        return "It was killed: by the kernel for want of memory, or by somebody."

    if code in (-signal.SIGTERM, 143):
        return "Somebody asked it to end (SIGTERM) before it was done: that is no success."

    return {
        3: "If it is a Java connector: 3 means that it ran out of memory.",
        126: "The file could not be executed: is it a program for this machine?",
        127: "A command was not found: is AIRBYTE_ENTRYPOINT set, and is the interpreter there?",
    }.get(code or 0)


def describe_malformed(item: Malformed) -> str:
    """Say what is wrong with a line, where it stands, and how it begins."""
    where = f"line {item.line_no}" + (f", stream {item.stream!r}" if item.stream else "")
    return f"{where}: {item.reason}"
