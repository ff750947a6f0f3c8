from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_lines import RECORD, dumped, names, namespaces, outputs, records

from airbyte_exec.protocol.codec import LineDecoder
from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.protocol.rename import rename_record, rename_records, rename_state
from airbyte_exec.protocol.tolerant import NotJsonError
from airbyte_exec.types import StreamId

streams = st.builds(StreamId, names | st.sampled_from(["\ud800", '","x":"']), namespaces)


def runs_of(lines: list[bytes]) -> list[Records]:
    decoder = LineDecoder()
    return [item for item in decoder.feed(b"".join(lines)) + decoder.end() if isinstance(item, Records)]


def without_names(line: bytes) -> list[object]:
    """Return the message in pieces that tell any change but of the names: numbers stay text."""
    message = json.loads(
        line, parse_int=lambda text: ("int", text), parse_float=lambda t: ("float", t), parse_constant=str
    )
    for key in ("stream", "namespace"):
        message["record"].pop(key, None)

    return [message, list(message), list(message["record"])]


@given(line=records(), to=streams)
@settings(max_examples=300)
def test_a_record_gets_another_name_and_keeps_the_rest(line: bytes, to: StreamId) -> None:
    renamed = rename_record(line, to)

    record = json.loads(renamed)["record"]
    assert (record["stream"], record.get("namespace")) == to
    assert without_names(renamed) == without_names(line)
    assert rename_record(renamed, to) == renamed


@given(lines=outputs(), mapping=st.dictionaries(streams, streams, max_size=4))
@settings(max_examples=200)
def test_a_run_is_renamed_as_its_lines_are(lines: list[bytes], mapping: dict[StreamId, StreamId]) -> None:
    for run in runs_of(lines):
        order = run.order or tuple(run.counts) * len(run)
        expected = [
            line if mapping.get(stream, stream) == stream else rename_record(line, mapping[stream])
            for stream, line in zip(order, run.lines(), strict=True)
        ]

        renamed = rename_records(run, mapping)

        assert [json.loads(line) for line in renamed.lines() if b"NaN" not in line and b"[[[" not in line] == [
            json.loads(line) for line in expected if b"NaN" not in line and b"[[[" not in line
        ]
        new_order = renamed.order or tuple(renamed.counts) * len(renamed)
        assert new_order == tuple(mapping.get(stream, stream) for stream in order)
        assert renamed.counts == {stream: new_order.count(stream) for stream in dict.fromkeys(new_order)}
        assert (renamed.order is None) == (len(renamed.counts) == 1)
        assert runs_of([renamed.data]) == [renamed]


EDGES = {
    "big numbers": (
        b'{"type":"RECORD","record":{"stream":"users","data":{"a":1.10,"b":12345678901234567890123,"c":NaN},"emitted_at":1}}',
        b'{"type":"RECORD","record":{"stream":"n","namespace":"s","data":{"a":1.10,"b":12345678901234567890123,"c":NaN},"emitted_at":1}}',
    ),
    "a namespace that is null": (
        b'{"type":"RECORD","record":{"namespace": null,"stream" : "users","data":{},"emitted_at":1}}',
        b'{"type":"RECORD","record":{"namespace": "s","stream" : "n","data":{},"emitted_at":1}}',
    ),
    "names in the data": (
        b'{"type":"RECORD","record":{"stream":"users","data":{"stream":"users","namespace":"x"},"emitted_at":1}}',
        b'{"type":"RECORD","record":{"stream":"n","namespace":"s","data":{"stream":"users","namespace":"x"},"emitted_at":1}}',
    ),
    "the data before the name": (
        b'{"record":{"data":{"stream":"users"},"emitted_at":1,"stream":"users"},"type":"RECORD"}',
        b'{"record":{"data":{"stream":"users"},"emitted_at":1,"stream":"n","namespace":"s"},"type":"RECORD"}',
    ),
    "escaped keys": (
        b'{"type":"RECORD","record":{"str\\u0065am":"users","data":{"stream":"users"},"emitted_at":1}}',
        b'{"type":"RECORD","record":{"str\\u0065am":"n","namespace":"s","data":{"stream":"users"},"emitted_at":1}}',
    ),
    "spaces": (
        b' { "type" : "RECORD" , "record" : { "stream" : "users" , "data" : { } , "emitted_at" : 1 } } \r',
        b' { "type" : "RECORD" , "record" : { "stream" : "n","namespace":"s" , "data" : { } , "emitted_at" : 1 } } \r',
    ),
}


@pytest.mark.parametrize(("before", "after"), EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("number", [1, 3])
def test_everything_else_stays_byte_for_byte(before: bytes, after: bytes, number: int) -> None:
    users, to = StreamId("users"), StreamId("n", "s")
    run = Records((before + b"\n") * number, {users: number})

    assert rename_record(before + b"\n", to) == after + b"\n"
    assert rename_records(run, {users: to}) == Records((after + b"\n") * number, {to: number})


def test_a_namespace_that_goes_away_becomes_null() -> None:
    line = RECORD.replace(b"1}}", b'1,"namespace":"public"}}') + b"\n"
    was = StreamId("users", "public")

    renamed = rename_records(Records(line * 2, {was: 2}), {was: StreamId("users")})

    assert renamed == Records(line.replace(b'"public"', b"null") * 2, {StreamId("users"): 2})


def test_streams_that_no_name_is_given_for_are_left_alone() -> None:
    run = Records(RECORD + b"\n", {StreamId("users"): 1})

    assert rename_records(run, {StreamId("orders"): StreamId("x"), StreamId("users"): StreamId("users")}) is run


def test_two_streams_of_one_new_name_are_one() -> None:
    (run,) = runs_of([RECORD + b"\n", RECORD.replace(b"users", b"orders") + b"\n"])

    renamed = rename_records(run, {StreamId("orders"): StreamId("users")})

    assert renamed == Records((RECORD + b"\n") * 2, {StreamId("users"): 2})


def test_a_line_that_is_no_record_is_refused() -> None:
    with pytest.raises(NotJsonError):
        rename_record(b'{"type":"LOG","log":{}}\n', StreamId("x"))


def state_of(state: bytes) -> State:
    return parse_state(b'{"type":"STATE","state":' + state + b"}\n")


def test_a_state_of_a_stream_is_renamed() -> None:
    state = state_of(
        b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":{"x":1.10,"name":"a"}}}'
    )
    state.position = 7

    renamed = rename_state(state, {StreamId("a"): StreamId("b", "s")})

    assert renamed.line == state.line.replace(b'{"name":"a"}', b'{"name":"b","namespace":"s"}')
    assert renamed.streams == ((StreamId("b", "s"), b'{"x":1.10,"name":"a"}'),)
    assert (renamed.body, renamed.position) == (state.body, 7)


def test_all_streams_of_a_global_state_are_renamed_and_back() -> None:
    state = state_of(
        b'{"type":"GLOBAL","global":{"shared_state":{"lsn":NaN},"stream_states":['
        b'{"stream_state":{"name":"a"},"stream_descriptor":{"namespace":"n","name":"a"}} , '
        b'{"stream_descriptor":{"name":"b"}},{"stream_descriptor":{"name":"c"}}]},"sourceStats":{"recordCount":5.0}}'
    )
    there = {StreamId("a", "n"): StreamId("x_a", "out"), StreamId("c"): StreamId("x_c")}

    renamed = rename_state(state, there)

    assert [stream for stream, _ in renamed.streams] == [StreamId("x_a", "out"), StreamId("b"), StreamId("x_c")]
    assert renamed.source_count == 5
    assert rename_state(renamed, {new: old for old, new in there.items()}) == state


def test_a_state_that_names_nothing_else_is_left_alone() -> None:
    legacy = state_of(b'{"data":{"a":1}}')

    assert rename_state(legacy, {StreamId("a"): StreamId("b")}) is legacy


@given(one=streams, to=streams, body=st.dictionaries(st.text(max_size=3), st.floats(), max_size=2))
@settings(max_examples=100)
def test_a_renamed_state_is_a_state_of_the_new_stream(one: StreamId, to: StreamId, body: dict[str, float]) -> None:
    descriptor = {"name": one.name, "namespace": one.namespace}
    message = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": body}}
    state = state_of(dumped(message, ascii_only=True))

    renamed = rename_state(state, {one: to})

    assert renamed.streams == ((to, state.body),)
    assert renamed.body == state.body
