"""Rows of streams with thousands of columns, made in Python.

DuckDB plans such a SELECT in minutes and gigabytes: for each column it holds several vectors of 2,048 values. A
stream of that kind has few rows, so they are made one by one, by the rules of `_transform`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from airbyte_exec.caches._arrow import Piece
from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._tolerant import readable

MOST_COLUMNS = 600
"""Columns that a stream has at most before its rows are made here."""

_BITS: dict[str, int] = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXACT_IN_DOUBLE: int = 2**53
_WORDS = {"true": True, "t": True, "yes": True, "y": True, "1": True} | dict.fromkeys(
    ["false", "f", "no", "n", "0"], False
)


class MisfitError(ValueError):
    """The value does not fit the column."""


@dataclass(frozen=True, slots=True)
class WideRow:
    """A row.

    Parameters:
        values: of the columns, then raw id, time of extraction, meta.
        at: the piece and the line that it comes from.
        parsed: the line could be parsed as it was.
    """

    values: list[Any]
    at: tuple[int, int]
    parsed: bool


def wide_rows(columns: Sequence[Column], pieces: Sequence[Piece]) -> Iterator[WideRow]:
    """Yield the row of each line."""
    makers = [_maker(column.type) for column in columns]
    exact = any(_DECIMAL.fullmatch(column.type) for column in columns)
    for at, piece in enumerate(pieces):
        for n, line in enumerate(piece.text.removesuffix(b"\n").split(b"\n")):
            record, parsed = _parsed(line, exact=exact)
            values = _values(columns, makers, record)
            values[-3] = f"{piece.prefix}{n}"
            yield WideRow(values, (at, n), parsed)


def _parsed(line: bytes, *, exact: bool) -> tuple[dict[str, Any], bool]:
    number = Decimal if exact else _double
    try:
        json.dumps(record := json.loads(line, parse_float=number)["record"], ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        return json.loads(readable(line), parse_float=number)["record"], False

    return record, True


def _double(text: str) -> float | Decimal:
    value = float(text)
    return value if math.isfinite(value) else Decimal(text)


def _values(columns: Sequence[Column], makers: Sequence[Callable[[Any], Any]], record: dict[str, Any]) -> list[Any]:
    data = record["data"]
    changes: list[dict[str, str]] = []
    values: list[Any] = []
    for column, make in zip(columns, makers, strict=True):
        value = data.get(column.key)
        if value is not None:
            try:
                value = make(value)
            except (ValueError, OverflowError, InvalidOperation):
                value = None
                changes.append({"field": column.key, "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"})

        values.append(value)

    meta = record.get("meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    if changes:
        own = meta.get("changes")
        meta["changes"] = [*(own if isinstance(own, list) else []), *changes]

    return [*values, None, _time(record.get("emitted_at")), _json(meta)]


def _time(emitted_at: Any) -> str | None:
    try:
        return datetime.fromtimestamp(float(emitted_at) / 1000, tz=UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _maker(kind: str) -> Callable[[Any], Any]:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal is not None:
        return lambda value: _decimal(value, int(decimal[1]), int(decimal[2]))

    if kind in _BITS:
        return lambda value: _integer(value, _BITS[kind])

    makers: dict[str, Callable[[Any], Any]] = {
        "DOUBLE": _float,
        "BOOLEAN": _boolean,
        "VARCHAR": _text,
        "JSON": _json,
        "DATE": _date,
        "TIMESTAMPTZ": _instant,
        "TIMESTAMP": lambda value: _moment(value).replace(tzinfo=None).isoformat(),
        "TIME": lambda value: _clock(value).replace(tzinfo=None).isoformat(),
        "TIMETZ": lambda value: _clock(value).isoformat(),
    }
    kind = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "TIME WITH TIME ZONE": "TIMETZ"}.get(kind, kind)
    return makers.get(kind, _nothing)


def _nothing(_value: Any) -> Any:
    raise MisfitError


def _integer(value: Any, bits: int) -> int:
    is_word = isinstance(value, str) and _INTEGER.fullmatch(value)
    is_whole = isinstance(value, float | Decimal) and value == int(value) and abs(int(value)) <= _EXACT_IN_DOUBLE
    if not (is_word or is_whole or (isinstance(value, int) and not isinstance(value, bool))):
        raise MisfitError

    number = int(value)
    limit: int = 1 << bits
    if not -limit <= number < limit:
        raise MisfitError

    return number


def _float(value: Any) -> float:
    if isinstance(value, bool | dict | list):
        raise MisfitError

    number = float(value)
    if math.isinf(number) and not isinstance(value, float) and re.search(r"\d", str(value)):
        raise MisfitError

    return number


def _decimal(value: Any, width: int, scale: int) -> Decimal:
    if isinstance(value, bool | dict | list):
        raise MisfitError

    number = Decimal(str(value) if isinstance(value, float) else value)
    if not number.is_finite() or abs(number) >= Decimal(10) ** (width - scale):
        raise MisfitError

    return number.quantize(Decimal(1).scaleb(-scale))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value

    word = str(value).lower() if isinstance(value, str | int) else ""
    if word not in _WORDS:
        raise MisfitError

    return _WORDS[word]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def _date(value: Any) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise MisfitError

    return date.fromisoformat(value).isoformat()


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise MisfitError

    return datetime.fromisoformat(value)


def _instant(value: Any) -> str:
    moment = _moment(value)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _clock(value: Any) -> time:
    if not isinstance(value, str):
        raise MisfitError

    return time.fromisoformat(value)
