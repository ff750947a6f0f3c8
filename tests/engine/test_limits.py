"""Every wait has a bound. Limits are small here, and nothing measures time: what must not end waits for a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mini import after_line, after_record, after_state, step, stream
from syncs import SHORT, Lab, is_running

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.options import SessionOptions

MOMENT = 0.4  # seconds: the limit that is to be passed


def test_a_source_that_sends_nothing_for_too_long_is_stopped(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_state(2), path=lab.folder / "never")])

    error = lab.failure(source, limits=replace(SHORT, source_heartbeat=MOMENT))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "no record and no state" in str(error)
    assert "source_heartbeat" in str(error)
    assert error.result.states_committed == 2
    assert not is_running(lab.read.pid)


def test_logs_are_no_beats(lab: Lab) -> None:
    chatter = [step("log", after_record(20), message="still there"), step("sleep", after_record(20), seconds=0.05)]
    source = lab.source(script=[*(chatter * 40), step("wait_for", after_record(20), path=lab.folder / "never")])

    error = lab.failure(source, limits=replace(SHORT, source_heartbeat=MOMENT))

    assert "no record and no state" in str(error)


def test_the_clock_of_the_source_stands_while_the_destination_is_slow(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=20_000, pad=400)], fast=True, state_every=5000)
    slow = lab.destination(script=[step("sleep", after_line(100), seconds=3 * MOMENT)])

    result = lab.write(source, slow, limits=replace(SHORT, source_heartbeat=2 * MOMENT))

    assert result.processed_records == 20_000


def test_a_destination_that_takes_nothing_for_too_long_is_stopped(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=200_000)], fast=True)
    destination = lab.destination(script=[step("hang", after_line(5))])

    error = lab.failure(source, destination, limits=replace(SHORT, destination_write=MOMENT))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "destination_write" in str(error)
    assert not is_running(lab.written.pid)


@pytest.mark.parametrize("at", ["eof", "end"])
def test_a_destination_that_does_not_end_after_its_input_is_stopped(lab: Lab, at: str) -> None:
    destination = lab.destination(script=[step("hang", at)])

    error = lab.failure(destination=destination, limits=replace(SHORT, destination_finish=MOMENT, stop=0.2))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "destination_finish" in str(error)
    assert not is_running(lab.written.pid)


def test_a_destination_that_hangs_before_it_reads_is_stopped(lab: Lab) -> None:
    destination = lab.destination(script=[step("hang", "start")])

    error = lab.failure(destination=destination, limits=replace(SHORT, destination_finish=MOMENT))

    assert error.connector_name == "destination-mini"


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_command_that_does_not_end_is_stopped(lab: Lab, command: str) -> None:
    options = SessionOptions(limits=replace(SHORT, **{command: MOMENT}))
    source = lab.source(script={command: [step("hang", "start")]}, made_with={"options": options})

    with pytest.raises(exc.AirbyteConnectorError, match=f"time limit `{command}`") as caught:
        source.check() if command == "check" else source.get_available_streams()

    assert caught.value.connector_name == "source-mini"


@pytest.mark.parametrize("command", ["check", "discover"])
def test_the_limits_of_a_write_hold_for_what_comes_before_it(lab: Lab, command: str) -> None:
    source = lab.source(script={command: [step("hang", "start")]})

    error = lab.failure(source, check=True, limits=replace(SHORT, **{command: MOMENT}))

    assert f"time limit `{command}`" in str(error)


def test_every_limit_is_a_finite_number_above_0() -> None:
    for name in type(SHORT).__dataclass_fields__:
        for value in (0, -1, float("inf"), float("nan"), "1"):
            with pytest.raises(exc.PyAirbyteInputError, match=name):
                replace(SHORT, **{name: value})
