"""The one table of ours in a DuckDB file: whose each table is, and how each stream stands."""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.connectors.destination_local.route import Staged, Standing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INTERNAL_SCHEMA = "_airbyte_internal"
REGISTER = ident(INTERNAL_SCHEMA, "destination_local_streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stream.

    Parameters:
        schema_name: the schema of its table.
        table_name: its table.
        stream: whose rows these are.
        namespace: whose rows these are.
        replaced: the generation that the rows began with.
        purpose: what the staged rows wait for; None where there are none.
        generation: the generation that replaces.
        merge_key: the primary key, as JSON, of which the table has one row for each value; None where it may have more.
        live: whether the table exists.
    """

    schema_name: str
    table_name: str
    stream: str
    namespace: str | None
    replaced: int | None = None
    purpose: str | None = None
    generation: int | None = None
    merge_key: str | None = None
    live: bool = False

    def standing(self) -> Standing:
        """Return how the stream stands."""
        if self.purpose is None:
            return Standing(self.replaced)

        staged = Staged("replace", self.generation) if self.purpose == "replace" else Staged("merge")
        return Standing(self.replaced, staged)


_TYPES = {"replaced": "BIGINT", "generation": "BIGINT", "live": "BOOLEAN"}
_COLUMNS = {field.name: _TYPES.get(field.name, "VARCHAR") for field in fields(Entry)}


def load_entries(database: DuckDBPyConnection) -> dict[tuple[str, str], Entry]:
    """Make the table where it is missing, and return what it says, by schema and table in lower case."""
    columns = listed(f"{name} {kind}" for name, kind in _COLUMNS.items())
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(INTERNAL_SCHEMA)}")
    database.execute(f"CREATE TABLE IF NOT EXISTS {REGISTER} ({columns})")
    rows = database.execute(f"SELECT {listed(_COLUMNS)} FROM {REGISTER}").fetchall()
    entries = [Entry(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
    return {(entry.schema_name.lower(), entry.table_name.lower()): entry for entry in entries}


def save_entries(database: DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Write these entries, within the caller's transaction."""
    if not entries:
        return

    text = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False)
    structure = json.dumps([_COLUMNS])
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE changed AS SELECT unnest(from_json(?, '{structure}'), recursive := true)", [text]
    )
    database.execute(
        f"DELETE FROM {REGISTER} AS r USING changed AS c "
        "WHERE r.schema_name = c.schema_name AND r.table_name = c.table_name"
    )
    database.execute(f"INSERT INTO {REGISTER} BY NAME SELECT * FROM changed")
