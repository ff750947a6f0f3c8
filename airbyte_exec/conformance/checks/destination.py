"""What a write must leave behind: rows as they were sent, and errors that say of which kind they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airbyte_exec.conformance.checks.likeness import is_cut, same
from airbyte_exec.conformance.messages import Names, filled
from airbyte_exec.conformance.readback import ReadBack
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.rows import Row
from airbyte_exec.conformance.transcript import Transcript

_MOST = 5


def failure_types(run: Transcript) -> Iterator[Finding]:
    """Yield the errors that do not say of which kind they are, or nothing to the user."""
    for line in run.errors:
        if not line.error.get("failure_type"):
            yield Finding(message="the TRACE ERROR has no failure_type", lines=(line,), run=run)

        if not str(line.error.get("message") or "").strip():
            yield Finding(message="the TRACE ERROR has no message", lines=(line,), run=run)


def stored(adapter: ReadBack, wanted: Mapping[str, Any], names: Names, run: Transcript) -> list[Finding]:
    """Return what is wrong with the rows that are there.

    Parameters:
        wanted: for each stream its rows; or `{"count": n}`, `{"contains": [rows]}`, `{"any": n}` (so many, whatever
            they hold), `{"rows": [rows], "besides": [rows]}` (these, and of the others none or some).
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

    words = wanted if isinstance(wanted, Mapping) else {"rows": wanted}
    rows = list(_each(words.get("contains") or words.get("rows", ())))
    left = _Rows(have)
    for row in rows:
        if not left.take(row):
            return f"this row is not there: {json.dumps(row, ensure_ascii=False)[:300]}{_nearest(row, left.like(row))}"

    for row in words.get("besides", ()):
        left.take(row)

    return None if "contains" in words or not left.count else f"{len(rows)} rows expected, {len(have)} are there"


def _each(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield rows with their long texts; `{"$times": n, "row": row}` is n rows, `{n}` in them the number of each."""
    for row in rows:
        if "$times" in row:
            yield from (filled(row["row"], number) for number in range(1, row["$times"] + 1))
        else:
            yield filled(row)


class _Rows:
    """Rows of a store, found by their `id`: of thousands, each would else be held against each."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.count = len(rows)
        self._by_id: dict[int | None, list[Row]] = {}
        for row in rows:
            self._by_id.setdefault(_whole(row.get("id")), []).append(row)

    def like(self, wanted: Row) -> list[Row]:
        """Return the rows that may be as wanted: those of its `id`, if it has one, and those that have no such."""
        number = _whole(wanted.get("id"))
        found = self._by_id.values() if number is None else (self._by_id.get(key, []) for key in (number, None))
        return [row for rows in found for row in rows]

    def take(self, wanted: Row) -> bool:
        """Take the row that is as wanted away from the others; return whether there is one."""
        for row in self.like(wanted):
            if all(_holds(row, name, value) for name, value in wanted.items()):
                rows = self._by_id[_whole(row.get("id"))]
                del rows[next(at for at, each in enumerate(rows) if each is row)]
                self.count -= 1
                return True

        return False


def _whole(value: Any) -> int | None:
    """Return a whole number, in whatever type a store has it; None for anything else."""
    try:
        number = None if isinstance(value, bool) else Decimal(value)
        return None if number is None or number != number.to_integral_value() else int(number)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _nearest(wanted: Row, rows: Sequence[Row]) -> str:
    """Return what is another in the row that is most like one; nothing where none is like it."""
    others = [[name for name, value in wanted.items() if not _holds(row, name, value)] for row in rows]
    found = min(zip(others, rows, strict=True), key=lambda pair: len(pair[0]), default=None)
    if found is None or len(found[0]) == len(wanted):
        return ""

    names, row = found[0][:_MOST], found[1]
    return "; nearest: " + ", ".join(f"{name} is {json.dumps(row.get(name), default=str)[:80]}" for name in names)


def _holds(row: Row, name: str, wanted: Any) -> bool:
    """Return whether a column holds a value.

    `{"$or_told": value}`: what a typed store cannot hold may be null or cut, where `_airbyte_meta` tells of it, as
    the protocol has it (airbyte_protocol.yaml, AirbyteRecordMessageMetaChange).
    """
    value = row.get(name)
    if isinstance(wanted, Mapping) and "$or_told" in wanted:
        return same(wanted["$or_told"], value) or (name in _told(row) and is_cut(wanted["$or_told"], value))

    return same(wanted, value)


def _told(row: Row) -> set[Any]:
    """Return the fields of a row that `_airbyte_meta` says to be null or cut."""
    meta = row.get("_airbyte_meta")
    changes = meta.get("changes") if isinstance(meta, Mapping) else None
    return {each.get("field") for each in changes or () if isinstance(each, Mapping)}
