"""Rows as they are compared: a mapping of columns, whatever the store.

The columns `_airbyte_data` and `data`, where they hold the whole record, take the place of the row, so that a store of
raw records and one of typed tables are read alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
_WHOLE = ("_airbyte_data", "data")


def rows_of_lines(content: bytes) -> list[Row]:
    """Return the rows of JSON lines.

    Raises:
        ValueError: they are none.
    """
    found = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
    if not all(isinstance(each, dict) for each in found):
        raise ValueError("a row must be a JSON object")

    return [row_of(each) for each in found]


def row_of(columns: Mapping[str, Any]) -> Row:
    """Return the row of these columns."""
    kept = {name: _value(value) for name, value in columns.items()}
    for name in _WHOLE:
        whole = kept.get(name)
        if isinstance(whole, dict) and not any(key for key in kept if key != name and not key.startswith("_")):
            return {**whole, **{key: value for key, value in kept.items() if key.startswith("_") and key != name}}

    return kept


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)

    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value

    return value
