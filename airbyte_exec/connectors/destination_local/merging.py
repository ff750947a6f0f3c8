"""One row for each key in DuckDB: what was staged goes into the table, the newest row of a key wins."""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import listed
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.columns import cursor_of, gone, key_parts, newest_first


@dataclass(frozen=True, slots=True)
class Merge:
    """The statements of a merge; the caller runs them in a transaction.

    Parameters:
        stream: its key and its cursor.
        columns: from `columns_for`.
        names: the names of all columns.
    """

    stream: ConfiguredStream
    columns: Sequence[Column]
    names: Collection[str]

    def thin_out(self, table: str) -> list[str]:
        """Leave the newest row of each key in a table."""
        ranked = self._ranked(table, "rowid AS rid")
        return [
            f"DELETE FROM {table} WHERE rowid IN (SELECT rid FROM ({ranked}) WHERE has_key AND (place > 1 OR gone))"
        ]

    def into(self, table: str, staged: str) -> list[str]:
        """Merge the staged rows into a table that has one row for each key."""
        parts = key_parts(self.stream, self.columns)
        same = " AND ".join(f"t.k{i} IS NOT DISTINCT FROM b.k{i}" for i in range(len(parts)))
        keys = listed(f"{part} AS k{i}" for i, part in enumerate(parts))
        cursor = cursor_of(self.stream, self.columns)
        newest = f"CREATE OR REPLACE TEMP TABLE newest AS SELECT * EXCLUDE (place) FROM ({self._ranked(staged, '*')}) "
        older = f"""
            DELETE FROM newest AS b USING (SELECT {keys}, {cursor} AS c FROM {table}) AS t
            WHERE b.has_key AND {same} AND (t.c > b.c OR (b.c IS NULL AND t.c IS NOT NULL))
        """
        replaced = f"""
            DELETE FROM {table} WHERE rowid IN (
                SELECT t.rid FROM (SELECT rowid AS rid, {keys} FROM {table}) AS t JOIN newest AS b ON {same}
                WHERE b.has_key)
        """
        extra = listed([*(f"k{i}" for i in range(len(parts))), "c", "has_key", "gone"])
        return [
            newest + "WHERE NOT has_key OR place = 1",
            *([older] if cursor else []),
            replaced,
            f"INSERT INTO {table} BY NAME SELECT * EXCLUDE ({extra}) FROM newest WHERE NOT (has_key AND gone)",
            "DROP TABLE newest",
        ]

    def _ranked(self, table: str, wanted: str) -> str:
        parts = key_parts(self.stream, self.columns)
        keys = "".join(f", {part} AS k{i}" for i, part in enumerate(parts))
        has_key = " OR ".join(f"{part} IS NOT NULL" for part in parts)
        order = newest_first(self.stream, self.columns, ["rowid"])
        cursor = cursor_of(self.stream, self.columns) or "NULL"
        return (
            f"SELECT {wanted}{keys}, {cursor} AS c, ({has_key}) AS has_key, {gone(self.names)} AS gone, "
            f"row_number() OVER (PARTITION BY {listed(parts)} ORDER BY {order}) AS place FROM {table}"
        )
