"""Lines into typed tables: append, merge, and the swap that makes a replace atomic.

All methods block, and none begins or commits a transaction: whoever calls decides what is written together. Nothing
here knows of journals, states, or threads, so that a cache and a destination connector can both use it.

A stream that is replaced is written to a staging table; its old rows stay until `complete`, which puts the staging
table in the place of the other. A merge keeps, of each primary key, the row with the greatest cursor; of equal ones
the row that came last. A row with NULL in its key is merged with nothing.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from airbyte_exec import _crashpoints
from airbyte_exec.caches._arrow import Piece, Pieces
from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import ident, listed, literal
from airbyte_exec.caches._tables import TablePlan, all_columns, defined, names_of
from airbyte_exec.caches._tolerant import readable
from airbyte_exec.caches._transform import PIECES, parsed, select_rows
from airbyte_exec.caches._wide import wide_rows
from airbyte_exec.exceptions import PyAirbyteCacheTableValidationError
from airbyte_exec.protocol.blocks import count_lines
from airbyte_exec.records import INTERNAL_COLUMNS
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH = "_airbyte_exec_batch"
_PREPARED = "_airbyte_exec_insert_"
_MAX_PREPARED = 64
_WIDE_VALUES = 25_000
"""Values in one statement, about, where rows are made in Python."""


class TableWriter:
    """Writes lines to the tables of one schema.

    Parameters:
        connection: a DuckDB connection; its time zone is set to UTC.
        schema: the schema of the tables.
        on_unparsed: called with a stream and a number of lines that DuckDB could not parse.
    """

    def __init__(
        self, connection: DuckDBPyConnection, *, schema: str, on_unparsed: Callable[[StreamId, int], None]
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._on_unparsed = on_unparsed
        self._plans: dict[StreamId, TablePlan] = {}
        self._tables: dict[str, dict[str, str]] | None = None
        self._pieces = Pieces()
        self._filled: dict[str, tuple[Column, ...]] = {}
        self._prepared: dict[str, int] = {}
        connection.execute("SET TimeZone = 'UTC'")
        connection.register(PIECES, self._pieces)

    def open(self, plan: TablePlan) -> list[Column]:
        """Make the tables of a stream where they are missing, add columns that they lack, and return the columns
        whose type in the table is another than planned: such a column keeps the type that it has.

        Raises:
            PyAirbyteCacheTableValidationError: there is another table of that name.
        """
        final = self._ensure(plan.table, plan.columns)
        columns = self._ensure(plan.staging, plan.columns) if plan.staging else final
        self._plans[plan.stream] = replace(plan, columns=tuple(columns))
        self._forget_statement(plan.target)
        return [has for has, planned in zip(columns, plan.columns, strict=True) if has.type != planned.type]

    def insert(self, stream: StreamId, pieces: Sequence[Piece]) -> int:
        """Write lines and return how many rows came of them."""
        if not pieces:
            return 0

        plan = self._plans[stream]
        if plan.primary_key:
            return self._merge(plan, pieces)

        if plan.is_wide:
            return self._insert_wide(plan, self._target(plan), pieces)

        return self._append(plan, pieces)

    def complete(self, stream: StreamId) -> None:
        """Put the rows that were collected for a replaced stream in the place of its old ones."""
        plan = self._plans[stream]
        if plan.staging is not None:
            self._forget_statement(plan.target)
            _crashpoints.reached("cache.swapping")
            self._connection.execute(f"DROP TABLE {ident(self._schema, plan.table)}")
            self._connection.execute(f"ALTER TABLE {ident(self._schema, plan.staging)} RENAME TO {ident(plan.table)}")
            _crashpoints.reached("cache.swapped")
            self._plans[stream] = replace(plan, staging=None)

    def drop(self, table: str) -> None:
        """Drop a table, if it is there."""
        self._found().pop(table, None)
        self._connection.execute(f"DROP TABLE IF EXISTS {ident(self._schema, table)}")

    def _ensure(self, table: str, columns: Sequence[Column]) -> list[Column]:
        found = self._found().get(table)
        if not found:
            self._create(table, columns)
            return list(columns)

        missing = [name for name in INTERNAL_COLUMNS if name not in found]
        if missing:
            raise PyAirbyteCacheTableValidationError(
                message="There is a table of that name which does not come from a cache.",
                violation=f"table {table} has no column {missing[0]}",
                guidance="Rename the table, or set `table_prefix`.",
            )

        for column in columns:
            if column.name not in found:
                added = f"{ident(column.name)} {column.type}"
                self._connection.execute(f"ALTER TABLE {ident(self._schema, table)} ADD COLUMN {added}")

        return [replace(column, type=found.get(column.name, column.type)) for column in columns]

    def _found(self) -> dict[str, dict[str, str]]:
        """Return the columns of all tables as they were at first: one question for however many streams there are."""
        if self._tables is None:
            self._tables = all_columns(self._connection, self._schema)

        return self._tables

    def _create(self, table: str, columns: Sequence[Column]) -> None:
        self._connection.execute(f"CREATE TABLE {ident(self._schema, table)} ({defined(columns)})")

    def _append(self, plan: TablePlan, pieces: Sequence[Piece]) -> int:
        expected = _count_lines(pieces)
        with self._pieces.shown(pieces):
            rows = self._count(self._insert_statement(plan))
            unparsed = self._unparsed(plan) if rows < expected else {}

        if unparsed:
            self._on_unparsed(plan.stream, len(unparsed))
            again = [Piece(readable(line), f"{pieces[at].prefix}{n}-") for (at, n), line in unparsed.items()]
            with self._pieces.shown(again):
                rows += self._count(self._insert_statement(plan))

        return rows

    def _insert_statement(self, plan: TablePlan) -> str:
        """Return the INSERT of the pieces that are shown. One that comes again is prepared: planning it takes DuckDB
        as long as some thousand rows do.
        """
        target = plan.target
        number = self._prepared.get(target)
        if number is not None and self._filled[target] == plan.columns:
            return f"EXECUTE {_PREPARED}{number}"

        statement = f"INSERT INTO {self._target(plan)} ({names_of(plan)}) {select_rows(plan.columns)}"
        if self._filled.get(target) != plan.columns:  # the first one, or a table of that name was made anew
            self._forget_statement(target)
            self._filled[target] = plan.columns
            return statement

        if len(self._prepared) == _MAX_PREPARED:
            return statement

        number = next(n for n in range(_MAX_PREPARED) if n not in self._prepared.values())
        self._connection.execute(f"PREPARE {_PREPARED}{number} AS {statement}")
        self._prepared[target] = number
        return f"EXECUTE {_PREPARED}{number}"

    def _forget_statement(self, target: str) -> None:
        number = self._prepared.pop(target, None)
        if number is not None:
            self._connection.execute(f"DEALLOCATE {_PREPARED}{number}")

    def _merge(self, plan: TablePlan, pieces: Sequence[Piece]) -> int:
        batch = ident("temp", _BATCH)
        try:
            if plan.is_wide:
                columns = f"{defined(plan.columns)}, _piece BIGINT, _n BIGINT"
                self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {_BATCH} ({columns})")
                rows = self._insert_wide(plan, batch, pieces, arrival=True)
            else:
                rows = self._make_batch(plan, pieces)

            self._connection.execute(self._merge_statement(plan, batch))
        finally:
            self._drop_batch(batch)

        return rows

    def _make_batch(self, plan: TablePlan, pieces: Sequence[Piece]) -> int:
        expected = _count_lines(pieces)
        make = f"CREATE OR REPLACE TEMP TABLE {_BATCH} AS {select_rows(plan.columns, arrival=True)}"
        with self._pieces.shown(pieces):
            rows = self._count(make)
            unparsed = self._unparsed(plan) if rows < expected else {}

        if unparsed:  # in their places: the order of arrival counts
            self._on_unparsed(plan.stream, len(unparsed))
            with self._pieces.shown(_mended(pieces, unparsed)):
                rows = self._count(make)

        return rows

    def _insert_wide(self, plan: TablePlan, table: str, pieces: Sequence[Piece], *, arrival: bool = False) -> int:
        rows = unparsed = 0
        width = len(plan.columns) + len(INTERNAL_COLUMNS) + 2 * arrival
        place = "(" + listed("?" * width) + ")"
        names = names_of(plan) + (", _piece, _n" if arrival else "")
        made = wide_rows(plan.columns, pieces)
        while some := list(islice(made, max(1, _WIDE_VALUES // width))):
            values = [value for row in some for value in (*row.values, *(row.at if arrival else ()))]
            places = listed([place] * len(some))
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES {places}", values)
            rows += len(some)
            unparsed += sum(not row.parsed for row in some)

        if unparsed:
            self._on_unparsed(plan.stream, unparsed)

        return rows

    def _unparsed(self, plan: TablePlan) -> dict[tuple[int, int], bytes]:
        """Return the lines of the registered pieces that DuckDB cannot parse, by piece and line."""
        statement = f"SELECT piece, n, line FROM ({parsed(plan.columns)}) WHERE r IS NULL"
        return {(at, n): line.encode() for at, n, line in self._connection.execute(statement).fetchall()}

    def _drop_batch(self, batch: str) -> None:
        from duckdb import Error

        try:
            self._connection.execute(f"DROP TABLE IF EXISTS {batch}")
        except Error:  # the transaction has failed, and takes the table with it
            return

    def _merge_statement(self, plan: TablePlan, batch: str) -> str:
        known = {column.key: column for column in plan.columns}
        keys = [_at(known[path[0]], path[1:]) for path in plan.primary_key]
        matched = " AND ".join(f"{key.format('f')} = {key.format('s')}" for key in keys)
        incomplete = " OR ".join(f"{key.format('b')} IS NULL" for key in keys)
        by_key = listed(key.format("b") for key in keys)
        newest, is_newer = "", ""
        if plan.cursor:
            cursor = _at(known[plan.cursor[0]], plan.cursor[1:])
            newest = f"{cursor.format('b')} DESC NULLS LAST, "
            is_newer = f" AND ({cursor.format('f')} IS NULL OR {cursor.format('s')} >= {cursor.format('f')})"

        names = [column.name for column in plan.columns] + list(INTERNAL_COLUMNS)
        changes = listed(f"{ident(name)} = s.{ident(name)}" for name in names)
        values = listed(f"s.{ident(name)}" for name in names)
        return f"""
            MERGE INTO {self._target(plan)} AS f USING (
                SELECT * FROM {batch} AS b
                QUALIFY row_number() OVER (PARTITION BY {by_key} ORDER BY {newest}_piece DESC, _n DESC) = 1
                    OR {incomplete}
            ) AS s ON {matched}
            WHEN MATCHED{is_newer} THEN UPDATE SET {changes}
            WHEN NOT MATCHED THEN INSERT ({names_of(plan)}) VALUES ({values})
        """

    def _count(self, statement: str) -> int:
        row = self._connection.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def _target(self, plan: TablePlan) -> str:
        return ident(self._schema, plan.target)


def _count_lines(pieces: Sequence[Piece]) -> int:
    return sum(count_lines(piece.text) for piece in pieces)


def _mended(pieces: Sequence[Piece], unparsed: dict[tuple[int, int], bytes]) -> list[Piece]:
    mended = list(pieces)
    for at in {at for at, _ in unparsed}:
        lines = pieces[at].text.split(b"\n")
        for n in range(len(lines)):
            if (at, n) in unparsed:
                lines[n] = readable(lines[n]).rstrip(b"\n")

        mended[at] = replace(pieces[at], text=b"\n".join(lines))

    return mended


def _at(column: Column, path: Sequence[str]) -> str:
    """Return the expression of a property, or of one inside it, with `{}` for the table."""
    field = "{}." + ident(column.name).replace("{", "{{").replace("}", "}}")
    if not path:
        return field

    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return f"json_extract_string({field}, {literal(pointer).replace('{', '{{').replace('}', '}}')})"
