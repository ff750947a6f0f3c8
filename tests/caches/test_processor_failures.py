"""What is left in a cache of messages that end badly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from own_messages import catalog, complete, entry, ids, record, state, trace

from airbyte_exec.caches import DuckDBCache, _journal
from airbyte_exec.caches import _messages as writing
from airbyte_exec.exceptions import (
    AirbyteConnectorReadError,
    AirbyteStreamNotFoundError,
    PyAirbyteCacheError,
    PyAirbyteStateInUseError,
)
from airbyte_exec.protocol.models import AirbyteMessage, AirbyteStateMessage
from airbyte_exec.shared.state_writers import NoOpStateWriter

BURNS = trace(error={"message": "it burns"})


class Writer(NoOpStateWriter):
    """Keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[AirbyteStateMessage] = []

    def _write_state(self, state_message: AirbyteStateMessage) -> None:
        self.given.append(state_message)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DuckDBCache]:
    with DuckDBCache(tmp_path / "cache.duckdb") as opened:
        yield opened


@pytest.fixture(params=[1, writing.COMMIT_BYTES])
def batch_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "COMMIT_BYTES", request.param)


def whole(**body: Any) -> AirbyteMessage:
    return AirbyteMessage.model_validate({"type": "STATE", "state": body})


GLOBAL = whole(type="GLOBAL", **{"global": {"shared_state": {"n": 2}, "stream_states": []}})
LEGACY = whole(data={"n": 2})


@pytest.mark.parametrize("said", [state(2), GLOBAL, LEGACY])
@pytest.mark.usefixtures("batch_size")
def test_the_states_of_a_replace_are_handed_on_when_its_rows_are_in_place(
    cache: DuckDBCache, said: AirbyteMessage
) -> None:
    writer = Writer()
    processor = cache.get_record_processor("source-own", catalog(entry("users"), entry("items")), writer)
    processor.process_airbyte_messages([record(1)])
    with pytest.raises(AirbyteConnectorReadError):
        processor.process_airbyte_messages([record(2), said, record(3), BURNS], write_strategy="replace")

    assert (ids(cache), writer.given) == ([1], [])

    processor.process_airbyte_messages([record(2), said, record(3), complete("items")], write_strategy="replace")
    assert (ids(cache), writer.given) == ([2, 3], [said.state])


@pytest.mark.parametrize("strategy", ["append", "merge"])
@pytest.mark.usefixtures("batch_size")
def test_what_was_added_until_an_error_stays(cache: DuckDBCache, strategy: str) -> None:
    processor = cache.get_record_processor("source-own", catalog(entry("users", primary_key=[["id"]])))

    def broken() -> Iterator[AirbyteMessage]:
        yield from (record(3), state(3), record(4))
        raise EOFError

    failures: dict[type[BaseException], list[AirbyteMessage] | Iterator[AirbyteMessage]] = {
        AirbyteConnectorReadError: [record(1), BURNS, record(2)],
        EOFError: broken(),
        AirbyteStreamNotFoundError: [record(5), record(1, "nobody")],
    }
    for error, messages in failures.items():
        with pytest.raises(error):
            processor.process_airbyte_messages(messages, write_strategy=strategy)

    processor.process_airbyte_messages([record(6)], write_strategy=strategy)

    assert ids(cache) == [1, 2, 3, 4, 5, 6]
    assert cache.get_state_provider("source-own").get_stream_state("users") == {"id": 3}


def test_no_state_is_handed_on_whose_rows_could_not_be_written(
    cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer()
    processor = cache.get_record_processor("source-own", catalog(entry("users")), writer)
    monkeypatch.setattr(writing, "COMMIT_BYTES", 1)
    append = _journal.append
    failures = iter([duckdb.IOException("no space left")])

    def append_later(*given: Any) -> None:
        for error in failures:
            raise error

        append(*given)

    monkeypatch.setattr(_journal, "append", append_later)
    with pytest.raises(PyAirbyteCacheError, match="no space left"):
        processor.process_airbyte_messages([state(1), record(1)])

    assert (len(cache["users"]), writer.given) == (0, [])


def test_a_call_while_another_one_runs_is_refused_and_takes_nothing_from_it(
    cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(writing, "COMMIT_BYTES", 1)
    processor = cache.get_record_processor("source-own", catalog(entry("users")))
    other = cache.get_record_processor("source-other", catalog(entry("items")))

    def messages() -> Iterator[AirbyteMessage]:
        yield from (record(1), record(2))
        with pytest.raises(PyAirbyteStateInUseError, match="source-own and this cache"):
            processor.process_airbyte_messages([record(10)])

        other.process_airbyte_messages([record(10, "items")])
        yield record(3)

    processor.process_airbyte_messages(messages())
    with pytest.raises(AirbyteConnectorReadError):
        processor.process_airbyte_messages([BURNS])

    assert (ids(cache), ids(cache, "items")) == ([1, 2, 3], [10])
    assert list(tmp_path.glob(".*.run")) == []
