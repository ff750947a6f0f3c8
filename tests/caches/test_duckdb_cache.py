from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import select, text
from syncs_into_caches import PAIR, USERS, plan, record, state, sync

from airbyte_exec.caches import CacheBase, DuckDBCache, get_default_cache, new_local_cache
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteInputError
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog
from airbyte_exec.types import StreamId


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "some.cache.duckdb") as opened:
        sync(opened, [plan(), plan("pets")], [[record({"id": 1, "name": "a"}), record({"id": 2}), state(1)]])
        yield opened


def test_a_cache_is_a_mapping_of_streams(cache: DuckDBCache) -> None:
    assert isinstance(cache, CacheBase)
    assert (len(cache), sorted(cache.streams), sorted(name for name, _ in cache)) == (
        2,
        ["pets", "users"],
        ["pets", "users"],
    )
    assert "users" in cache
    assert "_airbyte_state" not in cache
    assert len(cache["users"]) == len(cache.get_records("users")) == 2
    with pytest.raises(KeyError):
        cache["nope"]


def test_streams_are_in_the_order_of_the_catalog(tmp_path: Path) -> None:
    names = [f"s{n * 7 % 20}" for n in range(20)]
    with DuckDBCache(tmp_path / "many.duckdb") as cache:
        sync(cache, [plan(name) for name in names], [[record({"id": 1}, "s3"), state(1, "s3")]])
        assert list(cache.streams) == [name for name, _ in cache] == names
        assert [entry.stream.name for entry in cache.configured_catalog(PAIR.source_name).streams] == names


def test_a_stream_that_is_read_again_keeps_its_place_among_the_others(tmp_path: Path) -> None:
    with DuckDBCache(tmp_path / "many.duckdb") as cache:
        sync(cache, [plan("z"), plan("a"), plan("b")], [])
        sync(cache, [plan("c"), plan("a"), plan("z")], [[record({"id": 1}, "z"), state(1, "z")]])

        assert list(cache.streams) == ["z", "a", "b", "c"]
        assert [entry.stream.name for entry in cache.configured_catalog(PAIR.source_name).streams] == [*"zabc"]
        assert len(cache["z"]) == 1


def test_a_cache_without_streams_is_not_nothing(tmp_path: Path) -> None:
    with DuckDBCache(tmp_path / "empty.duckdb") as empty:
        assert empty
        assert len(empty) == 0


def test_sql_runs_in_one_transaction(cache: DuckDBCache) -> None:
    with pytest.raises(PyAirbyteCacheError, match="The SQL failed"):
        cache.execute_sql(["CREATE TABLE mine (a INTEGER)", "SELEKT"])

    assert cache.run_sql_query("SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'mine'") == [{"n": 0}]
    assert cache.run_sql_query("SELECT id FROM users ORDER BY id", max_records=1) == [{"id": 1}]


def test_the_file_can_be_opened_in_the_same_process_while_the_cache_is_open(cache: DuckDBCache) -> None:
    with duckdb.connect(str(cache.db_path)) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (2,)

    with cache.get_sql_engine().connect() as engine:
        assert engine.execute(text("SELECT count(*) FROM users")).scalar_one() == 2

    sync(cache, [plan()], [[record({"id": 3})]])
    assert len(cache["users"]) == 3


def test_another_process_is_told_who_has_the_file(cache: DuckDBCache) -> None:
    script = (
        "import sys; from airbyte_exec.caches import DuckDBCache\n"
        "try: len(DuckDBCache(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(cache.db_path)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert "open in another process" in said.stdout
    assert "PID" in said.stdout

    cache.close()
    said = subprocess.run(
        [sys.executable, "-c", script, str(cache.db_path)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert said.stdout == ""


def test_a_closed_cache_opens_again_when_it_is_used(cache: DuckDBCache) -> None:
    engine = cache.get_sql_engine()
    cache.close()
    cache.close()
    assert len(cache["users"]) == 2
    assert cache.get_sql_engine() is not engine


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("this is no database" * 1000, encoding="utf-8")
    with pytest.raises(PyAirbyteCacheError, match=r"text\.duckdb"):
        len(DuckDBCache(path))


def test_a_cache_may_be_in_memory() -> None:
    with DuckDBCache(":memory:") as cache:
        sync(cache, [plan()], [[record({"id": 1})]])
        assert [row["id"] for row in cache["users"]] == [1]
        assert cache.get_database_name() == "memory"


def test_a_cache_may_be_in_a_schema_of_its_own_with_any_name(tmp_path: Path) -> None:
    with DuckDBCache(tmp_path / "cache.duckdb", schema_name='my "schema"; x') as cache:
        sync(cache, [plan()], [[record({"id": 1})]])
        assert [row["id"] for row in cache["users"]] == [1]
        table = cache["users"].to_sql_table()
        with cache.get_sql_engine().connect() as connection:
            assert connection.execute(select(table.c.id)).scalars().all() == [1]


def test_who_it_is(cache: DuckDBCache, tmp_path: Path) -> None:
    assert cache.get_sql_alchemy_url() == f"duckdb:///{cache.db_path}"
    assert cache.get_database_name() == cache.name == "some"
    assert cache.config_hash != DuckDBCache(cache.db_path, table_prefix="x").config_hash
    assert cache.paired_destination_name == "destination-duckdb"
    assert cache.paired_destination_config == {"destination_path": str(cache.db_path), "schema": "main"}
    with pytest.raises(PyAirbyteInputError):
        DuckDBCache(tmp_path / "x", schema_name="")


def test_the_catalog_that_rows_were_read_with_is_kept(cache: DuckDBCache) -> None:
    catalog = cache.configured_catalog("source-test")
    assert [s.stream.name for s in catalog.streams] == ["users", "pets"]
    assert catalog.streams[0].stream.json_schema == USERS
    assert catalog.streams[0] == plan().configured


def test_streams_can_be_registered_before_they_are_read(tmp_path: Path) -> None:
    catalog = ConfiguredAirbyteCatalog(streams=[plan().configured, plan("pets").configured])

    class Declared:
        name = "source-test"

        def get_selected_streams(self) -> list[str]:
            return []

        def get_configured_catalog(self, streams: Any = None) -> ConfiguredAirbyteCatalog:
            assert streams == "*"
            return catalog

    with DuckDBCache(tmp_path / "cache.duckdb") as cache:
        cache.register_source("source-test", catalog, {"pets"})
        assert list(cache.streams) == ["pets"]
        cache.create_source_tables(Declared())
        assert [len(cache[name]) for name in ("users", "pets")] == [0, 0]
        sync(cache, [plan()], [[record({"id": 1})]])
        assert len(cache["users"]) == 1


def test_statistics_count_what_is_null(cache: DuckDBCache) -> None:
    statistics = cache.fetch_table_statistics(["users", "nope"])
    assert list(statistics) == ["users"]
    assert statistics["users"].row_count == 2
    by_name = {column.column_name: column for column in statistics["users"].column_statistics}
    assert (by_name["id"].null_count, by_name["name"].null_count, by_name["name"].column_type) == (0, 1, "VARCHAR")


def test_default_and_new_caches_are_below_the_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRBYTE_CACHE_ROOT", str(tmp_path))
    assert Path(get_default_cache().db_path) == tmp_path / "default_cache" / "default_cache.duckdb"
    assert Path(new_local_cache("mine_1").db_path) == tmp_path / "mine_1" / "db_mine_1.duckdb"
    assert Path(new_local_cache("mine", tmp_path / "x").db_path) == tmp_path / "x" / "db_mine.duckdb"
    assert new_local_cache().db_path != new_local_cache().db_path
    with pytest.raises(PyAirbyteInputError):
        new_local_cache("my cache")

    assert list(tmp_path.iterdir()) == []


def test_records_with_thousands_of_fields_are_stored(tmp_path: Path) -> None:
    kinds = [{"type": "integer"}, {"type": "string"}, {"type": "number"}, {"type": "object"}, {"type": "boolean"}]
    names = [f"field {n}" for n in range(5_000)]
    schema = {"properties": {name: kinds[n % 5] for n, name in enumerate(names)}}
    values = [[n, str(n), n / 2, {"n": n}, n % 2 == 0] for n in range(5_000)]
    data = {name: values[n][n % 5] for n, name in enumerate(names)}
    odd = {**data, "field 0": "no integer", "field 4999": "no boolean"}
    with DuckDBCache(tmp_path / "cache.duckdb") as cache:
        sync(cache, [plan("wide", schema)], [[*[record(data, "wide")] * 20, record(odd, "wide"), state(1, "wide")]])
        (row,) = cache.run_sql_query("FROM wide WHERE field_0 IS NULL")
        assert row["_airbyte_meta"].count("NULLED") == 2
        assert row["field_4995"] == 4995
        assert len(cache["wide"]) == 21


def test_state_of_the_rows_is_found_by_the_pair_alone(cache: DuckDBCache) -> None:
    saved = cache.state_store().load(PAIR)
    assert saved is not None
    assert set(saved.streams) == {StreamId("users"), StreamId("pets")}
