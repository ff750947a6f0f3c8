"""A source whose catalog is not what it sends: an error of ours, or a warning that names the stream; no stack trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mini import after_record, step
from syncs import Lab

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.exceptions import PyAirbyteError


def catalog(*names: str, **more: Any) -> dict[str, Any]:
    known = {
        "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["updated_at"],
        "source_defined_primary_key": [["id"]],
    }
    return {"streams": [{"name": name, **known, **more} for name in names]}


@pytest.mark.parametrize("strategy", ["append", "merge", "replace"])
@pytest.mark.parametrize("cached", [False, True], ids=["straight", "cached"])
def test_streams_that_never_come_and_streams_of_nobody_are_warned_of(
    lab: Lab, tmp_path: Path, strategy: str, cached: bool
) -> None:
    strangers = [step("record", after_record(15), stream="ghost"), step("state", after_record(16), stream="ghost")]
    source = lab.source(discover=catalog("users", "phantom"), unknown_streams="ignored", script=strangers)
    cache = DuckDBCache(tmp_path / "cache.duckdb") if cached else False
    try:
        result = lab.write(source, streams="*", write_strategy=strategy, cache=cache)
    finally:
        if isinstance(cache, DuckDBCache):
            cache.close()

    assert result.processed_records == 100
    assert {told.name: known.records_confirmed for told, known in result.streams.items()} == {
        "users": 100,
        "phantom": 0,
    }
    (of_ghost,) = (text for text in result.warnings if "ghost" in text)
    (of_phantom,) = (text for text in result.warnings if "phantom" in text)
    assert "not forwarded and not committed" in of_ghost
    assert "did not say whether it completed" in of_phantom
    assert b"ghost" not in lab.written.input


def test_a_stream_that_the_source_does_not_know_after_all_is_the_sources_error(lab: Lab) -> None:
    error = lab.failure(lab.source(discover=catalog("users", "phantom")), streams="*")

    assert error.connector_name == "source-mini"
    assert "phantom" in str(error)


def test_a_sync_mode_that_the_source_does_not_have_is_the_sources_error(lab: Lab) -> None:
    only_in_full: dict[str, Any] = {"name": "users", "records": 10, "sync_modes": ["full_refresh"]}
    error = lab.failure(lab.source(streams=[only_in_full], discover=catalog("users")), streams="*")

    assert error.connector_name == "source-mini"


def test_a_key_and_a_cursor_that_no_record_has_lose_no_record(lab: Lab, tmp_path: Path) -> None:
    told = catalog("users", source_defined_primary_key=[["no", "such"]], default_cursor_field=["nowhere"])
    with DuckDBCache(tmp_path / "cache.duckdb") as cache:
        lab.write(lab.source(discover=told), streams="*", write_strategy="merge", cache=cache)
        assert len(list(cache["users"])) == 100

    assert len(lab.written.records()["users"]) == 100


NO_CATALOGS: dict[str, Any] = {
    "no streams": {},
    "streams that are no list": {"streams": {"users": {}}},
    "a stream that is a text": {"streams": ["users"]},
    "a stream without a name": {"streams": [{"json_schema": {}, "supported_sync_modes": ["full_refresh"]}]},
    "a name that is a number": catalog("users", name=7),
    "a stream twice": catalog("users", "users"),
    "a schema that is a list": catalog("users", json_schema=[]),
    "a mode that nobody knows": catalog("users", supported_sync_modes=["quantum"]),
    "a key of numbers": catalog("users", source_defined_primary_key=[[1]]),
    "nothing": "silent",
}


@pytest.mark.parametrize("told", NO_CATALOGS.values(), ids=NO_CATALOGS)
def test_a_catalog_that_is_none_is_an_error_that_names_the_source(lab: Lab, told: Any) -> None:
    with pytest.raises(PyAirbyteError) as caught:
        lab.write(lab.source(discover=told), streams="*")

    assert "source-mini" in str(caught.value)
    assert "Traceback" not in str(caught.value)
