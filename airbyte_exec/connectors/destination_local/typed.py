"""CSV and Parquet: the rows that a DuckDB table would have, written by DuckDB.

An integer column of a Parquet part is INT64 where every value of the part fits, else DECIMAL(38, 0): DuckDB itself
would write its 128-bit integers as doubles. JSON is text there: a part with JSON and one with text do not go together.
In CSV a NULL is nothing between two commas, and an empty text is `""`.
"""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import ident, listed, literal
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.columns import columns_for, definition_of, typed_columns
from airbyte_exec.connectors.destination_local.loading import Loader
from airbyte_exec.connectors.destination_local.merging import Merge
from airbyte_exec.connectors.destination_local.newest import open_scratch_database
from airbyte_exec.connectors.destination_local.settings import Format

_OPTIONS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER true"}
_INT64 = 2**63
_DECIMAL38 = 10**38
_SHORTEST_LINE_BOUND = 2 * 1024 * 1024


class TypedWriter:
    """Writes parts of CSV or Parquet."""

    def __init__(self, chosen: Format, scratch: Path) -> None:
        self.suffix = f".{chosen}"
        self._format = chosen
        self._database = open_scratch_database(scratch)
        self._loader = Loader(self._database)
        self._empty: dict[tuple[tuple[str, str], ...], bytes] = {}

    def write(self, stream: ConfiguredStream, lines: Sequence[bytes], path: Path) -> None:
        """Write one part; see `PartWriter`."""
        columns = self._make_table(stream)
        self._loader.load(stream.id, "part", columns, lines)
        self._copy_out("part", path)

    def write_empty(self, stream: ConfiguredStream, path: Path) -> None:
        """Write the columns alone."""
        types = typed_columns(columns_for(stream))
        if self._format == "csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(types)

            return

        content = self._empty.get(alike := tuple(types.items()))
        if content is not None:
            path.write_bytes(content)
            return

        self._make_table(stream)
        self._copy_out("part", path)
        self._empty[alike] = path.read_bytes()

    def _make_table(self, stream: ConfiguredStream) -> list[Column]:
        columns = columns_for(stream)
        definition = definition_of(typed_columns(columns), stream.generation or 0)
        self._database.execute(f"CREATE OR REPLACE TABLE part ({definition})")
        return columns

    def merge(self, stream: ConfiguredStream, parts: Sequence[Path], path: Path) -> bool:
        """Write the newest row of each key; see `PartWriter`."""
        self._database.execute(f"CREATE OR REPLACE TABLE merged AS SELECT * FROM {self._scan(parts)}")
        names = [str(row[0]) for row in self._database.execute("DESCRIBE merged").fetchall()]
        merge = Merge(stream, columns_for(stream), names)
        for name, kind in typed_columns(merge.columns).items():
            if name not in names:
                self._database.execute(f"ALTER TABLE merged ADD COLUMN {ident(name)} {kind}")

        for statement in merge.thin_out("merged"):
            self._database.execute(statement)

        row = self._database.execute("SELECT count(*) FROM merged").fetchone()
        if row == (0,):
            return False

        self._copy_out("merged", path)
        return True

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _copy_out(self, table: str, path: Path) -> None:
        plain = self._plain_types(table) if self._format == "parquet" else {}
        replaced = listed(f"{ident(name)}::{kind} AS {ident(name)}" for name, kind in plain.items())
        select = f"SELECT * REPLACE ({replaced}) FROM {table}" if plain else f"FROM {table}"
        self._database.execute(f"COPY ({select}) TO {literal(str(path))} ({_OPTIONS[self._format]})")
        self._database.execute(f"DROP TABLE {table}")

    def _plain_types(self, table: str) -> dict[str, str]:
        """Return the types of Parquet for the columns that cannot be written as they are."""
        described = self._database.execute(f"DESCRIBE {table}").fetchall()
        kinds = {str(name): str(kind) for name, kind, *_ in described}
        plain = {name: "VARCHAR" for name, kind in kinds.items() if kind == "JSON"}
        names = [name for name, kind in kinds.items() if kind == "HUGEINT"]
        if names:
            extremes = listed(f"min({ident(name)}), max({ident(name)})" for name in names)
            found = self._database.execute(f"SELECT {extremes} FROM {table}").fetchone() or ()
            plain |= {n: _kind(low, high) for n, low, high in zip(names, found[::2], found[1::2], strict=True)}

        return plain

    def _scan(self, parts: Sequence[Path]) -> str:
        """Return the rows of the parts in their order; a column that a part lacks is NULL."""
        paths = "[" + listed(literal(str(part)) for part in parts) + "]"
        if self._format == "parquet":
            return f"read_parquet({paths}, union_by_name = true)"

        longest = max(_SHORTEST_LINE_BOUND, *(part.stat().st_size + 1 for part in parts))
        return (
            f"read_csv({paths}, all_varchar = true, header = true, union_by_name = true, auto_detect = true, "
            "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, "
            f"max_line_size = {longest}, parallel = false, sample_size = 1)"
        )


def _kind(low: int | None, high: int | None) -> str:
    if low is None or high is None or -_INT64 <= low <= high < _INT64:
        return "BIGINT"

    return "DECIMAL(38, 0)" if -_DECIMAL38 < low <= high < _DECIMAL38 else "VARCHAR"
