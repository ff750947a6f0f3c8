from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table
from syncs_into_caches import plan, record, state, sync

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.datasets import CachedDataset, DatasetMap, InMemoryDataset, LazyDataset, SQLDataset, base
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.records import StreamRecord

SCHEMA = {
    "properties": {
        "userId": {"type": "integer"},
        "Full Name": {"type": "string"},
        "tags": {"type": "array"},
        "at": {"type": "string", "format": "date-time"},
    }
}
DATA = [
    {"userId": 1, "Full Name": "Ada", "tags": ["a"], "at": "2024-01-01T00:00:00+01:00"},
    {"userId": 2**63, "Full Name": None, "tags": None},
    {"userId": 3, "Full Name": "100%: it's", "tags": [1, {"b": None}]},
]


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        lines = [*(record(data) for data in DATA), record({"userId": 9}, "pets"), state(1)]
        sync(opened, [plan(schema=SCHEMA), plan("pets", SCHEMA)], [lines])
        yield opened


def test_rows_are_dicts_whose_keys_are_found_in_any_case(cache: DuckDBCache) -> None:
    first, *_ = cache["users"]
    assert isinstance(first, StreamRecord)
    assert first["userId"] == first["userid"] == first["USERID"] == 1
    assert first["Full Name"] == "Ada"
    assert first["tags"] == ["a"]
    assert first["at"].astimezone(UTC) == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert first["_airbyte_extracted_at"].timestamp() == 1_700_000_000
    assert [row["userId"] for row in cache["users"]] == [1, 2**63, 3]


def test_a_dataset_can_be_iterated_over_twice(cache: DuckDBCache) -> None:
    users = cache["users"]
    assert len(list(users)) == len(list(users)) == len(users) == 3


def test_filters_add_up(cache: DuckDBCache) -> None:
    users = cache["users"]
    some = users.with_filter("userid < 10").with_filter(users.to_sql_table().c.full_name != "Ada")
    assert isinstance(some, SQLDataset)
    assert [row["userId"] for row in some] == [3]
    assert len(some) == 1
    assert some.stream_name == "users"
    assert [row["userId"] for row in users.with_filter(users.to_sql_table().c.full_name == "100%: it's")] == [3]


def test_a_dataset_without_rows_is_not_nothing(cache: DuckDBCache) -> None:
    nobody = cache["users"].with_filter("false")
    assert len(nobody) == 0
    assert nobody


def test_datasets_are_equal_by_cache_and_stream(cache: DuckDBCache) -> None:
    assert cache["users"] == cache["users"]
    assert hash(cache["users"]) == hash(cache["users"])
    assert cache["users"] != cache["pets"]
    assert cache["users"] != "users"


def test_names_of_columns_are_as_the_schema_writes_them(cache: DuckDBCache) -> None:
    internal = ["_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"]
    assert cache["users"].column_names == ["userId", "Full Name", "tags", "at", *internal]
    table = cache["users"].to_sql_table()
    assert isinstance(table, Table)
    assert list(table.columns.keys()) == ["userid", "full_name", "tags", "at", *internal]


def test_a_data_frame_has_the_exact_values(cache: DuckDBCache) -> None:
    frame = cache["users"].to_pandas()
    assert list(frame["userid"]) == [1, 2**63, 3]
    assert list(frame["tags"]) == [["a"], None, [1, {"b": None}]]
    assert list(cache["users"].with_filter("userid = 3").to_pandas()["userid"]) == [3]
    assert list(cache.get_pandas_dataframe("users")["userid"]) == [1, 2**63, 3]


def test_an_arrow_dataset_has_the_rows_in_batches(cache: DuckDBCache) -> None:
    dataset = cache["users"].to_arrow(max_chunk_size=2)
    assert dataset.count_rows() == 3
    assert [int(v) for v in dataset.to_table()["userid"].to_pylist()] == [1, 2**63, 3]
    users = cache["users"]
    filtered = users.with_filter(users.to_sql_table().c.full_name == "100%: it's").to_arrow()
    assert filtered.to_table()["full_name"].to_pylist() == ["100%: it's"]
    assert cache.get_arrow_dataset("users").count_rows() == 3


@pytest.mark.parametrize(("method", "extra"), [("to_pandas", "pandas"), ("to_arrow", "arrow")])
def test_a_missing_extra_is_named(cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch, method: str, extra: str) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(PyAirbyteInputError, match=rf"airbyte-exec\[{extra}\]"):
        getattr(cache["users"], method)()


def test_a_loop_over_a_lazy_dataset_that_nobody_holds_gets_every_record() -> None:
    closed: list[bool] = []

    def records() -> Iterator[dict[str, Any]]:
        try:
            for n in range(3):
                gc.collect()
                yield {"n": n}
        finally:
            closed.append(True)

    def lazy() -> LazyDataset:
        return LazyDataset(records(), stream_metadata=plan().configured)

    assert [found["n"] for found in lazy()] == [0, 1, 2]
    assert sum(1 for _ in lazy()) == 3
    assert len(lazy().fetch_all()) == 3

    closed.clear()
    left = lazy()
    next(left)
    left.close()
    assert closed == [True]
    with pytest.raises(StopIteration):
        next(left)


def test_records_in_memory_become_frames_and_tables() -> None:
    held = InMemoryDataset([{"id": 1, "name": "a"}, {"id": 2, "name": None}], plan().configured)
    assert (len(held), held.column_names) == (2, ["id", "name"])
    assert list(held.to_pandas()["id"]) == [1, 2]
    assert held.to_arrow(max_chunk_size=1).to_table().to_pylist() == list(held)
    assert dict(DatasetMap({"users": held})) == {"users": held}


def test_what_is_missing_is_named_with_the_extra_that_has_it() -> None:
    with pytest.raises(PyAirbyteInputError, match=r"airbyte-exec\[arrow\]"):
        base.import_extra("no_such_module.dataset", "arrow")


def test_a_cached_dataset_is_an_sql_dataset(cache: DuckDBCache) -> None:
    assert isinstance(CachedDataset(cache, "users"), SQLDataset)
