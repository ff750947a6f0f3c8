"""Messages that a program writes into a cache by itself, and the tables that it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mini import destination_config, stream
from own_messages import catalog, complete, entry, ids, incomplete, record, state, trace
from syncs import Lab, lab

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.caches import _messages as writing
from airbyte_exec.caches.generic import GenericSQLCacheConfig
from airbyte_exec.exceptions import (
    AirbyteConnectorReadError,
    AirbyteStreamNotFoundError,
    PyAirbyteCacheError,
    PyAirbyteInputError,
)
from airbyte_exec.progress import ProgressStyle, ProgressTracker
from airbyte_exec.protocol.models import AirbyteMessage
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.shared.state_writers import NoOpStateWriter
from airbyte_exec.strategies import WriteStrategy

__all__ = ["lab"]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DuckDBCache]:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


def test_records_become_rows_and_the_state_is_kept(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users")))
    processor.process_airbyte_messages([record(1), record(2), state(2), record(3)])
    processor.process_airbyte_messages([record(4), state(4)], write_strategy=WriteStrategy.APPEND)

    assert ids(cache) == [1, 2, 3, 4]
    assert cache.get_state_provider("source-own").get_stream_state("users") == {"id": 4}
    assert processor.get_sql_table_name("users") == "users"


def test_the_journal_has_what_a_program_wrote_and_is_not_begun_anew(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users")))
    journal = cache.journal_id()
    for number in (1, 2):
        processor.process_airbyte_messages([record(number), state(number)])
        assert cache.journal_id() == journal

    (like_pyairbyte,) = cache.get_state_provider("source-own").state_message_artifacts
    assert like_pyairbyte.stream is not None
    stream = like_pyairbyte.stream.model_copy(update={"stream_state": {"id": 3}})
    cache.get_state_writer("source-own").write_state(like_pyairbyte.model_copy(update={"stream": stream}))
    assert cache.journal_id() != journal


def test_a_state_is_handed_on_when_its_records_are_durable(cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COMMIT_BYTES", 1)
    seen: list[tuple[dict[str, Any], int]] = []

    class Watching(NoOpStateWriter):
        def _write_state(self, state_message: Any) -> None:
            seen.append((state_message.stream.stream_state, len(cache["users"])))

    processor = cache.get_record_processor("source-own", catalog(entry("users")), Watching())
    processor.process_airbyte_messages([record(1), state(1), record(2), state(2), record(3)])

    assert seen == [({"id": 1}, 1), ({"id": 2}, 2)]
    assert cache.get_state_provider("source-own").known_stream_names == set()


def test_a_merge_updates_and_a_replace_takes_the_place(cache: DuckDBCache) -> None:
    merged = catalog(entry("users", primary_key=[["id"]], cursor_field=["id"]), entry("items"))
    processor = cache.get_record_processor("source-own", merged)
    processor.process_airbyte_messages([record(1), record(2), record(2), record(7, "items")])
    assert ids(cache) == [1, 2]

    processor.process_airbyte_messages([record(5)], write_strategy=WriteStrategy.REPLACE)
    assert ids(cache) == [5]
    assert ids(cache, "items") == [7]  # nothing was said of it

    processor.process_airbyte_messages([complete("items")], write_strategy=WriteStrategy.REPLACE)
    assert ids(cache, "items") == []


def test_a_failure_among_the_messages_is_an_error_and_a_replace_keeps_what_was(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users"), entry("items")))
    processor.process_airbyte_messages([record(1), record(1, "items")])

    messages = [record(2), incomplete("users"), record(2, "items")]
    with pytest.raises(AirbyteConnectorReadError, match="stream users: INCOMPLETE"):
        processor.process_airbyte_messages(messages, write_strategy=WriteStrategy.REPLACE)

    assert (ids(cache), ids(cache, "items")) == ([1], [2])

    messages = [record(3), trace(error={"message": "it burns"}), record(3, "items")]
    with pytest.raises(AirbyteConnectorReadError, match="it burns"):
        processor.process_airbyte_messages(messages, write_strategy=WriteStrategy.REPLACE)

    assert (ids(cache), ids(cache, "items")) == ([1], [2])


def test_a_replace_that_was_interrupted_leaves_nothing_to_the_next_one(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users")))
    with pytest.raises(AirbyteConnectorReadError):
        processor.process_airbyte_messages([record(1), incomplete("users")], write_strategy=WriteStrategy.REPLACE)

    processor.process_airbyte_messages([record(2)], write_strategy=WriteStrategy.REPLACE)

    assert ids(cache) == [2]


def test_a_stream_may_be_there_in_two_namespaces(cache: DuckDBCache) -> None:
    other = entry("users")
    other["stream"]["namespace"] = "n"
    processor = cache.get_record_processor("source-own", catalog(entry("users", primary_key=[["id"]]), other))
    for _ in range(2):
        processor.process_airbyte_messages([record(1), record(2, namespace="n")])

    assert [len(rows) for _, rows in cache] == [1, 2]


def test_a_processor_outlives_a_cache_in_memory_that_is_closed() -> None:
    cache = DuckDBCache(":memory:")
    processor = cache.get_record_processor("source-own", catalog(entry("users")))
    cache.close()
    processor.process_airbyte_messages([record(1), state(1)])

    assert ids(cache) == [1]
    cache.close()


def test_a_record_of_another_stream_is_an_error_that_names_those_there_are(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users")))

    with pytest.raises(AirbyteStreamNotFoundError, match="nobody") as caught:
        processor.process_airbyte_messages([record(1), record(2, "nobody")])

    assert caught.value.available_streams == ["users"]


def test_a_strategy_that_is_none_and_a_merge_without_a_key_are_refused(cache: DuckDBCache) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users")))

    with pytest.raises(PyAirbyteInputError, match="upsert"):
        processor.process_airbyte_messages([], write_strategy="upsert")

    with pytest.raises(PyAirbyteInputError, match="no primary key"):
        processor.process_airbyte_messages([], write_strategy=WriteStrategy.MERGE)


def test_the_tracker_is_told_what_is_durable(cache: DuckDBCache) -> None:
    tracker = ProgressTracker(ProgressStyle.NONE)
    processor = cache.get_record_processor("source-own", catalog(entry("users"), entry("items")))
    messages = [record(1), record(2), record(3, "items")]

    processor.process_airbyte_messages(tracker.tally_records_read(messages), progress_tracker=tracker)

    assert tracker.total_records_read == tracker.total_records_written == 3
    assert tracker.finalized_stream_names == ["users", "items"]


def test_what_was_written_goes_to_a_destination_and_a_source_of_that_name_goes_on(lab: Lab, tmp_path: Path) -> None:
    source = lab.source(streams=[stream(records=20)])
    source.select_all_streams()
    with DuckDBCache(tmp_path / "cache.duckdb") as cache:
        processor = cache.get_record_processor("source-mini", CatalogProvider(source.configured_catalog))
        first = [dict(row) for row in lab.source(streams=[stream(records=20)]).get_records("users")][:12]
        told = {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 12}}
        processor.process_airbyte_messages(
            [
                *(
                    AirbyteMessage.model_validate(
                        {"type": "RECORD", "record": {"stream": "users", "data": row, "emitted_at": 1}}
                    )
                    for row in first
                ),
                AirbyteMessage.model_validate({"type": "STATE", "state": {"type": "STREAM", "stream": told}}),
            ]
        )

        result = source.read(cache)
        assert result.processed_records == 8
        assert ids(cache) == list(range(1, 21))
        assert lab.destination(**destination_config()).write(result).processed_records == 20


def test_tables_are_looked_at(cache: DuckDBCache) -> None:
    cache.get_record_processor("source-own", catalog(entry("users"))).process_airbyte_messages([record(1)])
    processor = cache.processor

    assert processor.sql_config is cache
    assert processor.database_name == "cache"
    assert processor.catalog_provider.stream_names == ["users"]
    assert processor.get_sql_table_name("Not There") == "not_there"
    assert processor.fetch_row_count("users") == 1
    types = {column["column_name"]: column["column_type"] for column in processor.fetch_column_info("users")}
    assert (types["id"], types["name"]) == ("HUGEINT", "VARCHAR")
    assert processor.fetch_table_statistics(["users", "nobody"])["users"].row_count == 1
    with processor.get_sql_connection() as connection:
        assert [row.id for row in connection.execute(processor.get_sql_table("users").select())] == [1]

    for ask in (processor.fetch_row_count, processor.fetch_column_info):
        with pytest.raises(PyAirbyteCacheError):
            ask("nobody")


def test_a_url_names_the_file_of_a_cache(tmp_path: Path) -> None:
    with GenericSQLCacheConfig(f"duckdb:///{tmp_path}/rows.duckdb", table_prefix="x_") as cache:
        cache.get_record_processor("source-own", catalog(entry("users"))).process_airbyte_messages([record(1)])
        assert cache.processor.get_sql_table_name("users") == "x_users"

    with DuckDBCache(tmp_path / "rows.duckdb", table_prefix="x_") as cache:
        assert ids(cache) == [1]


@pytest.mark.parametrize("url", ["postgresql://me:pass-word@host/db", "no url: pass-word"])
def test_a_url_of_another_kind_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(PyAirbyteInputError) as caught:
        GenericSQLCacheConfig(url)

    assert "pass-word" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["duckdb://rows.duckdb", "duckdb://me:pass-word@/rows.duckdb", "duckdb:///a?access_mode=read_only"]
)
def test_a_url_that_says_more_than_a_path_is_refused(url: str) -> None:
    with pytest.raises(PyAirbyteInputError, match="three slashes") as caught:
        GenericSQLCacheConfig(url)

    assert "pass-word" not in str(caught.value)
