from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_lines import LOG, RECORD, STATE, data, dumped, lines, names, namespaces, records
from protocol_oracle import UNLIKE_JSON, as_json_says, is_taken

from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.envelope import Malformed, Message, State
from airbyte_exec.protocol.lines import RecordLine


@given(line=records() | lines)
@settings(max_examples=500)
def test_what_json_takes_is_taken_and_nothing_else(line: bytes) -> None:
    if b'"trace"' not in line and b"[[[" not in line:
        assert is_taken(line) == as_json_says(line)


@pytest.mark.parametrize("value", UNLIKE_JSON.values(), ids=UNLIKE_JSON)
@pytest.mark.parametrize("line", [RECORD.replace(b"1}", b"%s}", 1), STATE.replace(b'"}}', b'"},"stream_state":%s}')])
def test_a_record_and_a_state_may_hold_what_json_refuses(line: bytes, value: bytes) -> None:
    assert is_taken(line % value)
    assert isinstance(classify(line % (value + b"x") + b"\n", 1), Malformed)


@given(stream=names, namespace=namespaces, value=data, ascii_only=st.booleans())
@settings(max_examples=200)
def test_a_record_is_told_its_stream(
    stream: str, namespace: str | None, value: dict[str, Any], ascii_only: bool
) -> None:
    record = {"stream": stream, "data": value, "emitted_at": 1, "namespace": namespace}
    for message in ({"type": "RECORD", "record": record}, {"record": record, "type": "RECORD"}):
        item = classify(dumped(message, ascii_only=ascii_only) + b"\n", 1)

        assert isinstance(item, RecordLine)
        assert (item.record.stream, item.record.namespace) == (stream, namespace)


@given(stream=names, namespace=namespaces, value=data, rows=st.integers(0, 10**6), ascii_only=st.booleans())
@settings(max_examples=200)
def test_a_state_keeps_its_bytes(
    stream: str, namespace: str | None, value: dict[str, Any], rows: int, ascii_only: bool
) -> None:
    box = dumped(value, ascii_only=ascii_only)
    descriptor = dumped({"name": stream, "namespace": namespace}, ascii_only=ascii_only)
    one = b'{"stream_descriptor":%s,"stream_state" : %s }' % (descriptor, box)
    counts = b'"sourceStats":{"recordCount":%d.0}' % rows
    whole = b'{"shared_state":%s,"stream_states":[%s , %s]}' % (box, one, one)
    states = {
        "STREAM": (b'{"type":"STREAM","stream":%s,%s}' % (one, counts), 1, box),
        "GLOBAL": (b'{"type":"GLOBAL","global":%s,%s}' % (whole, counts), 2, whole),
        "LEGACY": (b'{"data":%s,%s}' % (box, counts), 0, box),
    }
    for kind, (state, number, body) in states.items():
        line = b'{"type":"STATE","state":%s}\n' % state
        item = classify(line, 1)

        assert isinstance(item, State)
        assert (item.line, item.kind, item.body, item.source_count) == (line, kind, body, rows)
        assert item.streams == (((stream, namespace), box),) * number


def test_a_malformed_record_names_the_stream_of_the_record_and_not_of_its_data() -> None:
    line = b'{"type":"RECORD","record":{"data":{"stream":"other","name":"secret"},"stream":"users","emitted_at":1.5}}\n'

    item = classify(line, 7)

    assert isinstance(item, Malformed)
    assert (item.stream, item.type, item.line_no, item.line) == ("users", "RECORD", 7, line)


@given(line=lines, secret=st.text("abcdefghij", min_size=12, max_size=12))
@settings(max_examples=300)
def test_a_reason_tells_nothing_of_the_content(line: bytes, secret: str) -> None:
    for place in (b'"id":1', b"hello"):
        item = classify(line.replace(place, place[:-1] + secret.encode()) + b"\n", 1)
        if isinstance(item, Malformed):
            assert secret not in item.reason


def test_a_broken_config_of_a_control_is_not_told() -> None:
    control = b'{"type":"CONNECTOR_CONFIG","emitted_at":1,"connectorConfig":{"config":"s3cret"}}'

    item = classify(b'{"type":"CONTROL","control":' + control + b"}\n", 1)

    assert isinstance(item, Malformed)
    assert "s3cret" not in item.reason
    assert re.search("connectorConfig", item.reason)


def test_a_message_is_decoded() -> None:
    item = classify(LOG + b"\n", 1)

    assert isinstance(item, Message)
    log = item.decode().log
    assert log is not None
    assert (log.level, log.message) == ("INFO", "hello")
