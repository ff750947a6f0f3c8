"""Equality of states as JSON values."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec._state.value import exactly, loosely
from airbyte_exec.protocol.envelope import State
from airbyte_exec.types import StreamId

USERS = StreamId("users")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), json_values, max_size=5)


def state(text: str | bytes | None, stream: StreamId = USERS) -> State:
    body = text.encode() if isinstance(text, str) else text
    return State(b"", "STREAM", ((stream, body),), body)


def rewritten(value: Any) -> Any:
    """Return the value with its keys in another order."""
    if isinstance(value, dict):
        return {key: rewritten(value[key]) for key in reversed(value)}

    return [rewritten(inner) for inner in value] if isinstance(value, list) else value


@given(objects)
def test_a_value_that_is_written_anew_is_the_same(value: dict[str, Any]) -> None:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    other = json.dumps(rewritten(value), ensure_ascii=True, indent=2)

    assert exactly(state(plain.encode(errors="surrogatepass"))) == exactly(state(other))


@given(objects, objects)
def test_values_are_the_same_only_if_python_says_so(one: dict[str, Any], two: dict[str, Any]) -> None:
    same = json.dumps(rewritten(one), sort_keys=True) == json.dumps(two, sort_keys=True)
    differs = one != two

    if same:
        assert exactly(state(json.dumps(one))) == exactly(state(json.dumps(two)))
    elif differs:
        assert exactly(state(json.dumps(one))) != exactly(state(json.dumps(two)))


@given(st.integers(-(10**30), 10**30), st.integers(-20, 20))
def test_a_number_has_many_spellings_and_one_value(digits: int, exponent: int) -> None:
    number = Decimal(digits).scaleb(exponent)
    spellings = {f"{digits}e{exponent}", f"{digits}E{exponent:+}", f"{number:f}", f"{number:f}".rstrip("0") or "0"}
    valid = [text for text in spellings if _is_json(text) and Decimal(text) == number]

    assert len({exactly(state(f'{{"n":{text}}}')) for text in valid}) == 1


@given(st.integers(), st.integers())
def test_numbers_of_other_value_differ_to_the_last_digit(one: int, two: int) -> None:
    equal = exactly(state(f'{{"n":{one}}}')) == exactly(state(f'{{"n":{two}}}'))

    assert equal == (one == two)


@given(st.integers(-(10**25), 10**25))
def test_a_number_that_went_through_a_double_is_loosely_the_same(number: int) -> None:
    through = json.dumps(float(number))

    assert loosely(state(f'{{"n":{number}}}')) == loosely(state(f'{{"n":{through}}}'))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e400", '"\\ud800"', "9" * 5000, "[" * 900 + "]" * 900]
)
def test_odd_values_are_equal_to_themselves(text: str) -> None:
    assert exactly(state(f'{{"n":{text}}}')) == exactly(state(f'{{ "n" : {text} }}'))
    assert exactly(state(f'{{"n":{text}}}')) != exactly(state('{"n":0}'))


def test_a_value_that_is_too_deep_is_the_same_only_as_the_same_text() -> None:
    deep = '{"n":' * 50_000 + "1" + "}" * 50_000

    assert exactly(state(deep)) == exactly(state(deep))
    assert exactly(state(deep)) != exactly(state(deep + " "))


def test_the_stream_is_part_of_it() -> None:
    assert exactly(state("{}", StreamId("users"))) != exactly(state("{}", StreamId("users", "")))
    assert exactly(state("{}", StreamId("users"))) != exactly(state("{}", StreamId("items")))


def test_nothing_is_not_an_empty_object() -> None:
    assert exactly(state(None)) != exactly(state("{}"))


def test_a_text_is_no_number() -> None:
    assert exactly(state('{"n":"1"}')) != exactly(state('{"n":1}'))
    assert exactly(state('{"n":true}')) != exactly(state('{"n":1}'))
    assert exactly(state('{"n":"1e0"}')) != exactly(state('{"n":1}'))
    assert exactly(state('{"n":"NaN"}')) != exactly(state('{"n":NaN}'))


def _is_json(text: str) -> bool:
    try:
        return math.isfinite(float(json.loads(text)))
    except (ValueError, OverflowError):
        return False
