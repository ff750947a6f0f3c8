"""Tables: how the lines of a stream become rows of one, and what columns it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.caches._wide import MOST_COLUMNS
from airbyte_exec.records import EXTRACTED_AT, INTERNAL_COLUMNS, META, RAW_ID
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPES = {
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "TIME WITH TIME ZONE": "TIMETZ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """How the lines of a stream become rows.

    Parameters:
        stream: which stream.
        table: the name of its table.
        columns: its columns, without the internal ones.
        primary_key: paths of properties; rows are merged on them if there are any.
        cursor: the path of the property that says which of two rows is newer; empty where the later one always is.
        staging: the table that rows are collected in until the stream is complete; None to write to the table itself.
    """

    stream: StreamId
    table: str
    columns: tuple[Column, ...]
    primary_key: tuple[tuple[str, ...], ...] = ()
    cursor: tuple[str, ...] = ()
    staging: str | None = None

    @property
    def is_wide(self) -> bool:
        """Whether it has more columns than DuckDB can plan a SELECT of."""
        return len(self.columns) > MOST_COLUMNS

    @property
    def target(self) -> str:
        """The table that rows are written to."""
        return self.staging or self.table


def table_columns(connection: DuckDBPyConnection, schema: str, table: str) -> dict[str, str]:
    """Return the types of the columns of a table by name; nothing where there is no such table."""
    return all_columns(connection, schema, table).get(table, {})


def all_columns(connection: DuckDBPyConnection, schema: str, table: str | None = None) -> dict[str, dict[str, str]]:
    """Return the types of the columns of all tables, or of one, by table and name."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = $1 AND ($2::VARCHAR IS NULL OR table_name = $2) ORDER BY table_oid, column_index",
        [schema, table],
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for name, column, kind in rows:
        found.setdefault(str(name), {})[str(column)] = _TYPES.get(str(kind), str(kind))

    return found


def defined(columns: Sequence[Column]) -> str:
    """Return the definitions of the columns of a table, the internal ones included."""
    own = "".join(f"{ident(column.name)} {column.type}, " for column in columns)
    return f"{own}{ident(RAW_ID)} VARCHAR, {ident(EXTRACTED_AT)} TIMESTAMPTZ, {ident(META)} JSON"


def names_of(plan: TablePlan) -> str:
    """Return the names of the columns that are written, with commas between them."""
    return listed(ident(name) for name in [column.name for column in plan.columns] + list(INTERNAL_COLUMNS))
