"""What a destination stored is read back: from files, from a database, by a program of the author."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import duckdb
import pytest

from airbyte_exec.conformance import read_back
from airbyte_exec.exceptions import PyAirbyteInputError

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


def test_jsonl_files_are_read_and_raw_records_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "my ns"
    folder.mkdir()
    lines = '{"_airbyte_data": {"id": 1, "name": "a"}, "_airbyte_generation_id": 3}\n{"id": 2, "name": null}\n'
    (folder / "a%2Fb.jsonl").write_text(lines, encoding="utf-8")
    found = read_back(f"files:{tmp_path}/{{namespace}}/{{stream}}.jsonl").rows("a/b", "my ns")
    assert found == [{"id": 1, "name": "a", "_airbyte_generation_id": 3}, {"id": 2, "name": None}]


def test_parquet_files_are_read(tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, NULL) TO '{tmp_path}/users.parquet'")
    assert read_back(f"files:{tmp_path}/{{stream}}.parquet").rows("users", None) == ROWS


def test_a_table_of_sqlite_is_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute('CREATE TABLE "odd ""name" (id, name)')
        connection.executemany('INSERT INTO "odd ""name" VALUES (?, ?)', [(1, "a"), (2, None)])

    connection.close()
    adapter = read_back(f"sqlite:///{tmp_path}/x.db")
    assert adapter.rows('odd "name', None) == ROWS
    assert adapter.rows("absent", None) == []
    assert adapter.rows('odd "name', "nowhere") == []


def test_a_table_of_duckdb_is_looked_for_in_the_schema_of_its_namespace(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute('CREATE SCHEMA "My ns"')
        connection.execute("CREATE TABLE \"My ns\".users AS SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, NULL")

    adapter = read_back(f"duckdb:///{tmp_path}/x.duckdb", namespace="main")
    assert adapter.rows("users", "My ns") == ROWS
    assert adapter.rows("users", "another") == []
    assert adapter.rows("users", None) == []


def test_a_table_that_is_there_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("CREATE VIEW users AS SELECT error('the disk is on fire') AS id")

    with pytest.raises(PyAirbyteInputError, match="the disk is on fire"):
        read_back(f"duckdb:///{tmp_path}/x.duckdb").rows("users", None)


def test_a_program_prints_the_rows(tmp_path: Path) -> None:
    program = tmp_path / "rows"
    program.write_text('#!/bin/sh\nprintf \'{"namespace": "%s", "stream": "%s"}\\n\' "$1" "$2"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert read_back(f"command:{program}").rows("users", "ns") == [{"namespace": "ns", "stream": "users"}]
    assert read_back(f"command:{program}").rows("users", None) == [{"namespace": "", "stream": "users"}]


@pytest.mark.parametrize("text", ["nothing", "files:", "command:/nowhere/program", "nodialect://x"])
def test_what_cannot_be_read_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(PyAirbyteInputError):
        read_back(text).rows("users", None)
