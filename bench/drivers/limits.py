"""What the machine can do at best: the shell's pipe, and DuckDB's own reader into the same typed table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.drivers.measured import measure

if TYPE_CHECKING:
    from collections.abc import Callable

TYPED_TABLE = """
    CREATE TABLE users AS
    SELECT record.data.id::BIGINT AS id, record.data.name AS name, record.data.email AS email,
           record.data.score AS score, record.data.active AS active, record.data.created_at AS created_at,
           record.data.address AS address, record.emitted_at AS _airbyte_extracted_at
    FROM read_json(?, format = 'newline_delimited', columns = {
        type: 'VARCHAR',
        record: 'STRUCT(stream VARCHAR, emitted_at BIGINT, data STRUCT(id BIGINT, name VARCHAR, email VARCHAR,
                        score DOUBLE, active BOOLEAN, created_at TIMESTAMPTZ, address JSON))'})
    WHERE type = 'RECORD'
"""


def shell_pipe(data: Path, work: Path) -> dict[str, Any]:
    """`source read | sink write`."""
    command = f"{data}/source-bench read | {data}/destination-bench write > {work}/echoed"
    subprocess.run(["/bin/sh", "-c", command], check=True)
    return {"states": (work / "echoed").read_bytes().count(b"\n")}


def read_json(data: Path, work: Path) -> dict[str, Any]:
    """Load the file into one table by DuckDB's `read_json`, without states and without checkpoints."""
    import duckdb

    with duckdb.connect(str(work / "limit.duckdb")) as connection:
        connection.execute(TYPED_TABLE, [str(data / "lines.jsonl")])
        rows = connection.sql("SELECT count(*) FROM users").fetchall()[0][0]

    return {"records": rows, "states": 0}


CASES: dict[str, Callable[[Path, Path], dict[str, Any]]] = {"shell-pipe": shell_pipe, "read-json": read_json}

if __name__ == "__main__":
    name, folder, work_folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    measure(lambda: CASES[name](folder, work_folder))
