"""Whether a value of a store is the one that was sent, in whatever type the store keeps it; what is cut, of what."""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from airbyte_exec.conformance.checks.values import moment

_LONGEST_TIME = 64  # characters; no date or time is longer
_NOT_FINITE = {  # as a store of texts spells them
    "NaN": ("nan",),
    "Infinity": ("inf", "+inf", "infinity"),
    "-Infinity": ("-inf", "-infinity"),
}
_FRACTION = re.compile(r"(?<=:\d\d)\.\d+")


def is_cut(wanted: Any, value: Any) -> bool:
    """Return whether a value is what a column may hold of one that it has no room for: nothing, or its beginning.

    Of a time it is also one with less of its fraction. A number has no beginning.
    """
    if value is None:
        return True

    if not isinstance(wanted, str):
        return False

    if isinstance(value, str) and value and wanted.startswith(value):
        return True

    return any(_same_text(less, value) for less in _with_less(wanted))


def _with_less(text: str) -> Iterator[str]:
    """Yield a time with less and less digits behind its seconds; nothing for any other text."""
    fraction = _FRACTION.search(text) if len(text) <= _LONGEST_TIME else None
    if fraction is None:
        return

    for end in range(fraction.end() - 1, fraction.start(), -1):
        yield text[: end if end > fraction.start() + 1 else fraction.start()] + text[fraction.end() :]


def same(wanted: Any, value: Any) -> bool:
    """Return whether a value is the one that is wanted; also `$any_of` and `$set` of a case."""
    if isinstance(wanted, Mapping):
        if "$any_of" in wanted:
            return any(same(each, value) for each in wanted["$any_of"])

        if "$set" in wanted:
            return value is not None

        return isinstance(value, Mapping) and all(same(inner, value.get(name)) for name, inner in wanted.items())

    if isinstance(wanted, list):
        is_alike = isinstance(value, list) and len(value) == len(wanted)
        return is_alike and all(map(same, wanted, value))

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
    if text == wanted or (text[:1] == '"' and _unquoted(text) == wanted):  # JSON as text, where it is both
        return True

    if max(len(wanted), len(text)) > _LONGEST_TIME:
        return False

    if wanted in _NOT_FINITE:
        return text.lower() in _NOT_FINITE[wanted]

    first, second = moment(wanted), moment(text)
    if first is not None and first == second:
        return wanted.endswith(" BC") == text.endswith(" BC")

    return _same_time(wanted, text)


def _unquoted(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


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
