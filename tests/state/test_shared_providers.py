"""Providers and writers of state that a program makes by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from airbyte_exec.protocol.models import AirbyteMessage, AirbyteStateMessage
from airbyte_exec.shared.state_providers import JoinedStateProvider, StateProviderBase, StaticInputState
from airbyte_exec.shared.state_writers import NoOpStateWriter, StateWriterBase, StdOutStateWriter

Message = dict[str, Any]


def of_stream(name: str, state: Any, namespace: str | None = None) -> Message:
    descriptor = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}}


def of_all(shared: Any, **states: Any) -> Message:
    entries = [{"stream_descriptor": {"name": name}, "stream_state": state} for name, state in states.items()]
    return {"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": entries}}


def models(*messages: Message) -> list[AirbyteStateMessage]:
    return [AirbyteStateMessage.model_validate(message) for message in messages]


def static(*messages: Message) -> StaticInputState:
    return StaticInputState(from_state_messages=models(*messages))


def test_of_two_messages_on_one_stream_the_later_one_counts() -> None:
    provider = static(of_stream("users", {"n": 1}), of_stream("items", {"n": 5}), of_stream("users", {"n": 2}))

    assert provider.known_stream_names == {"users", "items"}
    assert provider.get_stream_state("users") == {"n": 2}
    assert len(list(provider.state_message_artifacts)) == 3
    assert len(json.loads(provider.to_state_input_file_text())) == 2


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (of_stream("users", {"n": 1}, "public"), [of_stream("users", {"n": 1}, "public")]),
        (of_all({"lsn": 1}, users={"n": 1}), [of_all({"lsn": 1}, users={"n": 1})]),
        (of_all({"lsn": 1}), [of_all({"lsn": 1})]),
        ({"data": {"users": {"n": 1}}}, {"users": {"n": 1}}),
    ],
    ids=["STREAM", "GLOBAL", "GLOBAL without streams", "LEGACY"],
)
def test_each_kind_of_state_becomes_the_document_of_a_read(message: Message, text: Any) -> None:
    assert json.loads(static(message).to_state_input_file_text()) == text


def test_no_message_is_no_state() -> None:
    assert static().to_state_input_file_text() == "[]"
    assert static().known_stream_names == set()


def test_the_second_provider_is_asked_where_the_first_has_nothing() -> None:
    first, second = static(of_stream("users", {"n": 1})), static(of_stream("users", {"n": 9}), of_stream("items", {}))
    joined = JoinedStateProvider(first, second)

    assert joined.known_stream_names == {"users", "items"}
    assert joined.get_stream_state("users") == {"n": 1}
    assert {s.stream_descriptor.name for s in joined.stream_state_artifacts} == {"users", "items"}


@pytest.mark.parametrize(("first", "second", "wanted"), [(True, True, 1), (False, True, 2), (True, False, 1)])
def test_a_state_of_all_streams_is_taken_whole(first: bool, second: bool, wanted: int) -> None:
    joined = JoinedStateProvider(
        static(*([of_all({"n": 1}, users={"n": 1})] if first else [])),
        static(*([of_all({"n": 2}, items={})] if second else [])),
    )

    (message,) = json.loads(joined.to_state_input_file_text())
    assert message["global"]["shared_state"] == {"n": wanted}


def test_a_provider_of_ones_own_says_its_messages_alone() -> None:
    class Own(StateProviderBase):
        @property
        def _state_message_artifacts(self) -> Iterable[AirbyteStateMessage]:
            return models(of_stream("users", {"n": 3}))

    assert Own().get_stream_state("users") == {"n": 3}


def test_a_writer_provides_what_was_written() -> None:
    writer = NoOpStateWriter()
    for message in models(of_stream("users", {"n": 1}), of_stream("users", {"n": 2}), of_stream("items", {"n": 7})):
        writer.write_state(message)

    assert writer.get_stream_state("users") == {"n": 2}
    assert writer.known_stream_names == {"users", "items"}
    assert isinstance(writer, StateProviderBase)


def test_stdout_gets_lines_of_the_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    writer = StdOutStateWriter()
    messages = models(of_stream("users", {"n": "\u2028"}), of_all(None, users={"n": 1}))
    for message in messages:
        writer.write_state(message)

    lines = capsys.readouterr().out.splitlines()
    assert [AirbyteMessage.from_bytes(line.encode()).state for line in lines] == messages
    assert [json.loads(line)["type"] for line in lines] == ["STATE", "STATE"]


def test_what_could_not_be_written_is_not_provided() -> None:
    class Full(StateWriterBase):
        def _write_state(self, state_message: AirbyteStateMessage) -> None:
            raise OSError("disk full")

    writer = Full()
    with pytest.raises(OSError, match="disk full"):
        writer.write_state(*models(of_stream("users", {"n": 1})))

    assert writer.known_stream_names == set()
