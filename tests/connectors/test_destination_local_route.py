"""What becomes of the rows that an earlier run left staged: every case there is."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream, Mode
from airbyte_exec.connectors.destination_local.route import Staged, Standing, route
from airbyte_exec.types import StreamId

GENERATIONS = [(None, None), (1, 0), (1, 1), (2, 0), (2, 2)]
STREAMS = [
    ConfiguredStream(
        id=StreamId("users"),
        json_schema={},
        mode=mode,
        primary_key=(("id",),),
        generation=generation,
        minimum_generation=minimum,
    )
    for mode, (generation, minimum) in product(get_args(Mode), GENERATIONS)
]
STAGED = [None, Staged("merge"), Staged("replace"), Staged("replace", 1), Staged("replace", 2)]
CASES = list(product(STREAMS, [Standing(replaced, staged) for replaced, staged in product([None, 1, 2], STAGED)]))


def test_rows_that_wait_for_a_merge_are_never_dropped() -> None:
    ways = [route(stream, standing) for stream, standing in CASES if standing.staged == Staged("merge")]

    assert {way.leftover for way in ways} == {"continue", "fold"}


def test_a_sync_that_keeps_all_rows_drops_none() -> None:
    kept = [
        route(stream, standing)
        for stream, standing in CASES
        if stream.mode != "overwrite" and not stream.minimum_generation and standing.staged
    ]

    assert {way.leftover for way in kept} == {"continue", "fold", "adopt"}


def test_a_replace_goes_on_with_its_own_generation_alone() -> None:
    for stream, standing in CASES:
        way = route(stream, standing)
        if way.leftover == "continue" and way.into is not None and way.into.purpose == "replace":
            assert standing.staged == Staged("replace", stream.generation)
            assert standing.replaced != stream.generation


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_replace_that_is_done_is_not_done_again(mode: Mode) -> None:
    (stream,) = [s for s in STREAMS if s.mode == mode and s.minimum_generation == 2]

    assert route(stream, Standing(1)).into == Staged("replace", 2)
    assert route(stream, Standing(2)).into == (Staged("merge") if mode == "append_dedup" else None)


def test_nothing_left_is_nothing_to_do() -> None:
    assert {route(stream, standing).leftover for stream, standing in CASES if not standing.staged} == {"none"}
