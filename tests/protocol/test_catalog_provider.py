"""What a configured catalog says of its streams."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_exec.exceptions import AirbyteStreamNotFoundError, PyAirbyteInputError
from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.strategies import WriteMethod, WriteStrategy


def stream(name: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    schema = {"properties": {"id": {"type": "integer"}}}
    body: dict[str, Any] = {"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]}
    if namespace is not None:
        body["namespace"] = namespace

    return {"stream": body, "sync_mode": "full_refresh", "destination_sync_mode": "append", **more}


def provider(*streams: dict[str, Any]) -> CatalogProvider:
    return CatalogProvider(ConfiguredAirbyteCatalog.model_validate({"streams": streams}))


def test_numbers_that_a_stream_lacks_drop_nothing_that_was_written() -> None:
    given = {"generation_id": 7, "minimum_generation_id": 7, "sync_id": 3}
    found = provider(stream("new"), stream("old", **given)).configured_catalog.streams

    assert [(s.generation_id, s.minimum_generation_id, s.sync_id) for s in found] == [(1, 0, 1), (7, 7, 3)]


def test_a_stream_is_asked_for_by_its_name() -> None:
    catalog = provider(
        stream("users", primary_key=[["ID"], ["Day"]], cursor_field=["meta", "at"]),
        stream("items"),
        stream("twice", "a"),
        stream("twice", "b"),
    )

    assert catalog.stream_names == ["users", "items", "twice"]
    assert catalog.get_primary_keys("users") == ["id", "day"]
    assert catalog.get_cursor_key("users") == "meta.at"
    assert (catalog.get_primary_keys("items"), catalog.get_cursor_key("items")) == ([], None)
    assert catalog.get_stream_properties("items") == {"id": {"type": "integer"}}
    with pytest.raises(AirbyteStreamNotFoundError, match="nobody"):
        catalog.get_configured_stream_info("nobody")

    with pytest.raises(PyAirbyteInputError, match="'a', 'b'"):
        catalog.get_stream_json_schema("twice")


def test_a_key_within_an_object_has_no_name() -> None:
    with pytest.raises(PyAirbyteInputError, match="not made of fields"):
        provider(stream("users", primary_key=[["meta", "id"]])).get_primary_keys("users")


@pytest.mark.parametrize(
    ("more", "strategy", "method"),
    [
        ({"primary_key": [["id"]], "sync_mode": "incremental"}, "auto", "merge"),
        ({"sync_mode": "incremental"}, "auto", "append"),
        ({"cursor_field": ["id"]}, "auto", "replace"),
        ({}, "append", "append"),
        ({"primary_key": [["id"]]}, "replace", "replace"),
        ({"primary_key": [["id"]]}, "merge", "merge"),
    ],
)
def test_a_strategy_becomes_a_method_a_stream(more: dict[str, Any], strategy: str, method: str) -> None:
    before = provider(stream("users", **more))
    after = before.with_write_strategy(WriteStrategy(strategy))

    assert before.resolve_write_method("users", WriteStrategy(strategy)) is WriteMethod(method)
    modes = [p.get_configured_stream_info("users").destination_sync_mode.value for p in (before, after)]
    assert modes == ["append", WriteMethod(method).destination_sync_mode]


def test_streams_of_one_name_are_written_each_by_what_it_is() -> None:
    after = provider(stream("users", "a", primary_key=[["id"]]), stream("users", "b")).with_write_strategy(
        WriteStrategy.AUTO
    )

    modes = [s.destination_sync_mode.value for s in after.configured_catalog.streams]
    assert modes == ["append_dedup", "overwrite"]


def test_a_merge_needs_a_key() -> None:
    with pytest.raises(PyAirbyteInputError, match="no primary key"):
        provider(stream("users")).with_write_strategy(WriteStrategy.MERGE)


def test_the_catalog_is_that_of_the_streams_that_were_read() -> None:
    class Cache:
        def configured_stream(self, stream_name: str) -> ConfiguredAirbyteStream:
            return ConfiguredAirbyteStream.model_validate(stream(stream_name))

    class Read:
        cache = Cache()
        streams = ("users", "items")

    assert CatalogProvider.from_read_result(Read()).stream_names == ["users", "items"]
