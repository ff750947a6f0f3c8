"""Counts of records, on both sides, and what a difference means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mini import after_record, step, stream
from syncs import SHORT, Lab

from airbyte_exec import exceptions as exc
from airbyte_exec.types import StreamId

PATIENT = replace(SHORT, acknowledge=3600.0)
"""A state that is not sent is not waited for: a test with this would not come to its end."""


@pytest.mark.parametrize("stats", ["right", "int", "none"])
def test_counts_that_agree_say_nothing(lab: Lab, stats: str) -> None:
    destination_stats = "none" if stats == "none" else "right"

    result = lab.write(lab.source(source_stats=stats), lab.destination(destination_stats=destination_stats))

    assert result.warnings == ()
    assert result.streams[StreamId("users")].records_confirmed == 100


def test_a_wrong_count_of_the_source_is_warned_of(lab: Lab) -> None:
    result = lab.write(lab.source(source_stats="wrong"))

    assert any("the source counts 11 records" in warning for warning in result.warnings)
    assert result.states_committed == 10


def test_a_wrong_count_of_the_destination_is_warned_of(lab: Lab) -> None:
    result = lab.write(destination=lab.destination(destination_stats="wrong"))

    assert any("the destination counts 9 records" in warning for warning in result.warnings)


def test_a_wrong_count_of_the_source_may_be_an_error(lab: Lab) -> None:
    error = lab.failure(lab.source(source_stats="wrong"), on_count_mismatch="fail", limits=PATIENT)

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "11" in str(error)
    assert error.result.states_sent == 0


def test_what_came_before_a_wrong_count_is_kept(lab: Lab) -> None:
    loses = [step("drop_records", after_record(12), count=3)]
    error = lab.failure(lab.source(script=loses), on_count_mismatch="fail", limits=PATIENT)

    assert (error.result.states_sent, error.result.states_committed) == (1, 1)
    assert lab.cursor() == 10


def test_a_wrong_count_of_the_destination_may_be_an_error(lab: Lab) -> None:
    error = lab.failure(destination=lab.destination(destination_stats="wrong"), on_count_mismatch="fail")

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.result.states_committed == 0
    assert lab.cursor() is None


def test_wrong_counts_may_be_ignored(lab: Lab) -> None:
    source, destination = lab.source(source_stats="wrong"), lab.destination(destination_stats="wrong")

    assert lab.write(source, destination, on_count_mismatch="off").warnings == ()


def test_a_policy_that_is_none_is_refused(lab: Lab) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="on_count_mismatch"):
        lab.write(on_count_mismatch="maybe")


def test_records_that_the_source_loses_are_noticed(lab: Lab) -> None:
    result = lab.write(lab.source(script=[step("drop_records", after_record(12), count=3)]))

    assert any("counts differ" in warning.lower() for warning in result.warnings)


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_states_of_all_streams_are_counted_over_all_streams(lab: Lab, kind: str) -> None:
    streams = [stream("users", records=25), stream("items", records=25)]
    source = lab.source(streams=streams, state_type=kind, interleave=True)

    result = lab.write(source, lab.destination(destination_stats="right"))

    assert result.warnings == ()
    assert {known.records_confirmed for known in result.streams.values()} == {25}


def test_a_source_without_states_counts_what_was_delivered(lab: Lab) -> None:
    result = lab.write(lab.source(state_type="NONE"))

    assert result.processed_records == 100
    assert result.states_sent == 0
    assert result.streams[StreamId("users")].records_confirmed == 0


def test_a_destination_that_counts_tells_what_was_processed(lab: Lab) -> None:
    result = lab.write(lab.source(final_state=False), lab.destination(destination_stats="right"))

    assert result.processed_records == 100

    source = lab.source(streams=[stream(records=95)], final_state=False)
    assert lab.write(source, lab.destination(destination_stats="right")).processed_records == 90
