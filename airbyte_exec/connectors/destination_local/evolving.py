"""How a table follows the schema of its stream: columns are added and widened, and no value that is there is lost."""

from __future__ import annotations

from collections.abc import Mapping

from airbyte_exec.caches._sql import ident

_NUMBERS = ("HUGEINT", "DECIMAL", "DOUBLE")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def changes(table: str, present: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return the statements that make a table take rows of other columns.

    Parameters:
        table: the table, quoted.
        present: the types of its columns, by name in lower case.
        wanted: the types of the rows' columns, by name.
    """
    statements = []
    for name, kind in wanted.items():
        column = ident(name)
        old = present.get(name.lower())
        if old is None:
            statements.append(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        elif (new := widened(old, kind)) != old:
            value = f"to_json({column})" if new == "JSON" else f"CAST({column} AS {new})"
            statements.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {new} USING {value}")

    return statements


def widened(old: str, new: str) -> str:
    """Return the type that holds the values of both."""
    new = full_name(new)
    if old in (new, "VARCHAR") or (old == "JSON" and new != "VARCHAR"):
        return old

    for family in (_NUMBERS, _TIMES):
        ranks = [next((i for i, kind in enumerate(family) if name.startswith(kind)), -1) for name in (old, new)]
        if _TIMES is family:
            ranks = [family.index(name) if name in family else -1 for name in (old, new)]

        if min(ranks) >= 0:
            return new if ranks[1] >= ranks[0] else old

    return "JSON" if new == "JSON" else "VARCHAR"


def fitted(name: str, kind: str, present: Mapping[str, str]) -> str:
    """Return the expression that gives a value of a row the type of the table's column."""
    column, held = ident(name), present.get(name.lower(), kind)
    if held == full_name(kind):
        return column

    return f"to_json({column})" if held == "JSON" else f"CAST({column} AS {held})"


def full_name(kind: str) -> str:
    """Return the name of a type as DuckDB tells it of a column."""
    plain = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TIMETZ": "TIME WITH TIME ZONE"}
    return plain.get(kind, kind).replace(", ", ",")
