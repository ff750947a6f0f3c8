"""When two states are the same: equal as JSON values, however they are spelled.

A destination re-serialises what it echoes: other key order, other spaces, other number formats. So `1`, `1.0` and
`1e0` are one number here. A destination that holds numbers as doubles loses digits; `loosely` forgives that, and is
only asked where nothing is equal to the digit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from airbyte_exec.protocol.envelope import State


def exactly(state: State) -> bytes:
    """Return a digest that is equal for states of equal scope and value."""
    return _digest(state, _exact_number)


def loosely(state: State) -> bytes:
    """Return a digest that is equal also where numbers differ by no more than a double can hold."""
    return _digest(state, _double)


def _digest(state: State, number: Callable[[str], Any]) -> bytes:
    try:
        value = (
            None
            if state.body is None
            else json.loads(state.body, parse_float=number, parse_int=number, parse_constant=_number)
        )
        text = json.dumps([state.kind, _scope(state), _sorted_streams(state, value)], sort_keys=True)
    except RecursionError:  # deeper than Python's json goes: only the same text is the same value
        text = f"{state.kind} {_scope(state)} {state.body!r}"

    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _scope(state: State) -> list[list[str | None]]:
    return [[stream.name, stream.namespace] for stream, _ in state.streams] if state.kind == "STREAM" else []


def _sorted_streams(state: State, value: Any) -> Any:
    """Put the streams of a GLOBAL state in order, and leave out what means the same when it is absent."""
    if state.kind != "GLOBAL" or not isinstance(value, dict):
        return value

    streams = [
        [
            entry["stream_descriptor"]["name"],
            entry["stream_descriptor"].get("namespace"),
            entry.get("stream_state"),
        ]
        for entry in value["stream_states"]
    ]
    streams.sort(key=lambda entry: (entry[0], entry[1] or ""))
    return [value.get("shared_state"), streams]


def _number(text: str) -> int:
    """Return a number for the canonical text of one: a text could be taken for a text of the state itself."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())


def _exact_number(text: str) -> int:
    sign, digits, exponent = Decimal(text).as_tuple()
    figures = "".join(map(str, digits)).lstrip("0")
    short = figures.rstrip("0")
    return _number(f"{'-' * sign}{short}e{int(exponent) + len(figures) - len(short)}" if short else "0")


def _double(text: str) -> int:
    return _number(repr(float(text)))
