"""From the JSON Schema of a stream to the columns of its table.

| in the schema | column |
|---|---|
| integer | HUGEINT: exact up to 38 digits |
| number | DOUBLE; DECIMAL where the schema asks for it: `airbyte_type` big_integer or big_number, `multipleOf` 0.01 |
| boolean | BOOLEAN |
| string | VARCHAR |
| string, format date | DATE |
| string, format date-time | TIMESTAMPTZ; TIMESTAMP with `airbyte_type` timestamp_without_timezone |
| string, format time | TIMETZ; TIME with `airbyte_type` time_without_timezone |
| object, array, several types, no type | JSON |

`null` beside another type changes nothing. A property that the schema does not declare has no column: the journal
has its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha1
from typing import Any

from airbyte_exec.exceptions import PyAirbyteNameNormalizationError
from airbyte_exec.records import INTERNAL_COLUMNS, LowerCaseNormalizer

DECIMAL = "DECIMAL(38, 9)"
"""PyAirbyte's type for numbers; here it is that of `big_number` alone."""

_BY_AIRBYTE_TYPE = {
    "integer": "HUGEINT",
    "big_integer": "HUGEINT",
    "big_number": DECIMAL,
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp_with_timezone": "TIMESTAMPTZ",
    "timestamp_without_timezone": "TIMESTAMP",
    "time_with_timezone": "TIMETZ",
    "time_without_timezone": "TIME",
}
_BY_FORMAT = {"date": "DATE", "date-time": "TIMESTAMPTZ", "time": "TIMETZ"}
_BY_TYPE = {"integer": "HUGEINT", "number": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}
_MOST_DECIMAL_PLACES = 37


@dataclass(frozen=True, slots=True)
class Column:
    """A column and the property that it holds.

    Parameters:
        key: the name of the property in the records.
        name: the name of the column.
        type: its SQL type.
    """

    key: str
    name: str
    type: str


def columns_of(
    json_schema: Mapping[str, Any], *, also: Iterable[str] = (), known: Mapping[str, str] | None = None
) -> list[Column]:
    """Return the columns of a stream, in the order of its schema.

    Parameters:
        json_schema: the stream's schema.
        also: properties that need a column even if the schema does not declare them (primary key, cursor).
        known: names that columns already have, by property; they are kept.
    """
    properties = json_schema.get("properties")
    declared: dict[str, Any] = {**properties} if isinstance(properties, Mapping) else {}
    for key in also:
        declared.setdefault(key, {})

    names = column_names(declared, known or {})
    return [Column(key, names[key], sql_type(kind)) for key, kind in declared.items()]


def column_names(keys: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each property. Where two would have the same name, the one that is already spelled like it
    keeps it, else the first in alphabetical order; the others get a suffix made of their own name, which no order
    changes.
    """
    keys = list(keys)
    names = {key: known[key] for key in keys if key in known}
    taken = {*INTERNAL_COLUMNS, *known.values()}
    plain = {key: normalized(key, otherwise="column") for key in keys if key not in names}
    for key in sorted(plain, key=lambda key: (plain[key] != key, key)):
        name = plain[key] if plain[key] not in taken else f"{plain[key]}_{_digest(key)}"
        names[key] = name
        taken.add(name)

    return names


def normalized(name: str, *, otherwise: str) -> str:
    """Return the normalized name; a name with no letter and no digit gives `otherwise` and a digest of it."""
    try:
        return LowerCaseNormalizer.normalize(name)
    except PyAirbyteNameNormalizationError:
        return f"{otherwise}_{_digest(name)}"


def suffixed(name: str, identity: str) -> str:
    """Return the name with a digest of an identity behind it."""
    return f"{name}_{_digest(identity)}"


def sql_type(declared: Any) -> str:
    """Return the SQL type of a property."""
    if not isinstance(declared, Mapping):
        return "JSON"

    airbyte_type = declared.get("airbyte_type")
    if isinstance(airbyte_type, str) and airbyte_type in _BY_AIRBYTE_TYPE:
        return _of_number(declared) if airbyte_type == "number" else _BY_AIRBYTE_TYPE[airbyte_type]

    kinds = _types(declared)
    if len(kinds) != 1:
        return "JSON"

    (kind,) = kinds
    if kind == "string":
        return _BY_FORMAT.get(str(declared.get("format")), "VARCHAR")

    return _of_number(declared) if kind == "number" else _BY_TYPE.get(kind, "JSON")


def _types(declared: Mapping[str, Any]) -> set[str]:
    kinds = declared.get("type")
    if isinstance(kinds, str):
        return {kinds}

    if isinstance(kinds, list):
        return {str(kind) for kind in kinds if kind != "null"}

    return set()


def _of_number(declared: Mapping[str, Any]) -> str:
    try:
        step = Decimal(str(declared["multipleOf"]))
    except (KeyError, InvalidOperation):
        return "DOUBLE"

    places = -int(step.as_tuple().exponent) if step.is_finite() else 0
    return f"DECIMAL(38, {places})" if 0 < places <= _MOST_DECIMAL_PLACES else "DOUBLE"


def _digest(text: str) -> str:
    return sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:6]
