"""State that a program reads from a cache, and puts there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mini import stream
from syncs import Lab, lab

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.protocol.models import AirbyteStateMessage

__all__ = ["lab"]


def message(**state: Any) -> AirbyteStateMessage:
    descriptor = {"name": "users"}
    return AirbyteStateMessage.model_validate(
        {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}}
    )


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


def test_a_read_goes_on_from_the_state_that_was_written(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(streams=[stream(records=20)])
    source.select_all_streams()
    source.read(cache)
    assert cache.get_state_provider("source-mini").get_stream_state("users")["id"] == 20

    state = cache.get_state_provider("source-mini").get_stream_state("users")
    cache.get_state_writer("source-mini").write_state(message(**{**state, "id": 15}))
    assert cache.get_state_provider("source-mini").get_stream_state("users")["id"] == 15

    assert source.read(cache).processed_records == 5
    assert cache.get_state_provider("source-mini").get_stream_state("users")["id"] == 20


def test_the_state_of_a_destination_is_its_own(cache: DuckDBCache) -> None:
    cache.get_state_writer("source-x", "destination-a").write_state(message(n=1))
    cache.get_state_writer("source-x", "destination-b").write_state(message(n=2))

    assert cache.get_state_provider("source-x", destination_name="destination-a").get_stream_state("users") == {"n": 1}
    assert cache.get_state_provider("source-x", destination_name="destination-b").get_stream_state("users") == {"n": 2}
    assert cache.get_state_provider("source-x").known_stream_names == set()


@pytest.mark.parametrize("body", [{"type": "GLOBAL", "global": {"stream_states": []}}, {"data": {"n": 1}}])
def test_a_state_of_no_stream_is_kept_whole(cache: DuckDBCache, body: dict[str, Any]) -> None:
    cache.get_state_writer("source-x").write_state(AirbyteStateMessage.model_validate(body))

    (found,) = cache.get_state_provider("source-x").state_message_artifacts
    assert found.to_dict().items() >= body.items()


def test_the_vendors_client_sees_the_tables(cache: DuckDBCache) -> None:
    cache.execute_sql("CREATE TABLE t AS SELECT 7 AS a")
    with cache.get_vendor_client() as client:
        assert client.sql("SELECT a FROM t").fetchall() == [(7,)]


def test_the_paired_destination_writes_to_the_same_file(cache: DuckDBCache) -> None:
    assert cache.paired_destination_name == "destination-duckdb"
    assert cache.paired_destination_config == {"destination_path": str(cache.db_path), "schema": "main"}
