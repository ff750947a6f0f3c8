"""What is left in a cache of messages that end badly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_messages import catalog, complete, entry, ids, record, state, trace

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.caches import _messages as writing
from airbyte_exec.exceptions import AirbyteConnectorReadError
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
