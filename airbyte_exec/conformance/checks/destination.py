"""What a write must leave behind: rows as they were sent, and errors that say of which kind they are."""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airbyte_exec.conformance.checks.values import moment
from airbyte_exec.conformance.messages import Names, filled
from airbyte_exec.conformance.readback import ReadBack
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.rows import Row
from airbyte_exec.conformance.transcript import Transcript

_MOST = 5


def failure_types(run: Transcript) -> Iterator[Finding]:
    """Yield the errors that do not say of which kind they are."""
    for line in run.errors:
        if not (line.body.get("error") or {}).get("failure_type"):
            yield Finding(message="the TRACE ERROR has no failure_type", lines=(line,), run=run)


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
    rows = [filled(row) for row in words.get("contains") or words.get("rows", ())]
    left = list(have)
    for row in rows:
        if not _take(row, left):
            return f"this row is not there: {json.dumps(row, ensure_ascii=False)[:300]}{_nearest(row, left)}"

    for row in words.get("besides", ()):
        _take(row, left)

    return None if "contains" in words or not left else f"{len(rows)} rows expected, {len(have)} are there"


def _take(wanted: Row, rows: list[Row]) -> bool:
    """Take the row that is as wanted away from others; return whether there is one."""
    for number, row in enumerate(rows):
        if all(_holds(row, name, value) for name, value in wanted.items()):
            del rows[number]
            return True

    return False


def _nearest(wanted: Row, rows: Sequence[Row]) -> str:
    """Return what is another in the row that is most like one; nothing where none is like it."""

    def others(row: Row) -> list[str]:
        return [name for name, value in wanted.items() if not _holds(row, name, value)]

    found = min(rows, key=lambda row: len(others(row)), default=None)
    if found is None or len(others(found)) == len(wanted):
        return ""

    names = others(found)[:_MOST]
    return "; nearest: " + ", ".join(f"{name} is {json.dumps(found.get(name), default=str)[:80]}" for name in names)


def _holds(row: Row, name: str, wanted: Any) -> bool:
    """Return whether a column holds a value.

    `{"$or_told": value}`: what a typed store cannot hold may be null or cut, where `_airbyte_meta` tells of it, as
    the protocol has it (airbyte_protocol.yaml, AirbyteRecordMessageMetaChange).
    """
    if isinstance(wanted, Mapping) and "$or_told" in wanted:
        return _same(wanted["$or_told"], row.get(name)) or name in _told(row)

    return _same(wanted, row.get(name))


def _told(row: Row) -> set[Any]:
    """Return the fields of a row that `_airbyte_meta` says to be null or cut."""
    meta = row.get("_airbyte_meta")
    changes = meta.get("changes") if isinstance(meta, Mapping) else None
    return {each.get("field") for each in changes or () if isinstance(each, Mapping)}


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        if "$any_of" in wanted:
            return any(_same(each, value) for each in wanted["$any_of"])

        if "$set" in wanted:
            return value is not None

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
        if isinstance(value, bool):
            return False

        if isinstance(wanted, int):  # 1.9 is not 1, and a float of 2^53 not the number after it
            return Decimal(value) == wanted

        return math.isclose(float(value), wanted)
    except (TypeError, ValueError, ArithmeticError):
        return False


def _same_text(wanted: str, value: Any) -> bool:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        value = value.isoformat()

    if (data := _binary(value)) is not None and _same_data(wanted, data):
        return True

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


def _binary(value: Any) -> bytes | None:
    """Return the bytes of a column that is not of texts, also as Postgres writes them; None for any other value."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)

    try:
        return bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("\\x") else None
    except ValueError:
        return None


def _same_data(wanted: str, data: bytes) -> bool:
    try:
        return base64.b64decode(wanted, validate=True) == data
    except ValueError:
        return False
