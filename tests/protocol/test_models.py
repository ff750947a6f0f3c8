"""What a program that reads and writes messages through the models can rely on."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airbyte_exec.protocol import models
from airbyte_exec.protocol.models import (
    AirbyteCatalog,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStateStats,
    AirbyteStreamState,
    AirbyteTraceMessage,
    ConfiguredAirbyteStream,
    Level,
    StreamDescriptor,
    Type,
    Wire,
)

GLOBAL_STATE = {
    "type": "GLOBAL",
    "global": {
        "shared_state": {"lsn": None},
        "stream_states": [{"stream_descriptor": {"name": "users"}, "stream_state": {"x": None}}],
    },
}


def test_global_is_called_global_on_the_wire_in_both_directions() -> None:
    state = AirbyteStateMessage.from_dict(GLOBAL_STATE)
    assert state.global_ is not None
    assert state.global_.shared_state == {"lsn": None}
    for written in (state.to_dict(), json.loads(state.to_bytes()), state.model_dump(mode="json")):
        assert written == GLOBAL_STATE

    assert json.loads(state.model_dump_json()) == GLOBAL_STATE


def test_global_is_given_by_its_python_name_in_python() -> None:
    inner = models.AirbyteGlobalState(stream_states=[])
    state = AirbyteStateMessage(type=models.AirbyteStateType.GLOBAL, global_=inner)
    assert state.to_dict() == {"type": "GLOBAL", "global": {"stream_states": []}}


def test_a_stray_global_underscore_on_the_wire_is_an_unknown_field() -> None:
    stray = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}, "global_": {"stream_states": []}}
    state = AirbyteStateMessage.from_dict(stray)
    assert state.global_ is None
    assert state.to_dict() == stray

    with pytest.raises(ValidationError, match="GLOBAL without 'global'"):
        AirbyteStateMessage.from_dict({"type": "GLOBAL", "global_": {"stream_states": []}})


def test_absent_stays_absent_and_null_stays_null() -> None:
    for state in ({"stream_descriptor": {"name": "a"}}, {"stream_descriptor": {"name": "a"}, "stream_state": None}):
        assert AirbyteStreamState.from_dict(state).to_dict() == state
        assert AirbyteStreamState.from_dict(state).model_dump(mode="json") == state


def test_an_empty_namespace_differs_from_none() -> None:
    assert StreamDescriptor(name="a", namespace="") != StreamDescriptor(name="a")
    assert StreamDescriptor(name="a", namespace="").to_dict() == {"name": "a", "namespace": ""}


def test_nulls_inside_of_data_survive_also_a_dump_without_nulls() -> None:
    record = AirbyteRecordMessage(stream="a", data={"x": None}, emitted_at=1)
    assert record.model_dump(exclude_none=True)["data"] == {"x": None}


def test_unknown_fields_are_kept_at_every_level() -> None:
    line = {
        "type": "STATE",
        "new": [1],
        "state": {
            "type": "STREAM",
            "id": 7,
            "stream": {"stream_descriptor": {"name": "a", "generation": 3}, "partition_id": "p"},
            "destinationStats": {"recordCount": 1.0, "committedBytesCount": 5},
        },
    }
    assert AirbyteMessage.from_dict(line).to_dict() == line


def test_a_count_is_written_with_a_decimal_point() -> None:
    assert AirbyteStateStats(recordCount=5).to_bytes() == b'{"recordCount":5.0}'
    assert AirbyteStateStats(recordCount=2**60 + 1).to_bytes() == b'{"recordCount":%d}' % (2**60 + 1)


def test_data_survives_with_its_integers_and_its_infinities() -> None:
    line = b'{"stream":"a","data":{"i":12345678901234567890123,"n":NaN,"f":-Infinity},"emitted_at":1}'
    assert AirbyteRecordMessage.from_bytes(line).to_bytes() == line


@pytest.mark.parametrize("emitted_at", ["1.5", "true", '"1"', "null", "NaN", "Infinity"])
def test_a_record_needs_a_whole_number_for_its_time(emitted_at: str) -> None:
    with pytest.raises(ValidationError, match="emitted_at"):
        AirbyteRecordMessage.from_bytes(b'{"stream":"a","data":{},"emitted_at":%s}' % emitted_at.encode())


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    record = AirbyteRecordMessage.from_bytes(b'{"stream":"a","data":{},"emitted_at":1700000000000.0}')
    assert record.emitted_at == 1_700_000_000_000


def test_a_lone_surrogate_can_be_read_and_written() -> None:
    line = rb'{"level":"INFO","message":"\ud800"}'
    assert AirbyteLogMessage.from_bytes(line).message == "\ud800"
    assert AirbyteLogMessage.from_bytes(line).to_bytes() == line


def test_a_config_that_is_nested_beyond_the_fast_decoder_can_be_read() -> None:
    deep = b"[" * 500 + b"]" * 500
    line = b'{"type":"CONNECTOR_CONFIG","emitted_at":1,"connectorConfig":{"config":{"a":%s}}}' % deep
    control = models.AirbyteControlMessage.from_bytes(line)
    assert control.connectorConfig is not None
    assert json.dumps(control.connectorConfig.config["a"]).encode() == deep


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"level":"INFO","message":"\xff"}',
        b'{"level":"INFO","message":"a"} x',
        b'{"level":"INFO","message":"a","x":%s}' % (b"[" * 200_000 + b"]" * 200_000),
        b'{"level":"INFO","message":"a","x":%s}' % (b"1" * 5000),
        b'{"level":"INFO","message":"a"}'.decode().encode("utf-16"),
    ],
    ids=["empty", "half", "array", "null", "utf8", "glued", "depth", "digits", "utf16"],
)
def test_what_cannot_be_read_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        AirbyteLogMessage.from_bytes(line)


@given(st.binary(max_size=40))
def test_bytes_are_a_message_or_a_value_error(line: bytes) -> None:
    try:
        assert isinstance(AirbyteMessage.from_bytes(line), AirbyteMessage)
    except ValueError:
        assert not line.startswith(b'{"type":"LOG","log":')


@pytest.mark.parametrize("kind", Type)
def test_a_message_without_the_field_that_its_type_names_is_refused(kind: Type) -> None:
    with pytest.raises(ValidationError, match=f"{kind.value} without"):
        AirbyteMessage(type=kind)


def test_a_trace_error_needs_no_error_but_other_traces_need_what_they_tell() -> None:
    assert AirbyteTraceMessage.from_dict({"type": "ERROR", "emitted_at": 1.5}).error is None
    with pytest.raises(ValidationError, match="STREAM_STATUS without 'stream_status'"):
        AirbyteTraceMessage.from_dict({"type": "STREAM_STATUS", "emitted_at": 1})


def test_an_error_about_a_message_does_not_repeat_its_content() -> None:
    line = {"type": "CONNECTOR_CONFIG", "emitted_at": "hunter2", "connectorConfig": {"config": "hunter2"}}
    with pytest.raises(ValidationError) as caught:
        models.AirbyteControlMessage.from_dict(line)

    assert "hunter2" not in str(caught.value)
    assert "connectorConfig.config" in str(caught.value)


def test_the_repr_of_a_message_does_not_show_a_config() -> None:
    control = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": {"password": "hunter2"}}}
    message = AirbyteMessage.from_dict({"type": "CONTROL", "control": control})
    assert message.control is not None
    assert "hunter2" not in repr(message)
    assert "hunter2" in message.to_bytes().decode()


def test_models_are_frozen_and_a_changed_copy_is_written_with_its_change() -> None:
    stream = {"name": "a", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    said = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    configured = ConfiguredAirbyteStream.from_dict(said)
    with pytest.raises(ValidationError, match="frozen"):
        configured.generation_id = 1

    assert configured.model_copy(update={"generation_id": 1}).to_dict() == {**said, "generation_id": 1}


def test_enums_take_and_give_the_words_of_the_wire() -> None:
    log = AirbyteLogMessage(level=Level.WARN, message="a")
    assert log == AirbyteLogMessage.from_dict({"level": "WARN", "message": "a"})
    assert type(log.to_dict()["level"]) is str
    assert str(log.level) == "WARN"


def test_a_model_can_be_pickled() -> None:
    catalog = AirbyteCatalog.from_dict(
        {"streams": [{"name": "a", "json_schema": {"x": None}, "supported_sync_modes": ["incremental"], "y": 1}]}
    )
    assert pickle.loads(pickle.dumps(catalog)).to_dict() == catalog.to_dict()


def test_every_model_says_what_it_is() -> None:
    assert all(model.__doc__ and model.__doc__ != Wire.__doc__ for model in Wire.__subclasses__())


def test_the_package_of_the_protocol_does_not_import_pydantic() -> None:
    code = "import sys, airbyte_exec.protocol.resources as r; r.schema('state'); sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
