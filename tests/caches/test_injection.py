"""Names that are SQL: a cache keeps them as names, whatever they stand for, and runs nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syncs_into_caches import plan, record, state, sync

from airbyte_exec._state.store import Pair
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

HOSTILE = [
    'x"; DROP TABLE kept; --',
    "x'; DROP TABLE kept; --",
    'x" (id INT); DROP TABLE kept; CREATE TABLE "y',
    "x') ; DROP TABLE kept; SELECT ('",
    "$1",
    "?",
    "%s",
    ":name",
    "{id}",
    'a""b',
    "a''b",
    "/* x */ -- y",
    "$$ DROP TABLE kept $$",
    "x\\'; DROP TABLE kept; --",
    "../../escape",
    "main.kept",
    '"main"."kept"',
    "read_text('/etc/passwd')",
    "a\x01b\x1b[31m",
    "\ufeffselect",
    "x" * 300,
]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DuckDBCache]:
    (tmp_path / "home").mkdir()
    with DuckDBCache(tmp_path / "home" / "cache.duckdb") as opened:
        opened.execute_sql("CREATE TABLE kept AS SELECT 42 AS answer")
        yield opened
        assert [dict(row) for row in opened.run_sql_query("SELECT answer FROM kept")] == [{"answer": 42}]

    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert {path.suffix for path in (tmp_path / "home").rglob("*") if path.is_file()} <= {".duckdb", ".wal", ".jsonl"}


def ids(cache: DuckDBCache, stream: str) -> list[Any]:
    return sorted(row["id"] for row in cache[stream])


def test_streams_may_have_sql_as_their_names(cache: DuckDBCache) -> None:
    for generation in (1, 2):
        plans = [plan(name, method=WriteMethod.REPLACE, generation=generation) for name in HOSTILE]
        lines = [(record({"id": n * generation}, name), state({"at": n}, name)) for n, name in enumerate(HOSTILE)]
        sync(cache, plans, [[line for pair in lines for line in pair]])

    assert {name: ids(cache, name) for name in HOSTILE} == {name: [2 * n] for n, name in enumerate(HOSTILE)}
    assert cache[HOSTILE[0]].to_pandas()["id"].tolist() == [0]


def test_fields_keys_and_cursors_may_have_sql_as_their_names(cache: DuckDBCache) -> None:
    names = dict(enumerate(HOSTILE))
    plans = [
        plan(
            f"s{n}",
            schema={"properties": {name: {"type": "integer"}, "at": {"type": "string"}}},
            method=WriteMethod.MERGE,
            primary_key=[[name]],
            cursor=[name],
        )
        for n, name in names.items()
    ]
    first = [record({name: 1, "at": at}, f"s{n}") for n, name in names.items() for at in ("old", "new")]
    sync(cache, plans, [first, [record({name: 2}, f"s{n}") for n, name in names.items()]])
    for n, name in names.items():
        columns = cache.stream_entries("source-test")[StreamId(f"s{n}")].columns
        assert sorted((row[columns[name]], row["at"]) for row in cache[f"s{n}"]) == [(1, "new"), (2, None)], name


def test_namespaces_may_have_sql_as_their_names(cache: DuckDBCache) -> None:
    plans = [plan(namespace=name) for name in HOSTILE]
    lines = [record({"id": n}, namespace=name) for n, name in enumerate(HOSTILE)]
    sync(cache, plans, [[*lines, *(state({"at": 1}, namespace=name) for name in HOSTILE)]])
    tables = [entry.table for entry in cache.stream_entries("source-test").values()]
    assert sorted(_ids_in(cache, table) for table in tables) == [[n] for n in range(len(HOSTILE))]


def test_sources_may_have_sql_as_their_names(cache: DuckDBCache) -> None:
    for n, name in enumerate(HOSTILE):
        sync(cache, [plan()], [[record({"id": n})]], pair=Pair(name, None, "key"))
        (entry,) = cache.stream_entries(name).values()
        assert _ids_in(cache, entry.table) == [n]


def _ids_in(cache: DuckDBCache, table: str) -> list[Any]:
    quoted = table.replace('"', '""')
    return [row["id"] for row in cache.run_sql_query(f'SELECT id FROM "{quoted}"')]


# SQLAlchemy, which rows are read with, knows no schema with a dot or a bracket in its name.
@pytest.mark.parametrize("name", [name for name in HOSTILE[:4] if not set(name) & set(".[]")])
def test_a_schema_and_a_prefix_may_be_sql(tmp_path: Path, name: str) -> None:
    with DuckDBCache(tmp_path / "cache.duckdb", schema_name=name, table_prefix=name) as cache:
        sync(cache, [plan()], [[record({"id": 1})]])
        assert ids(cache, "users") == [1]


def test_two_names_that_are_one_after_they_are_made_fit_are_two_tables(cache: DuckDBCache) -> None:
    names = ["a b", "a_b", "A B", "a-b", "a  b", "à b"]
    sync(cache, [plan(name) for name in names], [[record({"id": n}, name) for n, name in enumerate(names)]])
    assert {name: ids(cache, name) for name in names} == {name: [n] for n, name in enumerate(names)}
