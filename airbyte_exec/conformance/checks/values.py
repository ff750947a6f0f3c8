"""Values in records: by paths, compared with one another, and against a schema. No rule is judged here."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks.judging import Judge

_DAY = 86_400.0
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4,}-\d\d-\d\d( BC)?", re.ASCII)
_SCALES = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3), (1e8, 1))  # 1e8 seconds since 1970 were over in 1973


def at_path(data: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of fields, None where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None

    return data


def paths_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the fields of a record."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield (*path, str(name))
            yield from paths_of(inner, (*path, str(name)))


def judge_of(schema: Mapping[str, Any]) -> Judge:
    """Return a judge of records by draft 7, by which 1.0 is no integer, and formats of dates and times count."""
    from jsonschema import Draft7Validator, FormatChecker
    from jsonschema.validators import extend

    checker = FormatChecker(formats=())
    checker.checks("date-time")(_is_date_time)
    checker.checks("date")(_is_date)
    strict = Draft7Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    kind: Any = extend(Draft7Validator, type_checker=strict)  # type: ignore[no-untyped-call]  # it has no types
    return Judge(schema, kind, format_checker=checker)


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date_time(value: Any) -> bool:
    return not isinstance(value, str) or moment(value) is not None


def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or (_DATE.fullmatch(value) is not None and moment(value) is not None)


def moment(text: str) -> float | None:
    """Return a date or time in seconds since 1970, None where the text is none."""
    body = text.removesuffix(" BC")
    try:
        found = datetime.datetime.fromisoformat(body)
    except ValueError:
        return None

    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def number(value: Any) -> int | float | None:
    """Return a number, also one that is written as text; None for anything else, and for a date without its dashes."""
    if isinstance(value, str) and _NUMBER.fullmatch(value) and not (len(value) == len("20240102") and moment(value)):
        return float(value) if "." in value else int(value)

    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def seconds_of(value: float) -> int:
    """Return how many units a second has, if a number is a time since 1970; 0 for one that is too small for it."""
    return next((units for least, units in _SCALES if abs(value) >= least), 0)


def behind(value: Any, other: Any, *, days: float) -> bool | None:
    """Whether a cursor's value lies before another by more than so many days; None where that cannot be told.

    A number counts as a time if it is large enough for one, in seconds, milliseconds, microseconds or nanoseconds since
    1970; for any other number, and for a text that is neither a time nor a number, days mean nothing. A number that is
    a time can be compared with a text that is one.
    """
    first, second = number(value), number(other)
    if first is not None and second is not None:
        return first < second - int(days * _DAY) * seconds_of(second)

    early, late = _time(value, first), _time(other, second)
    if early is not None and late is not None:
        return early < late - days * _DAY

    is_text = isinstance(value, str) and isinstance(other, str) and first is second is None
    return value < other if is_text else None


def _time(value: Any, as_number: float | None) -> float | None:
    """Return a cursor's value in seconds since 1970, None where it is no time."""
    if as_number is None:
        return moment(value) if isinstance(value, str) else None

    units = seconds_of(as_number)
    return as_number / units if units else None


def highest(values: Iterable[Any]) -> Any:
    """Return the cursor's value that no other one lies beyond; None where there is none, or two cannot be compared."""
    return _farthest(values, lambda value, best: behind(best, value, days=0))


def lowest(values: Iterable[Any]) -> Any:
    """Return the cursor's value that lies before all others; None where there is none, or two cannot be compared."""
    return _farthest(values, lambda value, best: behind(value, best, days=0))


def _farthest(values: Iterable[Any], is_farther: Callable[[Any, Any], bool | None]) -> Any:
    best: Any = None
    for value in values:
        farther = True if best is None else is_farther(value, best)
        if farther is None:
            return None

        best = value if farther else best

    return best


def text_of(value: Any, ignored: frozenset[str] = frozenset()) -> str:
    """Return a JSON value as text by which equal ones are equal: 25 and 25.0 are one number, 1 and true are not one.

    Parameters:
        ignored: fields that do not count; with dots in them, those within others.
    """
    return json.dumps(_plain(value, ignored), sort_keys=True)


def _plain(value: Any, ignored: frozenset[str], path: str = "") -> Any:
    if isinstance(value, Mapping):
        inner = {name: f"{path}.{name}" if path else str(name) for name in value}
        return {name: _plain(value[name], ignored, inner[name]) for name in value if inner[name] not in ignored}

    if isinstance(value, list):
        return [_plain(each, ignored, path) for each in value]

    return int(value) if isinstance(value, float) and value.is_integer() else value
