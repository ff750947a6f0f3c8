"""One row for each key in DuckDB: what was staged goes into the table, the newest row of a key wins."""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._sql import listed
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.columns import cursor_of, gone, key_parts, newest_first

_OWN = "_airbyte_merge_"
"""What the columns of a merge begin with: any shorter name may be one of the stream's."""


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
        ranked = self._ranked(table, f"rowid AS {_OWN}row")
        old = f"SELECT {_OWN}row FROM ({ranked}) WHERE {_OWN}has_key AND ({_OWN}place > 1 OR {_OWN}gone)"
        return [f"DELETE FROM {table} WHERE rowid IN ({old})"]

    def into(self, table: str, staged: str) -> list[str]:
        """Merge the staged rows into a table that has one row for each key."""
        keys = self._keys()
        cursor = cursor_of(self.stream, self.columns)
        same = " AND ".join(f"t.{key} IS NOT DISTINCT FROM b.{key}" for key in keys)
        parts = listed(f"{part} AS {key}" for key, part in keys.items())
        newest = f"""
            CREATE OR REPLACE TEMP TABLE newest AS SELECT * EXCLUDE ({_OWN}place) FROM ({self._ranked(staged, "*")})
            WHERE NOT {_OWN}has_key OR {_OWN}place = 1
        """
        older = f"""
            DELETE FROM newest AS b USING (SELECT {parts}, {cursor} AS {_OWN}cursor FROM {table}) AS t
            WHERE b.{_OWN}has_key AND {same} AND (
                t.{_OWN}cursor > b.{_OWN}cursor OR (b.{_OWN}cursor IS NULL AND t.{_OWN}cursor IS NOT NULL))
        """
        replaced = f"""
            DELETE FROM {table} WHERE rowid IN (
                SELECT t.{_OWN}row FROM (SELECT rowid AS {_OWN}row, {parts} FROM {table}) AS t
                JOIN newest AS b ON {same} WHERE b.{_OWN}has_key)
        """
        inserted = f"""
            INSERT INTO {table} BY NAME
            SELECT * EXCLUDE ({listed([*keys, f"{_OWN}cursor", f"{_OWN}has_key", f"{_OWN}gone"])})
            FROM newest WHERE NOT ({_OWN}has_key AND {_OWN}gone)
        """
        return [newest, *([older] if cursor else []), replaced, inserted, "DROP TABLE newest"]

    def _keys(self) -> dict[str, str]:
        return {f"{_OWN}key{i}": part for i, part in enumerate(key_parts(self.stream, self.columns))}

    def _ranked(self, table: str, wanted: str) -> str:
        keys = self._keys()
        named = listed(f"{part} AS {key}" for key, part in keys.items())
        has_key = " OR ".join(f"{part} IS NOT NULL" for part in keys.values())
        cursor = cursor_of(self.stream, self.columns) or "NULL"
        order = newest_first(self.stream, self.columns, ["rowid"])
        return f"""
            SELECT {wanted}, {named}, {cursor} AS {_OWN}cursor, ({has_key}) AS {_OWN}has_key,
                {gone(self.names)} AS {_OWN}gone,
                row_number() OVER (PARTITION BY {listed(keys.values())} ORDER BY {order}) AS {_OWN}place
            FROM {table}
        """
