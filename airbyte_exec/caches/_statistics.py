"""How full the tables of a cache are."""

# ruff: noqa: S608 - names are quoted by `ident`

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.caches._tables import table_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """How full a column is.

    Parameters:
        column_name: its name.
        column_type: its SQL type.
        null_count: rows in which it is NULL.
        non_null_count: rows in which it is not.
        total_count: all rows.
    """

    column_name: str
    column_type: str
    null_count: int
    non_null_count: int
    total_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatistics:
    """How full a table is.

    Parameters:
        table_name: its name.
        database_name: the database that it is in.
        schema_name: the schema that it is in.
        row_count: its rows.
        column_statistics: its columns.
    """

    table_name: str
    database_name: str
    schema_name: str
    row_count: int
    column_statistics: list[ColumnStatistics]


def row_count(connection: DuckDBPyConnection, schema: str, table: str) -> int:
    """Return the number of rows of a table."""
    ((count,),) = connection.execute(f"SELECT count(*) FROM {ident(schema, table)}").fetchall()
    return int(count)


def table_statistics(connection: DuckDBPyConnection, schema: str, table: str) -> TableStatistics:
    """Return the statistics of a table."""
    types = table_columns(connection, schema, table)
    counts = listed(["current_database()", "count(*)", *(f"count({ident(column)})" for column in types)])
    database, total, *filled = connection.execute(f"SELECT {counts} FROM {ident(schema, table)}").fetchall()[0]
    return TableStatistics(
        table_name=table,
        database_name=database,
        schema_name=schema,
        row_count=total,
        column_statistics=[
            ColumnStatistics(
                column_name=name,
                column_type=kind,
                null_count=total - count,
                non_null_count=count,
                total_count=total,
            )
            for (name, kind), count in zip(types.items(), filled, strict=True)
        ],
    )
