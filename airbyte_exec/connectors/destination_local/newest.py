"""Which lines of JSONL parts are the newest of their key: DuckDB decides, and the lines are copied as they are.

Of two rows with one key the one with the higher cursor is newer, and of two with one cursor the one that came later.
A row whose newest state is deleted (`_ab_cdc_deleted_at`) goes. A row without any key stays: nothing says what it is.
"""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.caches._arrow import Piece, Pieces
from airbyte_exec.caches._schema import sql_type
from airbyte_exec.caches._sql import listed, literal
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.database import MEMORY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DELETED = "_ab_cdc_deleted_at"

_BLOCK_BYTES = 16 * 1024 * 1024
_ROWS_AT_ONCE = 100_000


def copy_newest_lines(stream: ConfiguredStream, parts: Sequence[Path], path: Path, scratch: Path) -> bool:
    """Write the newest row of each key into `path`, in the order of the parts; say whether there is any row.

    Parameters:
        stream: its key, its cursor and its schema.
        parts: JSONL files, oldest first.
        path: the file to write.
        scratch: where DuckDB may put what does not fit into memory.
    """
    with open_scratch_database(scratch) as database:
        database.execute("CREATE TABLE rows (block INTEGER, line INTEGER, key VARCHAR, cursor VARCHAR, gone BOOLEAN)")
        for number, block in enumerate(_blocks(parts)):
            _load(database, stream, number, block)

        order = f"TRY_CAST(cursor AS {_cursor_type(stream)}) DESC NULLS LAST, block DESC, line DESC"
        kept = database.execute(
            "SELECT block, line FROM ("
            f"  SELECT *, row_number() OVER (PARTITION BY key ORDER BY {order}) AS place FROM rows"
            ") WHERE key IS NULL OR (place = 1 AND NOT gone) ORDER BY block, line"
        )
        return _copy(_survivors(kept), parts, path)


def open_scratch_database(scratch: Path) -> DuckDBPyConnection:
    """Return a database in memory that spills into `scratch`."""
    import duckdb

    return duckdb.connect(":memory:", config={"temp_directory": str(scratch / "spill"), "memory_limit": MEMORY})


def _blocks(parts: Sequence[Path]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block + file.readline() if not block.endswith(b"\n") else block


def _load(database: DuckDBPyConnection, stream: ConfiguredStream, number: int, block: bytes) -> None:
    insert = "INSERT INTO rows VALUES (?, ?, ?, ?, ?)"
    if len(block) > 2 * _BLOCK_BYTES:
        # Its last line is a huge one: DuckDB would hold several copies of it. An empty line keeps its place.
        head, last = block[:-1].rpartition(b"\n")[::2]
        database.execute(insert, [number, head.count(b"\n") + 1 + bool(head), *_odd_row(stream, last.decode())])
        block = head + b"\n\n"

    pieces = Pieces([Piece(block, "")])
    database.register("pieces", pieces)
    database.execute(
        "CREATE OR REPLACE TEMP TABLE lines AS "
        "SELECT unnest(lines) AS text, generate_subscripts(lines, 1) AS line "
        "FROM (SELECT string_split(text, chr(10)) AS lines FROM pieces)"
    )
    database.unregister("pieces")
    keys = listed(_extract(path) for path in stream.primary_key)
    cursor = _extract(stream.cursor) if stream.cursor else "NULL"
    all_null = " AND ".join(f"{_extract(path)} IS NULL" for path in stream.primary_key)
    database.execute(
        f"INSERT INTO rows SELECT {number}, line, "
        f"CASE WHEN {all_null} THEN NULL ELSE to_json([{keys}])::VARCHAR END, {cursor}, "
        f"{_extract((DELETED,))} IS NOT NULL FROM lines WHERE json_valid(text)"
    )
    odd = database.execute("SELECT line, text FROM lines WHERE text <> '' AND NOT json_valid(text)").fetchall()
    for line, text in odd:
        database.execute(insert, [number, line, *_odd_row(stream, text)])


def _extract(path: Sequence[str]) -> str:
    steps = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in ("_airbyte_data", *path))
    return f"json_extract_string(text, {literal(steps)})"


def _odd_row(stream: ConfiguredStream, text: str) -> tuple[str | None, str | None, bool]:
    """Look at a line that DuckDB takes for no JSON: it holds NaN or nests very deep."""
    data = json.loads(text)["_airbyte_data"]
    key = [_walk(data, path) for path in stream.primary_key]
    said = None if all(part is None for part in key) else json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return said, _walk(data, stream.cursor) if stream.cursor else None, _walk(data, (DELETED,)) is not None


def _walk(value: Any, path: Sequence[str]) -> str | None:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None

    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _cursor_type(stream: ConfiguredStream) -> str:
    declared: Any = stream.json_schema
    for step in stream.cursor:
        properties = declared.get("properties") if isinstance(declared, Mapping) else None
        declared = properties.get(step) if isinstance(properties, Mapping) else None

    kind = sql_type(declared)
    return "VARCHAR" if kind == "JSON" else kind


def _survivors(result: DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    while rows := result.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _copy(survivors: Iterator[tuple[int, int]], parts: Sequence[Path], path: Path) -> bool:
    wanted = next(survivors, None)
    if wanted is None:
        return False

    with path.open("wb") as file:
        for number, block in enumerate(_blocks(parts)):
            if wanted is None or wanted[0] != number:
                continue

            lines = block.split(b"\n")
            while wanted is not None and wanted[0] == number:
                file.write(lines[wanted[1] - 1] + b"\n")
                wanted = next(survivors, None)

    return True
