"""Values in records: by paths, compared with one another, and against a schema. No rule is judged here."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks.judging import Judge

_DAY = 86_400.0


def at_path(data: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of fields, None where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None

    return data


def paths_of(value: Any, path: tuple[str, ...] = (), *, schema: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the fields of a record, or of a schema."""
    fields = (value.get("properties") or {}) if schema and isinstance(value, Mapping) else value
    if isinstance(fields, Mapping):
        for name, inner in fields.items():
            yield (*path, str(name))
            yield from paths_of(inner, (*path, str(name)), schema=schema)


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
    return not isinstance(value, str) or moment(value) is not None


def moment(text: str) -> float | None:
    """Return a date or time in seconds since 1970, None where the text is none."""
    body = text.removesuffix(" BC")
    try:
        found = datetime.datetime.fromisoformat(body)
    except ValueError:
        return None

    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def behind(value: Any, other: Any, *, days: float) -> bool | None:
    """Whether a cursor's value lies before another by more than so many days; None where that cannot be told."""
    if isinstance(value, str) and isinstance(other, str):
        first, second = moment(value), moment(other)
        return value < other if first is None or second is None else first < second - days * _DAY

    numbers = (int, float)
    if isinstance(value, numbers) and isinstance(other, numbers):
        return value < other - days * _DAY

    return None


def text_of(value: Any, ignored: frozenset[str] = frozenset()) -> str:
    """Return a record as text by which equal ones are equal, without some of its fields."""
    kept = (
        {name: inner for name, inner in value.items() if name not in ignored} if isinstance(value, Mapping) else value
    )
    return json.dumps(kept, sort_keys=True)
