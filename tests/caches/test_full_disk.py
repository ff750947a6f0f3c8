"""What the database says when it cannot write is an error of ours, and what was saved before is still there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from airbyte_exec import DuckDBCache, _crashpoints
from airbyte_exec._state.store import Changes, Pair, StreamSaved
from airbyte_exec.exceptions import PyAirbyteCacheError, PyAirbyteStateError
from airbyte_exec.types import StreamId

PAIR = Pair("source-x", "destination-x", "a", "b")
USERS = StreamId("users", None)


def changes(state: bytes) -> Changes:
    return Changes("STREAM", {USERS: StreamSaved(state=state)})


@pytest.fixture
def cache(tmp_path: Path) -> DuckDBCache:
    return DuckDBCache(db_path=tmp_path / "cache.duckdb")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(point: str) -> None:
        if point == "cache.committing":
            raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(_crashpoints, "reached", reached)


def test_a_state_that_cannot_be_written_is_an_error_of_the_store(
    cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cache.state_store()
    store.commit(PAIR, changes(b'{"id":1}'))
    with monkeypatch.context() as patch:
        fill_disk(patch)
        with pytest.raises(PyAirbyteStateError, match="No space left"):
            store.commit(PAIR, changes(b'{"id":2}'))

    saved = store.load(PAIR)
    assert saved is not None
    assert saved.streams[USERS].state == b'{"id":1}'
    store.commit(PAIR, changes(b'{"id":3}'))
    cache.close()


def test_a_journal_that_cannot_be_asked_is_an_error_of_the_cache(
    cache: DuckDBCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = cache.journal_id()
    with monkeypatch.context() as patch:
        fill_disk(patch)
        with pytest.raises(PyAirbyteCacheError, match="No space left"):
            cache.journal_id()

    assert cache.journal_id() == known
    cache.close()
