"""The stores in files."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exec._state.files import StateFile, StateFolder
from airbyte_exec._state.store import MOST_ALIASES, Changes, Pair, StateStore, StreamSaved, config_digest
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId

A, B = StreamId("a"), StreamId("a", "n")
PAIR = Pair("source-x", "destination-y", "s1", "d1")
Open = Callable[[Path], StateStore]


@pytest.fixture(params=[lambda path: StateFile(path / "new" / "state.json"), lambda path: StateFolder(path / "new")])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    opened: StateStore = request.param(tmp_path)
    return opened


def test_nothing_is_known_and_nothing_made_before_the_first_commit(store: StateStore, tmp_path: Path) -> None:
    assert store.load(PAIR) is None
    assert store.pairs() == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_committed_is_read_back_to_the_byte(store: StateStore) -> None:
    saved = StreamSaved(rb'{"n":1.10,"t":"\ud800 \u00e9 ' + "é😀".encode() + b'"}', 5, 5, 9, True, True, "j", 7)
    store.commit(PAIR, Changes("STREAM", {A: saved, B: StreamSaved(b"{}")}))

    found = store.load(PAIR)

    assert found is not None
    assert found.kind == "STREAM"
    assert found.streams == {A: saved, B: StreamSaved(b"{}")}
    assert found.last_updated > 0


def test_a_commit_changes_only_what_it_names(store: StateStore) -> None:
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}))
    store.commit(PAIR, Changes(None, {B: StreamSaved(b"2")}, aliases=frozenset({"x"})))

    found = store.load(PAIR)

    assert found is not None
    assert (found.kind, found.aliases) == ("STREAM", ("x",))
    assert {stream: known.state for stream, known in found.streams.items()} == {A: b"1", B: b"2"}


def test_pairs_do_not_mix(store: StateStore) -> None:
    others = [
        Pair("source-x", "destination-y", "s1", "d2"),
        Pair("source-x", "destination-y", "s2", "d1"),
        Pair("source-x", "destination-z", "s1", "d1"),
        Pair("source-x", None, "s1"),
    ]
    for number, pair in enumerate([PAIR, *others]):
        store.commit(pair, Changes("STREAM", {A: StreamSaved(str(number).encode())}))

    found = [saved.streams[A].state for pair in [PAIR, *others] if (saved := store.load(pair)) is not None]
    assert found == [b"0", b"1", b"2", b"3", b"4"]
    assert set(store.pairs()) == {PAIR, *others}


def test_a_pair_is_found_under_the_alias_of_a_config(store: StateStore) -> None:
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}, aliases=frozenset({"s2"})))

    rotated = Pair("source-x", "destination-y", "s2", "d1")
    assert store.load(rotated) == store.load(PAIR)
    store.commit(rotated, Changes("STREAM", {A: StreamSaved(b"2")}))
    found = store.load(PAIR)
    assert found is not None
    assert found.streams[A].state == b"2"
    assert store.pairs() == [PAIR]
    assert store.load(Pair("source-x", "destination-y", "s3", "d1")) is None


def test_streams_or_a_whole_pair_can_be_forgotten(store: StateStore) -> None:
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1"), B: StreamSaved(b"2")}))

    store.forget(PAIR, [A])
    found = store.load(PAIR)
    assert found is not None
    assert found.streams.keys() == {B}
    store.forget(PAIR)
    assert store.load(PAIR) is None
    store.forget(PAIR)


def test_everything_is_the_users_alone(store: StateStore, tmp_path: Path) -> None:
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}))

    assert store.salt
    assert [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077] == []
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".new")]


def test_the_salt_is_made_once_and_stays(store: StateStore, tmp_path: Path) -> None:
    salt = store.salt

    assert len(salt) == 16
    again = (
        StateFile(tmp_path / "new" / "state.json") if isinstance(store, StateFile) else StateFolder(tmp_path / "new")
    )
    assert again.salt == salt
    store.commit(PAIR, Changes())
    assert again.salt == salt


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '{"format": 2, "salt": "00", "pairs": []}', '{"format": 1, "pairs": []}',
        '{"format": 1, "salt": "xyz", "pairs": []}', '{"format": 1, "salt": "00", "pairs": [{}]}',
        '{"format": 1, "salt": "00", "pairs": {}}', "\ud800",
    ],
)  # fmt: skip
def test_a_file_that_is_no_state_file_is_said_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content.encode(errors="surrogatepass"))

    for use in (lambda s: s.load(PAIR), lambda s: s.commit(PAIR, Changes()), lambda s: s.salt, lambda s: s.pairs()):
        with pytest.raises(PyAirbyteStateError, match=r"state\.json"):
            use(StateFile(path))

    assert path.read_bytes() == content.encode(errors="surrogatepass")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(PyAirbyteStateError):
        StateFile(tmp_path / "file" / "state.json").commit(PAIR, Changes())


def commit_often(path: str, number: int) -> None:
    store = StateFile(Path(path))
    for count in range(15):
        store.commit(PAIR, Changes("STREAM", {StreamId(f"s{number}"): StreamSaved(str(count).encode())}))


def test_processes_that_commit_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(commit_often, [str(path)] * 2, range(2)))

    saved = StateFile(path).load(PAIR)
    assert saved is not None
    assert {stream.name: known.state for stream, known in saved.streams.items()} == {"s0": b"14", "s1": b"14"}


def test_a_commit_that_is_cut_short_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateFile(tmp_path / "state.json")
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}))

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(PyAirbyteStateError, match="No space left"):
            store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"2")}))

    found = store.load(PAIR)
    assert found is not None
    assert found.streams[A].state == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) in (["state.json"], [".state.json.lock", "state.json"])

    store.commit(PAIR, Changes("STREAM", {B: StreamSaved(b"3")}))
    found = store.load(PAIR)
    assert found is not None
    assert {stream: known.state for stream, known in found.streams.items()} == {A: b"1", B: b"3"}


def test_what_another_store_commits_between_two_commits_is_kept(tmp_path: Path) -> None:
    ours, theirs = StateFile(tmp_path / "state.json"), StateFile(tmp_path / "state.json")
    ours.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}))
    ours.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"2")}))
    theirs.commit(PAIR, Changes("STREAM", {B: StreamSaved(b"3")}))
    ours.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"4")}))

    found = theirs.load(PAIR)
    assert found is not None
    assert {stream: known.state for stream, known in found.streams.items()} == {A: b"4", B: b"3"}


def test_a_name_with_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    odd = StreamId("half \ud83d")
    store = StateFile(tmp_path / "state.json")
    store.commit(PAIR, Changes("STREAM", {odd: StreamSaved(b"1")}))

    found = StateFile(tmp_path / "state.json").load(PAIR)
    assert found is not None
    assert list(found.streams) == [odd]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(source=names, destination=names)
@settings(max_examples=30)
def test_names_of_any_kind_have_a_file_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, source: str, destination: str
) -> None:
    store = StateFolder(tmp_path_factory.mktemp("names"))
    pair = Pair(source, destination, "s")
    store.commit(pair, Changes("STREAM", {A: StreamSaved(b"1")}))

    assert store.pairs() == [pair]
    assert store.load(pair) is not None


def test_equal_configs_have_one_digest_and_it_depends_on_the_salt() -> None:
    assert config_digest(b"1", {"a": 1, "b": 2}) == config_digest(b"1", {"b": 2, "a": 1})
    assert config_digest(b"1", {"a": 1}) != config_digest(b"2", {"a": 1})
    assert config_digest(b"1", {"a": 1}) != config_digest(b"1", {"a": "1"})


def test_what_a_killed_commit_left_is_gone_after_the_next(tmp_path: Path) -> None:
    store = StateFile(tmp_path / "state.json")
    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"1")}))
    left = tmp_path / ".state.json.new"
    left.write_text("half of a comm", encoding="utf-8")

    store.commit(PAIR, Changes("STREAM", {A: StreamSaved(b"2")}))

    assert not left.exists()
    assert store.load(PAIR) is not None


def test_of_the_configs_that_a_connector_makes_the_newest_are_kept(store: StateStore) -> None:
    for number in range(MOST_ALIASES + 20):
        store.commit(PAIR, Changes(aliases=frozenset({f"s{number}", "again"})))

    found = store.load(PAIR)

    assert found is not None
    assert len(found.aliases) == MOST_ALIASES
    assert found.aliases[-2:] == ("again", f"s{MOST_ALIASES + 19}")
    assert store.load(Pair("source-x", "destination-y", f"s{MOST_ALIASES + 19}", "d1")) is not None
    assert store.load(Pair("source-x", "destination-y", "s2", "d1")) is None
