"""The text of the `--state` file."""

from __future__ import annotations

import json

import pytest

from airbyte_exec._state.document import (
    input_document,
    is_refreshing,
    may_continue,
    streams_of,
    without_saved,
    without_streams,
)
from airbyte_exec._state.store import Saved, StreamSaved
from airbyte_exec.types import StreamId

A, B, C = StreamId("a"), StreamId("b", "n"), StreamId("c", "")

GLOBAL = (
    b'{"shared_state":{"lsn":1e2},"stream_states":[{"stream_descriptor":{"name":"a"},"stream_state":{"n":1.10}},'
    b'{"stream_descriptor":{"name":"b","namespace":"n"},"stream_state":null}],"more":12345678901234567890}'
)


def known(*streams: StreamId, kind: str = "STREAM", document: bytes | None = None) -> Saved:
    return Saved(kind, {stream: StreamSaved(b'{"n":1.10}') for stream in streams}, document)  # type: ignore[arg-type]


@pytest.mark.parametrize("saved", [None, Saved(), known(A), known(kind="GLOBAL"), known(A, kind="GLOBAL")])
def test_nothing_is_sent_where_there_is_nothing(saved: Saved | None) -> None:
    assert input_document(saved, []) is None
    assert input_document(saved, [B]) is None


def test_states_of_streams_are_messages_in_a_list_and_keep_their_bytes() -> None:
    document = input_document(known(A, B, C), [A, B, C])

    assert document is not None
    assert json.loads(document) == [
        {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": {"n": 1.1}}}
        for descriptor in ({"name": "a"}, {"name": "b", "namespace": "n"}, {"name": "c", "namespace": ""})
    ]
    assert document.count(b'{"n":1.10}') == 3


def test_only_the_streams_that_are_read_on_are_sent() -> None:
    document = input_document(known(A, B), [B])

    assert document is not None
    assert [message["stream"]["stream_descriptor"]["name"] for message in json.loads(document)] == ["b"]


def test_a_global_state_is_sent_as_it_came() -> None:
    assert (
        input_document(known(kind="GLOBAL", document=GLOBAL), [A, B]) == b'[{"type":"GLOBAL","global":' + GLOBAL + b"}]"
    )


def test_a_global_state_is_sent_without_the_streams_that_start_anew() -> None:
    document = input_document(known(kind="GLOBAL", document=GLOBAL), [A], [B])

    assert document is not None
    (message,) = json.loads(document)
    assert [entry["stream_descriptor"]["name"] for entry in message["global"]["stream_states"]] == ["a"]
    assert b'"lsn":1e2' in document
    assert b'{"n":1.10}' in document
    assert b"12345678901234567890" in document


def test_a_global_state_is_sent_with_the_streams_that_are_not_read_now() -> None:
    whole = b'[{"type":"GLOBAL","global":' + GLOBAL + b"}]"
    assert input_document(known(kind="GLOBAL", document=GLOBAL), [A]) == whole
    assert input_document(known(kind="GLOBAL", document=GLOBAL), [], [C]) == whole


def test_a_global_state_without_a_stream_is_not_sent() -> None:
    assert input_document(known(kind="GLOBAL", document=GLOBAL), [C], [A, B]) is None


def test_a_global_state_that_cannot_be_taken_apart_is_sent_whole_or_not_at_all() -> None:
    odd = GLOBAL.replace(b"1e2", b"NaN")
    saved = known(kind="GLOBAL", document=odd)

    assert input_document(saved, [A, B]) == b'[{"type":"GLOBAL","global":' + odd + b"}]"
    assert input_document(saved, [A], [B]) is None


def test_a_legacy_state_is_the_bare_object() -> None:
    assert input_document(known(kind="LEGACY", document=b'{"a":1e2}'), [A]) == b'{"a":1e2}'
    assert input_document(known(kind="LEGACY"), [A]) is None


def test_a_global_state_is_kept_without_the_streams_that_are_refreshed() -> None:
    kept = without_streams(known(kind="GLOBAL", document=GLOBAL), [A])

    assert kept is not None
    assert [entry["stream_descriptor"]["name"] for entry in json.loads(kept)["stream_states"]] == ["b"]


@pytest.mark.parametrize("document", [GLOBAL, GLOBAL.replace(b"1e2", b"NaN")])
def test_a_global_state_whose_streams_are_all_refreshed_is_dropped(document: bytes) -> None:
    assert without_streams(known(kind="GLOBAL", document=document), [A, B]) == b""


def test_a_legacy_state_is_dropped_when_all_of_its_streams_are_refreshed() -> None:
    saved = known(A, B, kind="LEGACY", document=b"{}")

    assert without_streams(saved, [A, B]) == b""
    assert without_streams(saved, [A]) is None


@pytest.mark.parametrize("saved", [None, known(A), known(kind="GLOBAL")])
def test_without_a_document_there_is_nothing_to_drop(saved: Saved | None) -> None:
    assert without_streams(saved, [A]) is None


def test_what_is_forgotten_is_cut_from_a_global_state() -> None:
    saved = without_saved(known(A, B, kind="GLOBAL", document=GLOBAL), [A])

    assert saved.streams.keys() == {B}
    assert streams_of(saved.document) == {B}
    assert without_saved(saved, [B]).document is None


@pytest.mark.parametrize("document", [None, b"{}", b"nonsense", b'{"stream_states":[' + b"[" * 5000])
def test_a_state_that_cannot_be_taken_apart_speaks_of_no_streams(document: bytes | None) -> None:
    assert streams_of(document) == frozenset()


def test_a_document_stays_where_nothing_is_refreshed() -> None:
    assert without_streams(known(kind="GLOBAL", document=GLOBAL), []) is None


@pytest.mark.parametrize(
    ("saved", "may"),
    [
        (StreamSaved(b"1"), True),
        (StreamSaved(b"1", complete=True), True),
        (StreamSaved(b"1", full_refresh=True, complete=True), False),
        (StreamSaved(b"1", full_refresh=True, generation_id=5), True),
        (StreamSaved(b"1", full_refresh=True, generation_id=5, minimum_generation_id=5), False),
        (StreamSaved(b"1", generation_id=5, minimum_generation_id=5), True),
    ],
)
def test_what_may_be_continued(saved: StreamSaved, may: bool) -> None:
    assert may_continue(saved) == may


def test_a_refresh_lasts_until_it_is_complete() -> None:
    assert is_refreshing(StreamSaved(generation_id=5, minimum_generation_id=5))
    assert not is_refreshing(StreamSaved(generation_id=5, minimum_generation_id=5, complete=True))
    assert not is_refreshing(StreamSaved(generation_id=5))
    assert not is_refreshing(StreamSaved())
