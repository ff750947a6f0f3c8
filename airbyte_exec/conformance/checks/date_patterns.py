"""Patterns of dates: which they are. No rule is judged here."""

from __future__ import annotations

from airbyte_exec.conformance.checks.drawn import DATE_FORMATS
from airbyte_exec.conformance.checks.judging import python_pattern
from airbyte_exec.secrets.patterns import EndlessPatternError, is_found

_MORE_DATES = ("2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09")
_NO_DATES = ("x y", "a-bucket", "Name", "12345", "2024-05-06-a", "2024.05.06-1")


def is_date_pattern(pattern: str) -> bool:
    """Tell whether a pattern is one of dates or times: it is found in some, and in nothing else that is tried."""
    known = python_pattern(pattern)
    if known is None:
        return False

    whole = rf"\A(?:{known})\Z"
    try:
        is_for_more = any(is_found(whole, text) for text in _NO_DATES)
        return not is_for_more and any(is_found(whole, text) for text in (*DATE_FORMATS.values(), *_MORE_DATES))
    except EndlessPatternError:
        return False
