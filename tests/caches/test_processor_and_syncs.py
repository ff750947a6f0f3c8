"""Messages of a program's own, and syncs of the source whose name they go by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mini import after_record, destination_config, step, stream
from own_messages import ids, record, state
from syncs import Lab, lab

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.exceptions import AirbyteConnectorReadError, PyAirbyteInputError, PyAirbyteStateInUseError
from airbyte_exec.protocol.models import AirbyteMessage
from airbyte_exec.shared.catalog_providers import CatalogProvider
from airbyte_exec.shared.state_writers import NoOpStateWriter, StateWriterBase

__all__ = ["lab"]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DuckDBCache]:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


@pytest.mark.parametrize("state_writer", [None, NoOpStateWriter()])
def test_a_read_that_replaces_a_stream_is_ended_before_a_program_adds_to_it(
    lab: Lab, cache: DuckDBCache, state_writer: StateWriterBase | None
) -> None:
    switch = lab.folder / "script.json"
    source = lab.source(script_file=str(switch))
    source.select_all_streams()
    source.read(cache)
    rows = ids(cache)
    switch.write_text(json.dumps([step("exit", after_record(55), code=1)]), encoding="utf-8")
    with pytest.raises(AirbyteConnectorReadError):
        source.read(cache, force_full_refresh=True)

    switch.unlink()
    processor = cache.get_record_processor("source-mini", CatalogProvider(source.configured_catalog), state_writer)
    for strategy in ("append", "replace"):
        with pytest.raises(PyAirbyteInputError, match="stream users was interrupted"):
            processor.process_airbyte_messages([record(1000)], write_strategy=strategy)

    source.read(cache)
    assert ids(cache) == rows

    processor.process_airbyte_messages([record(1000)], write_strategy="append")
    assert ids(cache) == [*rows, 1000]


@pytest.mark.parametrize("state_writer", [None, NoOpStateWriter()])
def test_a_destination_is_sent_what_a_program_added_and_no_more(
    lab: Lab, cache: DuckDBCache, state_writer: StateWriterBase | None
) -> None:
    source = lab.source(streams=[stream(records=20)])
    source.select_all_streams()
    result = source.read(cache)

    def sent() -> int:
        return lab.destination(**destination_config()).write(result, write_strategy="append").processed_records

    assert sent() == 20
    processor = cache.get_record_processor("source-mini", CatalogProvider(source.configured_catalog), state_writer)
    for number in (21, 22):
        processor.process_airbyte_messages([record(number), state(number)], write_strategy="append")
        assert sent() == 1

    assert sent() == 0
    processor.process_airbyte_messages([record(1), state(1)], write_strategy="replace")
    assert sent() == 1


def test_a_read_is_refused_while_a_program_adds_to_the_rows_of_its_source(lab: Lab, cache: DuckDBCache) -> None:
    source = lab.source(streams=[stream(records=20)])
    source.select_all_streams()
    source.read(cache)
    processor = cache.get_record_processor("source-mini", CatalogProvider(source.configured_catalog))

    def messages() -> Iterator[AirbyteMessage]:
        yield record(21)
        with pytest.raises(PyAirbyteStateInUseError):
            source.read(cache)

    processor.process_airbyte_messages(messages(), write_strategy="append")

    assert source.read(cache).processed_records == 0
    assert ids(cache) == list(range(1, 22))
