"""What a case expects of a run, as far as data can say it: how it ends, how many messages of which type, how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import Line, Transcript

_LINES_SHOWN = 5


def judge(run: Transcript, expect: Mapping[str, Any], limit: float) -> Iterator[Finding]:
    """Yield what of a run is not as expected.

    Parameters:
        run: the run.
        expect: `exit_code`, `messages`, `trace_errors`, `status`; `protocol/schema/case.json` describes them.
        limit: the seconds that it had.
    """
    if run.stop in ("timeout", "flood", "not started"):
        yield Finding(message=stopped(run, limit), lines=tuple(run.lines[-_LINES_SHOWN:]), run=run)
        return

    yield from _exit(run, expect.get("exit_code"))
    for kind, wanted in expect.get("messages", {}).items():
        found = run.of(kind)
        if not _fits(len(found), wanted):
            message = f"{_wanted(wanted)} {kind} expected, {len(found)} came"
            yield Finding(message=message, lines=tuple((found or run.lines)[:_LINES_SHOWN]), run=run)

    wanted = expect.get("trace_errors")
    if wanted is not None and not _fits(len(run.errors), wanted):
        message = f"{_wanted(wanted)} TRACE of type ERROR expected, {len(run.errors)} came"
        yield Finding(message=message, lines=tuple(run.errors[:_LINES_SHOWN]), run=run)

    yield from _status(run, expect.get("status"))


def stopped(run: Transcript, limit: float) -> str:
    """Return how a run that did not end by itself came to its end."""
    if run.stop == "not started":
        return f"`{run.command}` could not be run: {run.problem}"

    if run.stop == "flood":
        why = "the suite keeps no more of one run, so its config should ask for less"
        return f"`{run.command}` wrote {run.problem} and more, and was stopped: {why}"

    if run.problem is not None:
        return f"`{run.command}` {run.problem}"

    return f"`{run.command}` did not end within {limit:g} s"


def _exit(run: Transcript, wanted: Any) -> Iterator[Finding]:
    if wanted is None or wanted == "any" or run.stop == "killed":
        return

    fits = run.exit_code != 0 if wanted == "not 0" else run.exit_code == wanted
    if not fits:
        said = "; ".join(run.stderr[-2:])
        message = f"`{run.command}` ended with exit code {run.exit_code}, expected: {wanted}"
        lines = tuple(run.errors[:2]) or tuple(run.lines[-2:])
        yield Finding(message=f"{message}{f' (stderr: {said[:300]})' if said else ''}", lines=lines, run=run)


def _status(run: Transcript, wanted: str | None) -> Iterator[Finding]:
    if wanted is None:
        return

    for line in run.of("CONNECTION_STATUS"):
        if line.body["status"] != wanted:
            yield Finding(message=f"status {wanted} expected", lines=(line,), run=run)
        elif wanted == "FAILED" and not (line.body.get("message") or "").strip():
            yield Finding(message="FAILED, and no message tells why", lines=(line,), run=run)


def _fits(count: int, wanted: int | str) -> bool:
    return count >= int(wanted[2:]) if isinstance(wanted, str) else count == wanted


def _wanted(wanted: int | str) -> str:
    return f"at least {wanted[2:]}" if isinstance(wanted, str) else f"exactly {wanted}"


def first(lines: list[Line], count: int = _LINES_SHOWN) -> tuple[Line, ...]:
    """Return the first lines, as evidence."""
    return tuple(lines[:count])
