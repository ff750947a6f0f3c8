from __future__ import annotations

import json

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec._state.provider import SavedStateProvider
from airbyte_exec._state.store import Saved, StreamSaved
from airbyte_exec.types import StreamId

STREAMS = Saved("STREAM", {StreamId("users"): StreamSaved(b'{"n":1}'), StreamId("new"): StreamSaved()})
GLOBAL = Saved(
    "GLOBAL",
    {StreamId("users"): StreamSaved()},
    b'{"shared_state":{"l":1},"stream_states":[{"stream_descriptor":{"name":"users"},"stream_state":{"n":1}}]}',
)
LEGACY = Saved("LEGACY", {StreamId("users"): StreamSaved()}, b'{"users":{"n":1}}')


def test_states_are_known_by_the_name_of_their_stream() -> None:
    provider = SavedStateProvider(STREAMS)

    assert provider.known_stream_names == {"users"}
    assert provider.get_stream_state("users") == {"n": 1}
    assert [found.stream_descriptor.name for found in provider.stream_state_artifacts] == ["users"]
    assert provider.saved is STREAMS


def test_a_state_that_is_not_there_is_an_error_or_what_the_caller_says() -> None:
    provider = SavedStateProvider(STREAMS)

    with pytest.raises(exc.AirbyteStateNotFoundError, match="new") as caught:
        provider.get_stream_state("new")

    assert caught.value.available_streams == ["users"]
    assert isinstance(caught.value, KeyError)
    assert provider.get_stream_state("new", not_found=None) is None


def test_a_global_state_has_the_names_of_its_streams() -> None:
    provider = SavedStateProvider(GLOBAL)

    assert provider.known_stream_names == {"users"}
    (message,) = provider.state_message_artifacts
    assert message.type is not None
    assert message.type.value == "GLOBAL"
    assert provider.stream_state_artifacts == []
    assert provider.get_stream_state("users") == {"n": 1}


def test_a_legacy_state_is_a_message_of_data() -> None:
    (message,) = SavedStateProvider(LEGACY).state_message_artifacts

    assert message.data == {"users": {"n": 1}}
    assert json.loads(SavedStateProvider(LEGACY).to_state_input_file_text()) == {"users": {"n": 1}}


@pytest.mark.parametrize("saved", [None, Saved()])
def test_nothing_is_an_empty_list(saved: Saved | None) -> None:
    provider = SavedStateProvider(saved)

    assert provider.to_state_input_file_text() == "[]"
    assert provider.known_stream_names == set()
    assert list(provider.state_message_artifacts) == []


def test_the_text_is_the_document_of_the_next_read() -> None:
    (message,) = json.loads(SavedStateProvider(STREAMS).to_state_input_file_text())

    assert message == {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"n": 1}}}
