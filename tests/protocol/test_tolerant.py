from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_lines import RECORD, STATE, dumped, lines, records, values

from airbyte_exec.protocol import tolerant
from airbyte_exec.protocol.envelope import parse_plain_state, parse_state
from airbyte_exec.protocol.odd_state import parse_odd_line
from airbyte_exec.protocol.tolerant import (
    MAX_DEPTH,
    NotJsonError,
    as_characters,
    as_text,
    is_integer,
    members,
    plain,
    skip_value,
    utf8_error,
)


def is_json(data: bytes | bytearray) -> bool:
    try:
        json.loads(data.decode())
    except ValueError:
        return False

    return True


def strictly_json(data: bytes | bytearray) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.dumps(json.loads(data.decode(), parse_constant=refuse), ensure_ascii=False).encode()
    except ValueError:
        return False

    return True


@given(data=st.binary(max_size=80) | st.text(max_size=40).map(str.encode) | lines)
@settings(max_examples=400)
def test_the_first_byte_that_is_not_utf8_is_found(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        expected: int | None = error.start
    else:
        expected = None

    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 2, 3, 1000):
            patch.setattr(tolerant, "_UTF8_SLICE", size)
            assert utf8_error(data) == expected
            assert utf8_error(memoryview(data)) == expected


@given(line=records() | lines)
@settings(max_examples=400)
def test_a_plain_copy_is_json_where_the_line_is(line: bytes) -> None:
    if b"[[[" in line or utf8_error(line) is not None:
        return

    copy = plain(line)

    assert len(copy) == len(line)
    assert is_json(copy) == is_json(line) == strictly_json(copy)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "around", [":@,", ": @}", "[@]", ",@ ]", "-@,", ":@x", ":1@,", ": @", "{@:1}", "x@,", ":@1,", ":+@,", ":--@,"]
)
def test_only_a_whole_value_is_made_plain(around: str, value: str) -> None:
    for line in (
        b'{"a"%s}' % around.replace("@", value).encode(),
        b'{"a":[1%s]}' % around.replace("@", value).encode(),
    ):
        assert is_json(plain(line)) == is_json(line)


@given(value=values, ascii_only=st.booleans(), space=st.sampled_from([None, 1]))
@settings(max_examples=300)
def test_a_value_is_passed_over_in_two_ways(value: Any, ascii_only: bool, space: int | None) -> None:
    text = as_characters(
        dumped(value, ascii_only=ascii_only) if space is None else json.dumps(value, indent=1).encode()
    )

    assert skip_value(text + " , x", 0) == len(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tolerant, "_WALK_FROM", 0)
        assert skip_value(text + " , x", 0) == len(text)


@given(line=lines)
@settings(max_examples=500)
def test_the_two_ways_refuse_the_same(line: bytes) -> None:
    def outcome() -> Any:
        try:
            return members(as_characters(line))
        except NotJsonError:
            return "refused"

    usual = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tolerant, "_WALK_FROM", 0)
        assert outcome() == usual


@given(value=st.dictionaries(st.text(max_size=4), values, max_size=4), ascii_only=st.booleans())
@settings(max_examples=200)
def test_members_are_where_they_stand(value: dict[str, Any], ascii_only: bool) -> None:
    line = dumped(value, ascii_only=ascii_only)
    found = members(as_characters(line))

    assert [line[slice(*span)] for span in found.values()] == [dumped(v, ascii_only=ascii_only) for v in value.values()]


def test_the_last_of_equal_members_counts() -> None:
    assert members('{"a":1,"a":22}') == {"a": (11, 13)}


@pytest.mark.parametrize("inner", ["[", '{"a":'])
def test_the_bound_of_nesting_is_exact(inner: str) -> None:
    closer = "]" if inner == "[" else "}"

    def nested(depth: int) -> str:
        return '{"x":' + inner * (depth - 1) + "1" + closer * (depth - 1) + "}"

    assert members(nested(MAX_DEPTH))
    with pytest.raises(NotJsonError, match="nested deeper"):
        members(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("text", ["1", "-1", "0", "1.0", "1e3", "1E2", "17e11", "-0", "9" * 5000])
def test_whole_numbers(text: str) -> None:
    assert is_integer(text)


@pytest.mark.parametrize("text", ["1.5", "1e-1", "true", "null", '"1"', "NaN", "Infinity", "1e400", "[]", "{}"])
def test_what_is_no_whole_number(text: str) -> None:
    assert not is_integer(text)


@given(value=values, ascii_only=st.booleans())
def test_a_text_is_read_and_nothing_else(value: Any, ascii_only: bool) -> None:
    text = as_characters(dumped(value, ascii_only=ascii_only))

    assert as_text(text, (0, len(text))) == (value if isinstance(value, str) else None)


ODD_STATES = [
    b"null",
    b"{}",
    b'{"data":null}',
    b'{"data":{"a":[1, 2]}}',
    b'{"type":null,"data":{}}',
    b'{"type":"LEGACY","data":{},"stream":{}}',
    b'{"type":"LEGACY"}',
    b'{"type":"FOO","data":{}}',
    b'{"type":5,"data":{}}',
    b'{"type":"STREAM"}',
    b'{"type":"STREAM","stream":null}',
    b'{"type":"STREAM","stream":{}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{}}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":5}}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a","namespace":5}}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a","namespace":""},"stream_state":null},"x":1}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"\xc3\xa9"},"stream_state":{"a" : 1}},"id":1}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":null}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":5}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":{"recordCount":5}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":{"recordCount":null}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":{"recordCount":"5"}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":{"recordCount":true}}',
    b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"sourceStats":{"rejectedRecordCount":"5"}}',
    (
        b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"}},"destinationStats":'
        b'{"recordCount":1.5,"rejectedRecordCount":2,"additionalStats":{"a":[]}}}'
    ),
    b'{"type":"GLOBAL"}',
    b'{"type":"GLOBAL","global":[]}',
    b'{"type":"GLOBAL","global":{}}',
    b'{"type":"GLOBAL","global":{"stream_states":null}}',
    b'{"type":"GLOBAL","global":{"stream_states":{}}}',
    b'{"type":"GLOBAL","global":{"stream_states":[]}}',
    b'{"type":"GLOBAL","global":{"stream_states":[5]}}',
    b'{"type":"GLOBAL","global":{"stream_states":[{"stream_descriptor":{"name":"a"}} , {"stream_descriptor":5}]}}',
    (
        b'{"type":"GLOBAL","global":{"shared_state":{"x":null},"stream_states":'
        b'[{"stream_descriptor":{"name":"a"}} , {"stream_descriptor":{"name":"a","namespace":"n"},"stream_state":{}}]}}'
    ),
]


@pytest.mark.parametrize("state", ODD_STATES)
def test_a_state_is_the_same_in_both_looks(state: bytes) -> None:
    line = b'{"type":"STATE","state":' + state + b"}\n"
    try:
        expected = parse_plain_state(line)
    except msgspec.MsgspecError:
        with pytest.raises(NotJsonError):
            parse_odd_line(line)
    else:
        assert parse_odd_line(line) == expected == parse_state(line)


def test_a_state_with_nan_is_parsed_for_any_caller() -> None:
    line = STATE.replace(b'"}}', b'"},"stream_state":{"x":NaN}}') + b"\n"

    assert parse_state(line).body == b'{"x":NaN}'
    with pytest.raises(ValueError, match="state"):
        parse_state(RECORD + b"\n")
