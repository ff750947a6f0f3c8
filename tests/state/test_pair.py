from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from airbyte_exec._state.files import StateFile
from airbyte_exec._state.pair import PairState, open_pair
from airbyte_exec._state.store import Changes, StreamSaved
from airbyte_exec.types import StreamId

A = StreamId("a")
STATE = Changes("STREAM", {A: StreamSaved(b"1")})


def opened(path: Path | None, **how: Any) -> PairState:
    """Open the pair of source-x and destination-y in a file, or nowhere."""
    given: dict[str, Any] = {
        "source_name": "source-x",
        "source_config": {"a": 1},
        "destination_name": "destination-y",
        "destination_config": {"b": 1},
        "state_key": None,
        **how,
    }

    async def run() -> PairState:
        return await open_pair(None if path is None else StateFile(path), **given)

    return anyio.run(run)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    anyio.run(opened(tmp_path / "state.json").commit, STATE)
    return tmp_path / "state.json"


def test_equal_configs_find_their_state(path: Path) -> None:
    state = opened(path)

    saved = anyio.run(state.load)

    assert saved is not None
    assert saved.streams[A].state == b"1"
    assert state.warnings == []


@pytest.mark.parametrize("change", [{"source_config": {"a": 2}}, {"destination_config": {}}, {"state_key": "mine"}])
def test_another_config_finds_nothing_and_says_so(path: Path, change: dict[str, Any]) -> None:
    state = opened(path, **change)

    assert anyio.run(state.load) is None
    assert len(state.warnings) == 1


@pytest.mark.parametrize("change", [{"source_name": "source-z"}, {"destination_name": None}])
def test_other_names_find_nothing_and_nothing_is_to_be_said(path: Path, change: dict[str, Any]) -> None:
    state = opened(path, **change)

    assert anyio.run(state.load) is None
    assert state.warnings == []


def test_a_key_of_the_caller_takes_the_place_of_both_configs(path: Path) -> None:
    anyio.run(opened(path, state_key="mine").commit, STATE)

    assert anyio.run(opened(path, state_key="mine", source_config={}, destination_config={}).load) is not None


def test_a_config_that_a_connector_makes_finds_the_state(path: Path) -> None:
    anyio.run(opened(path).add_alias, {"a": 2})

    assert anyio.run(opened(path, source_config={"a": 2}).load) is not None
    assert anyio.run(opened(path, source_config={"a": 3}).load) is None


def test_where_state_is_off_nothing_is_known_and_nothing_kept() -> None:
    state = opened(None)
    anyio.run(state.commit, STATE)
    anyio.run(state.add_alias, {"a": 2})

    assert anyio.run(state.load) is None


def test_a_state_without_commits_reads_and_does_not_write(path: Path) -> None:
    state = opened(path).without_commits()
    anyio.run(state.commit, Changes("STREAM", {A: StreamSaved(b"2")}))

    saved = anyio.run(state.load)
    assert saved is not None
    assert saved.streams[A].state == b"1"


def test_nothing_of_a_config_is_in_the_file(path: Path) -> None:
    anyio.run(opened(path, source_config={"key": "very-secret"}).commit, STATE)

    assert "very-secret" not in path.read_text(encoding="utf-8")
