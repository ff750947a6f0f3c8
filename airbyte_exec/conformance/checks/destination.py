"""What a write must be: the states that come back, and the rows that are there afterwards."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks.values import moment
from airbyte_exec.conformance.messages import Names, Sync, filled
from airbyte_exec.conformance.readback import ReadBack
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.rows import Row
from airbyte_exec.conformance.transcript import Line, Transcript

_MOST = 5
_ADDED = (
    "destinationStats",
    "sourceStats",
    "id",
    "committedRecordsCount",
    "committedBytesCount",
    "rejectedRecordsCount",
)


def _value(state: Mapping[str, Any]) -> str:
    """Return a state as text by which equal ones are equal, whatever a destination adds to it."""
    kept = {name: value for name, value in state.items() if name not in _ADDED and value is not None}
    kept.setdefault("type", "LEGACY")
    if kept["type"] != "LEGACY":
        kept.pop("data", None)

    if kept["type"] == "GLOBAL":
        body = dict(kept["global"])
        body["stream_states"] = sorted(
            body.get("stream_states") or (), key=lambda each: json.dumps(each, sort_keys=True)
        )
        kept["global"] = body

    return json.dumps(kept, sort_keys=True)


def echoes(run: Transcript, sync: Sync, wanted: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the states that came back.

    Parameters:
        wanted: `all` (each, in order), `last` (at least the last one, as it was), `sent` (nothing that was not sent),
            `none`, or None for no word on them.
    """
    if wanted is None:
        return

    came, sent = [(_value(line.body), line) for line in run.states], [_value(state) for state in sync.states]
    if wanted == "none":
        if came:
            yield Finding(message="it confirms a state whose records it did not write", lines=_lines(came), run=run)

        return

    yield from _strays(run)
    if wanted == "last":
        if not came or came[-1][0] != sent[-1]:
            message = "the last state that was sent is not the last one that came back"
            yield Finding(message=message, lines=_lines(came[-2:]), run=run)

        return

    if invented := [pair for pair in came if pair[0] not in sent]:
        yield Finding(message=f"{len(invented)} states came back that nobody sent", lines=_lines(invented), run=run)

    if wanted == "all" and not invented and [value for value, _ in came] != sent:
        message = f"{len(sent)} states were sent, and {len(came)} came back, or not in that order"
        yield Finding(message=message, lines=_lines(came), run=run)


def _strays(run: Transcript) -> Iterator[Finding]:
    for line in run.strays:
        body = line.message or {}
        if body.get("type") in ("STREAM", "GLOBAL", "LEGACY") or "stream_state" in body:
            message = 'a state without its envelope ({"type": "STATE", "state": …}): nobody can take it for one'
            yield Finding(message=message, lines=(line,), run=run)
            return


def _lines(pairs: Sequence[tuple[str, Line]]) -> tuple[Line, ...]:
    return tuple(line for _, line in pairs[:_MOST])


def counts(run: Transcript, sync: Sync, *, needed: bool) -> Iterator[Finding]:
    """Yield what is wrong with the counts of the states that came back.

    Parameters:
        needed: a count must be there.
    """
    for line, state in zip(run.states, sync.states, strict=False):
        sent = state["sourceStats"]["recordCount"]
        said = (line.body.get("destinationStats") or {}).get("recordCount")
        if said != sent and (needed or said is not None):
            message = f"destinationStats.recordCount is {said}, and {sent} records were sent before that state"
            yield Finding(message=message, lines=(line,), run=run)


def failure_types(run: Transcript) -> Iterator[Finding]:
    """Yield the errors that do not say of which kind they are."""
    for line in run.errors:
        if not (line.body.get("error") or {}).get("failure_type"):
            yield Finding(message="the TRACE ERROR has no failure_type", lines=(line,), run=run)


def stored(adapter: ReadBack, wanted: Mapping[str, Any], names: Names, run: Transcript) -> list[Finding]:
    """Return what is wrong with the rows that are there.

    Parameters:
        wanted: for each stream its rows; or `{"count": n}`, `{"contains": [rows]}`, `{"any": n}` (so many, whatever
            they hold).
    """
    found = []
    for label, rows in wanted.items():
        name, namespace = names.key(label)
        have = adapter.rows(name, namespace)
        message = compared(rows, have)
        if message is not None:
            shown = json.dumps(have[:_MOST], default=str, ensure_ascii=False)[:600]
            found.append(Finding(message=f"{label}: {message}; there: {shown}", run=run))

    return found


def compared(wanted: Any, have: Sequence[Row]) -> str | None:
    """Return what is wrong with the rows of one stream, None where they are as wanted; see `stored`."""
    if isinstance(wanted, Mapping) and ("count" in wanted or "any" in wanted):
        count = wanted.get("count", wanted.get("any"))
        return None if len(have) == count else f"{count} rows expected, {len(have)} are there"

    contains = isinstance(wanted, Mapping)
    rows = [filled(row) for row in (wanted["contains"] if isinstance(wanted, Mapping) else wanted)]
    left = list(have)
    for row in rows:
        fitting = next((number for number, other in enumerate(left) if _fits(row, other)), None)
        if fitting is None:
            return f"this row is not there: {json.dumps(row, ensure_ascii=False)[:300]}{_nearest(row, left)}"

        left.pop(fitting)

    return None if contains or not left else f"{len(rows)} rows expected, {len(have)} are there"


def _nearest(wanted: Row, rows: Sequence[Row]) -> str:
    """Return what is another in the row that is most like one; nothing where none is like it."""

    def others(row: Row) -> list[str]:
        return [name for name, value in wanted.items() if not _same(value, row.get(name))]

    found = min(rows, key=lambda row: len(others(row)), default=None)
    if found is None or len(others(found)) == len(wanted):
        return ""

    names = others(found)[:_MOST]
    return "; nearest: " + ", ".join(f"{name} is {json.dumps(found.get(name), default=str)[:80]}" for name in names)


def _fits(wanted: Row, row: Row) -> bool:
    return all(_same(value, row.get(name)) for name, value in wanted.items())


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        if "$any_of" in wanted:
            return any(_same(each, value) for each in wanted["$any_of"])

        return isinstance(value, Mapping) and all(_same(inner, value.get(name)) for name, inner in wanted.items())

    if isinstance(wanted, list):
        is_alike = isinstance(value, list) and len(value) == len(wanted)
        return is_alike and all(map(_same, wanted, value))

    if isinstance(wanted, bool):  # a store without a type for it has numbers
        return str(value).lower() in (("true", "1") if wanted else ("false", "0"))

    if wanted is None or value is None:
        return wanted is value

    if isinstance(wanted, int | float):
        return _same_number(wanted, value)

    return _same_text(str(wanted), value)


def _same_number(wanted: float, value: Any) -> bool:
    try:
        if isinstance(wanted, int):
            return int(value) == wanted and not isinstance(value, bool)

        return math.isclose(float(value), wanted)
    except (TypeError, ValueError, OverflowError):
        return False


def _same_text(wanted: str, value: Any) -> bool:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        value = value.isoformat()

    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if text in (wanted, json.dumps(wanted), json.dumps(wanted, ensure_ascii=False)):  # JSON as text, where it is both
        return True

    first, second = moment(wanted), moment(text)
    if first is not None and first == second:
        return True

    return _same_time(wanted, text)


def _same_time(wanted: str, text: str) -> bool:
    try:
        return datetime.time.fromisoformat(wanted) == datetime.time.fromisoformat(text)
    except (ValueError, TypeError):
        return False
