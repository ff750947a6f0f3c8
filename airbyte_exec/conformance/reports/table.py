"""The table that a person reads in a terminal: groups, then what is broken, with its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from airbyte_exec.conformance.results import Report, Result, shown
from airbyte_exec.logs import visible

_FINDINGS = 5
_WIDTH = 160
_ORDER = ("pass", "fail", "warn", "info", "known", "skip", "error")


def render(report: Report) -> str:
    """Return the table. What a connector wrote is made visible: a terminal would obey its control characters."""
    return visible("\n".join(_lines(report)))


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.connector}: {len(report.results)} rules in {report.seconds:.1f} s"
    group = ""
    for result in report.results:
        if result.case.group != group:
            group = result.case.group
            yield f"\n{group}"

        reason = f"  ({result.reason})" if result.reason else ""
        yield f"  {result.status:5} {result.case.code:5} {result.case.id:34}{reason}"

    for result in report.results:
        if result.findings:
            yield from _evidence(result)

    for rule in report.stale:
        yield f"\nstale: the baseline names {rule}, and it is kept"

    counts = report.counts
    yield "\n" + ", ".join(f"{counts[status]} {status}" for status in _ORDER if status in counts)


def _evidence(result: Result) -> Iterator[str]:
    case = result.case
    yield f"\n{result.status}: {case.id} ({case.code}): {case.title}"
    yield f"  why: {case.why} See: {case.explain}"
    for finding in result.findings[:_FINDINGS]:
        yield f"  - {finding.message}"
        for line in finding.lines:
            text = shown(line)
            yield f"      {line.number}: {text if len(text) <= _WIDTH else text[:_WIDTH] + '…'}"

    if len(result.findings) > _FINDINGS:
        yield f"  - and {len(result.findings) - _FINDINGS} more"

    for command in dict.fromkeys(run.by_hand for run in result.runs):
        yield f"  by hand: {command}"
