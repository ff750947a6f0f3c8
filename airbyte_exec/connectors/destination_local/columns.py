"""The columns of a stream's table or file, and the SELECT that makes its rows of RECORD lines.

The types are those of a cache. The names are the source's own, which a destination is asked for, and get a suffix only
where SQL cannot tell two of them apart.
"""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from airbyte_exec.caches._schema import Column, columns_of, suffixed
from airbyte_exec.caches._sql import ident, listed, literal
from airbyte_exec.caches._transform import parsed
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.constants import (
    AB_EXTRACTED_AT_COLUMN as EXTRACTED_AT,
)
from airbyte_exec.constants import (
    AB_INTERNAL_COLUMNS as INTERNAL_COLUMNS,
)
from airbyte_exec.constants import (
    AB_META_COLUMN as META,
)
from airbyte_exec.constants import (
    AB_RAW_ID_COLUMN as RAW_ID,
)

GENERATION = "_airbyte_generation_id"
WHOLE = Column("", "_airbyte_data", "JSON")
"""The column of a stream whose schema declares no property: the whole of `data`."""

DELETED = "_ab_cdc_deleted_at"
OWN_TYPES = {RAW_ID: "VARCHAR", EXTRACTED_AT: "TIMESTAMPTZ", META: "JSON", GENERATION: "BIGINT"}
_RESERVED = frozenset({*INTERNAL_COLUMNS, GENERATION})


def columns_for(stream: ConfiguredStream) -> list[Column]:
    """Return the columns of a stream, without those that every stream has."""
    keys = [path[0] for path in (*stream.primary_key, stream.cursor) if path]
    found = columns_of(stream.json_schema, also=keys)
    if not found:
        return [WHOLE]

    alike = Counter(column.key.casefold() for column in found)
    plainest: dict[str, str] = {}
    for key in sorted((c.key for c in found), key=lambda key: (key != key.casefold(), key)):
        plainest.setdefault(key.casefold(), key)

    def name(key: str) -> str:
        folded = key.casefold()
        alone = alike[folded] == 1 or plainest[folded] == key
        return key if key and alone and folded not in _RESERVED and "\0" not in key else suffixed(key or "column", key)

    return [Column(column.key, name(column.key), column.type) for column in found]


def typed_columns(columns: Sequence[Column]) -> dict[str, str]:
    """Return the type of every column of the table, by name."""
    return {column.name: column.type for column in columns} | OWN_TYPES


def definition_of(types: Mapping[str, str], generation: int) -> str:
    """Return the definitions of a table's columns; a row is of this generation where nothing else is said."""
    default = {GENERATION: f" DEFAULT {generation}"}
    return listed(f"{ident(name)} {kind}{default.get(name, '')}" for name, kind in types.items())


def select_whole() -> str:
    """Return the SELECT of the rows of a stream whose schema declares no property, as `select_rows` has it.

    A line that DuckDB cannot parse is kept whole, as a JSON string.
    """
    data = "CASE WHEN r IS NULL THEN to_json(line) ELSE json_extract(line, '/record/data') END"
    return f"""
        SELECT {data} AS {WHOLE.name}, prefix || n AS {RAW_ID},
            TRY(make_timestamptz(r.emitted_at * 1000)) AS {EXTRACTED_AT}, coalesce(r.meta, '{{}}') AS {META}
        FROM ({parsed([])})
    """


def key_parts(stream: ConfiguredStream, columns: Sequence[Column]) -> list[str]:
    """Return the expressions of the primary key's parts."""
    return [_at(path, columns) for path in stream.primary_key]


def newest_first(stream: ConfiguredStream, columns: Sequence[Column], arrival: Sequence[str]) -> str:
    """Return the ORDER BY that puts the newest row first: the higher cursor, then what came later."""
    cursor = cursor_of(stream, columns)
    return listed([*([f"{cursor} DESC NULLS LAST"] if cursor else []), *(f"{part} DESC" for part in arrival)])


def cursor_of(stream: ConfiguredStream, columns: Sequence[Column]) -> str | None:
    """Return the expression of the cursor."""
    return _at(stream.cursor, columns) if stream.cursor else None


def gone(names: Collection[str]) -> str:
    """Return the condition that a row says its key was deleted."""
    return f"{ident(DELETED)} IS NOT NULL" if DELETED in names else "false"


def _at(path: Sequence[str], columns: Sequence[Column]) -> str:
    column = next(column for column in columns if column.key == path[0])
    if len(path) > 1:
        rest = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path[1:])
        return f"json_extract_string({ident(column.name)}, {literal(rest)})"

    return f"TRY_CAST({ident(column.name)} AS {'VARCHAR' if column.type == 'JSON' else column.type})"
