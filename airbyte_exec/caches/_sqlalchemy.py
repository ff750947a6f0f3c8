"""Tables as SQLAlchemy has them, made of known columns: reflection would ask the database for what it cannot tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Table

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def sql_table(name: str, schema: str, columns: Mapping[str, str]) -> Table:
    """Return a table.

    Parameters:
        name: its name.
        schema: its schema.
        columns: the SQL types of its columns, by name.
    """
    from sqlalchemy import Column, MetaData, Table

    return Table(name, MetaData(), *(Column(column, _type(kind)) for column, kind in columns.items()), schema=schema)


def _type(kind: str) -> Any:
    from sqlalchemy import types

    decimal = _DECIMAL.fullmatch(kind)
    if decimal is not None:
        return types.DECIMAL(int(decimal[1]), int(decimal[2]))

    known: dict[str, Any] = {
        "HUGEINT": types.BIGINT(),
        "BIGINT": types.BIGINT(),
        "INTEGER": types.INTEGER(),
        "DOUBLE": types.DOUBLE(),
        "BOOLEAN": types.BOOLEAN(),
        "VARCHAR": types.VARCHAR(),
        "DATE": types.DATE(),
        "TIME": types.TIME(),
        "TIMETZ": types.TIME(timezone=True),
        "TIMESTAMP": types.TIMESTAMP(),
        "TIMESTAMPTZ": types.TIMESTAMP(timezone=True),
        "JSON": types.JSON(),
    }
    return known.get(kind, types.NullType())
