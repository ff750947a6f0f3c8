"""What a destination stored is read back: from files, from a database, by a program of the author."""

from __future__ import annotations

import json
import os
import select
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import duckdb
import pytest
from mini import DESTINATION_MINI

from airbyte_exec._documents import read_object
from airbyte_exec.conformance import ReadBack, Report, Subject, read_back, readback, reports, run, subject_of
from airbyte_exec.conformance.checks.destination import compared
from airbyte_exec.conformance.given import subject_given
from airbyte_exec.conformance.readback import placed
from airbyte_exec.conformance.rows import Row
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


def test_what_a_csv_file_says_is_text(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text('id,zip,text\n1,007,"two\nlines, ""quoted"""\n2,,\n', encoding="utf-8")
    found = read_back(f"files:{tmp_path}/{{stream}}.csv").rows("users", None)
    assert found == [{"id": "1", "zip": "007", "text": 'two\nlines, "quoted"'}, {"id": "2", "zip": None, "text": None}]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("name\na;b\nc;d\n", [{"name": "a;b"}, {"name": "c;d"}]),
        ("name\na|b\n", [{"name": "a|b"}]),
        ("id,name\n1,'quoted'\n", [{"id": "1", "name": "'quoted'"}]),
        ('id,name\n1,\n2,""\n', [{"id": "1", "name": None}, {"id": "2", "name": ""}]),
        ("name,id\n#,\n#,\n1,x\n", [{"name": "#", "id": None}] * 2 + [{"name": "1", "id": "x"}]),
        ("id,name\r\n1,x\r\n", [{"id": "1", "name": "x"}]),
    ],
)
def test_the_dialect_of_a_csv_file_is_not_guessed(tmp_path: Path, text: str, rows: list[Row]) -> None:
    (tmp_path / "users.csv").write_text(text, encoding="utf-8", newline="")
    assert read_back(f"files:{tmp_path}/{{stream}}.csv").rows("users", None) == rows


def test_a_line_of_a_csv_file_with_too_many_values_is_an_error_and_no_head(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,name\n1,x,y\n", encoding="utf-8")
    with pytest.raises(PyAirbyteInputError, match=r"users\.csv cannot be read"):
        read_back(f"files:{tmp_path}/{{stream}}.csv").rows("users", None)


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_database_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(PyAirbyteInputError, match=r"There is no file .*/new\.db"):
        read_back(f"{scheme}:///{tmp_path}/new.db").rows("users", None)

    assert list(tmp_path.iterdir()) == []


def own_subject(config: Row) -> Subject:
    def fail(*_: object) -> Any:
        raise AssertionError("nothing of that is given")

    return subject_given(
        "destination-local", {"config": json.dumps(config)}, read=read_object, read_bytes=fail, ask=fail
    )


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "[ab]", "{x}", "{", "a*"])
@pytest.mark.parametrize("kind", ["duckdb", "csv"])
def test_our_own_destination_is_read_at_a_path_of_any_name(tmp_path: Path, name: str, kind: str) -> None:
    subject = own_subject({"path": str(tmp_path / f"{name}.{{case}}"), "format": kind})
    report = run(subject, rules="destination.append")
    assert [result.status for result in report.results] == ["pass"], reports.render(report, "json")


def test_our_own_destination_is_read_in_the_folder_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    report = run(own_subject({"path": "~/rows", "format": "jsonl"}), rules="destination.append")
    assert [result.status for result in report.results] == ["pass"], reports.render(report, "json")


def test_a_table_is_found_by_a_template_where_namespaces_are_no_schemas(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.executescript("""
            CREATE TABLE raw_users (id); INSERT INTO raw_users VALUES (1);
            CREATE TABLE "raw_my ns.users" (id); INSERT INTO "raw_my ns.users" VALUES (2);
            """)

    connection.close()
    adapter = read_back(f"sqlite:///{tmp_path}/x.db#raw_{{namespace}}.{{stream}}")
    assert adapter.rows("users", None) == [{"id": 1}]
    assert adapter.rows("users", "my ns") == [{"id": 2}]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_table_of_postgres_is_read_with_values_that_python_does_not_know() -> None:
    from postgres_with_vectors import USER, NoPostgresError, postgres_with_vectors

    psycopg = pytest.importorskip("psycopg")
    try:
        with postgres_with_vectors() as server:
            where = f"postgresql://{USER}@127.0.0.1:{server.port}/postgres"
            with psycopg.connect(where, autocommit=True) as connection:
                connection.execute('CREATE SCHEMA "My ns"')
                connection.execute("""CREATE TABLE "My ns"."50% off" AS SELECT 9007199254740993::numeric AS big,
                    DATE '0001-01-01 BC' AS "Day", true AS flag, '{"a": [1, null]}'::jsonb AS any""")
                connection.execute("CREATE TABLE users AS SELECT 1 AS id")

            adapter = read_back(where)
            (row,) = adapter.rows("50% off", "My ns")
            assert row == {"big": 9007199254740993, "Day": "0001-01-01 BC", "flag": True, "any": {"a": [1, None]}}
            assert adapter.rows("users", None) == [{"id": 1}]
            assert adapter.rows("users", "My ns") == []
    except NoPostgresError as reason:
        pytest.skip(str(reason))


def test_a_program_prints_the_rows(tmp_path: Path) -> None:
    program = tmp_path / "rows"
    program.write_text('#!/bin/sh\nprintf \'{"namespace": "%s", "stream": "%s"}\\n\' "$1" "$2"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert read_back(f"command:{program}").rows("users", "ns") == [{"namespace": "ns", "stream": "users"}]
    assert read_back(f"command:{program}").rows("users", None) == [{"namespace": "", "stream": "users"}]


@pytest.mark.parametrize(
    "text",
    ["nothing", "files:", "files:/data/{table}.csv", "command:/nowhere/program", "command:'", "nodialect://x", "://"],
)
def test_what_is_no_way_to_read_is_told_before_anything_is_run(text: str) -> None:
    with pytest.raises(PyAirbyteInputError):
        read_back(text)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_a_file_that_is_broken_is_an_error_that_names_it(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"users.{ending}").write_bytes(b'{"id": 1, "na\xff\x00')
    with pytest.raises(PyAirbyteInputError, match=rf"users\.{ending} cannot be read"):
        read_back(f"files:{tmp_path}/{{stream}}.{ending}").rows("users", None)


@pytest.mark.parametrize("printed", ["[1, 2]", "no JSON", "5"])
def test_a_program_that_prints_no_rows_is_an_error(printed: str) -> None:
    with pytest.raises(PyAirbyteInputError, match="does not print the rows"):
        read_back(f"command:sh -c 'echo \"{printed}\"'").rows("users", None)


def test_a_program_that_takes_too_long_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    monkeypatch.setattr(readback, "COMMAND_LIMIT", 1.0)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(PyAirbyteInputError, match="timed out"):
            read_back(f"command:sh -c 'exec 9>{fifo}; echo >&9; sleep 60 | cat; true'").rows("users", None)

        os.set_blocking(reader, True)
        assert os.read(reader, 9) == b"\n"
        assert select.select([reader], [], [], 20)[0], "one of them lives, and holds the other end"
        assert os.read(reader, 9) == b""
    finally:
        os.close(reader)


def test_a_program_ends_with_the_suite_that_asked_it(tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    adapter = read_back(f"command:sh -c 'exec 9>{fifo}; echo >&9; sleep 60; true'")

    async def ask() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, adapter.rows, "users", None)
            async with await anyio.open_file(fifo, "rb", buffering=0) as reader:
                assert await reader.read(9) == b"\n"
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    assert await reader.read(9) == b""

    anyio.run(ask)


KILLED = """
import sys
from airbyte_exec.conformance import read_back
read_back(sys.argv[1]).rows("users", None)
"""


def test_a_program_ends_when_the_suite_that_asked_it_is_killed(tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    adapter = f"command:sh -c 'exec 9>{fifo}; echo >&9; sleep 60 | cat; true'"
    try:
        with subprocess.Popen([sys.executable, "-c", KILLED, adapter]) as suite:
            assert select.select([reader], [], [], 20)[0], "the program was not started"
            os.set_blocking(reader, True)
            assert os.read(reader, 9) == b"\n"
            suite.kill()

        assert select.select([reader], [], [], 20)[0], "one of them lives, and holds the other end"
        assert os.read(reader, 9) == b""
    finally:
        os.close(reader)


def test_each_case_is_read_at_its_own_place() -> None:
    assert placed(read_back("command:echo {case}"), "de3") == read_back("command:echo de3")
    assert placed(read_back("files:/{case}/{stream}.csv"), "de3") == read_back("files:/de3/{stream}.csv")
    assert placed(read_back("sqlite:////{case}.db"), "de3") == read_back("sqlite:////de3.db")


def report_of(folder: Path, adapter: ReadBack) -> Report:
    subject = subject_of(f"path:{DESTINATION_MINI}", config={"store": str(folder / "store")}, read_back=adapter)
    return run(subject, rules="DE3,DE5,DE8")


class Burning:
    """An author's own, which has no place and raises what it likes."""

    __slots__ = ()

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        raise RuntimeError("the disk is on fire")


def test_rows_that_cannot_be_read_break_their_rule_and_not_the_suite(tmp_path: Path) -> None:
    report = report_of(tmp_path, Burning())
    (broken,) = report.broken
    assert broken.case.code == "DE3"
    assert "the disk is on fire" in broken.findings[0].message
    (skipped,) = [result for result in report.results if result.status == "skip"]
    assert skipped.case.code == "DE8"
    assert "the disk is on fire" in str(skipped.reason)
    (broken,) = report_of(tmp_path, read_back("command:false")).broken
    assert "the rows cannot be read back" in broken.findings[0].message


def test_a_store_without_a_type_for_flags_has_numbers_and_a_row_says_what_is_another() -> None:
    wanted = [{"id": 1, "flag": True, "name": "a"}]
    assert compared(wanted, [{"id": 1, "flag": 1, "name": "a"}]) is None
    assert compared(wanted, [{"id": 1, "flag": "true", "name": "a"}]) is None
    assert compared(wanted, [{"id": 1, "flag": 0, "name": "a"}, {"id": 2}]) == (
        'this row is not there: {"id": 1, "flag": true, "name": "a"}; nearest: flag is 0'
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_names_and_values_in_folders_of_files_are_found_again(tmp_path: Path, kind: str) -> None:
    subject = subject_of(
        "bundled:destination-local",
        config={"path": str(tmp_path), "format": kind},
        read_back=read_back(f"files:{tmp_path}/{{namespace}}/{{stream}}/*.{kind}"),
    )
    report = run(subject, rules="destination.namespaces,destination.names,destination.values")

    assert [result.status for result in report.results] == ["pass"] * 3, reports.render(report, "json")
