"""How a sync ends that did not go well: what the destination sees, what is collected, what the next run finds."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from mini import after_line, after_record, after_state, step, stream
from syncs import SHORT, Lab, is_running

from airbyte_exec import Destination, Source
from airbyte_exec import exceptions as exc
from airbyte_exec.types import StreamId

BRIEF = replace(SHORT, acknowledge=0.3)


def _source_that_fails_once_the_destination_runs(lab: Lab) -> tuple[Source, Destination]:
    """Return a pair: the source dies after record 55, never before the destination has begun."""
    begun = lab.folder / "begun"
    script = [step("wait_for", after_record(55), path=begun), step("exit", after_record(55), code=1)]
    return lab.source(script=script), lab.destination(script=[step("mark", path=begun)])


@pytest.mark.parametrize("strategy", ["append", "merge"])
def test_a_failed_source_lets_the_destination_end_where_nothing_is_replaced(lab: Lab, strategy: str) -> None:
    lab.failure(lab.source(script=[step("exit", after_record(55), code=1)]), write_strategy=strategy)

    assert lab.written.saw_eof
    assert lab.written.statuses() == {}
    assert lab.cursor() == 50


def test_a_failed_source_is_never_an_end_for_a_stream_that_is_replaced(lab: Lab) -> None:
    error = lab.failure(*_source_that_fails_once_the_destination_runs(lab), write_strategy="replace")

    assert not lab.written.saw_eof
    assert lab.written.statuses() == {}
    assert error.result.streams[StreamId("users")].status == "incomplete"


def test_a_forced_refresh_is_never_ended_by_a_failed_source(lab: Lab) -> None:
    lab.failure(*_source_that_fails_once_the_destination_runs(lab), write_strategy="append", force_full_refresh=True)

    assert not lab.written.saw_eof


def test_a_failed_stream_among_replaced_ones_is_never_an_end(lab: Lab) -> None:
    streams = [stream("users", records=20), stream("items", records=20, status="INCOMPLETE")]

    error = lab.failure(lab.source(streams=streams), write_strategy="replace")

    assert not lab.written.saw_eof
    assert lab.written.statuses() == {"users": ["COMPLETE"]}
    assert error.result.streams[StreamId("users")].status == "incomplete"
    assert error.result.streams[StreamId("items")].status == "failed"


def test_a_failed_append_does_not_hold_up_a_replaced_stream(lab: Lab) -> None:
    streams = [
        stream("users", records=20, sync_modes=["full_refresh"], primary_key=None, cursor=None),
        stream("items", records=20, status="INCOMPLETE"),
    ]

    error = lab.failure(lab.source(streams=streams))

    modes = {entry["stream"]["name"]: entry["destination_sync_mode"] for entry in lab.written.catalog["streams"]}
    assert modes == {"users": "overwrite", "items": "append_dedup"}
    assert lab.written.saw_eof
    assert lab.written.statuses() == {"users": ["COMPLETE"]}
    assert error.result.streams[StreamId("users")].status == "complete"


def test_a_destination_that_wants_complete_fails_by_itself_and_the_source_is_named(lab: Lab) -> None:
    source = lab.source(script=[step("exit", after_record(55), code=1)])

    error = lab.failure(source, lab.destination(supports_refreshes=True), write_strategy="append")

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.exit_code == 1


def test_states_are_collected_after_the_source_has_failed(lab: Lab) -> None:
    died = lab.folder / "died"
    script = [step("mark", after_record(55), path=died), step("exit", after_record(55), code=1)]
    source = lab.source(streams=[stream(resumable=True)], script=script)
    destination = lab.destination(script=[step("wait_for", {"before_state": 1}, path=died)])

    error = lab.failure(source, destination, write_strategy="replace", limits=replace(SHORT, acknowledge=20))

    assert error.result.states_committed == error.result.states_sent == 5


def test_states_are_collected_for_a_bounded_time(lab: Lab) -> None:
    source = lab.source(streams=[stream(resumable=True)], script=[step("exit", after_record(55), code=1)])

    error = lab.failure(source, lab.destination(echo="never"), write_strategy="replace", limits=BRIEF)

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert (error.result.states_sent, error.result.states_committed) == (5, 0)


def test_late_states_are_collected_where_the_end_of_input_is_no_danger(lab: Lab) -> None:
    source = lab.source(script=[step("exit", after_record(55), code=1)])

    error = lab.failure(source, lab.destination(echo="late"), write_strategy="append", limits=BRIEF)

    assert error.result.states_committed == 5
    assert lab.cursor() == 50


def test_an_idle_source_is_left_at_once_when_the_destination_dies(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_state(2), path=lab.folder / "never")])

    error = lab.failure(source, lab.destination(script=[step("exit", after_state(2), code=1)]))

    assert error.connector_name == "destination-mini"
    assert error.result.states_committed == 2
    assert not is_running(lab.read.pid)


def test_a_destination_that_ends_well_while_the_source_is_idle_has_failed(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_state(2), path=lab.folder / "never")])

    error = lab.failure(source, lab.destination(script=[step("exit", after_state(2), code=0)]))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.exit_code == 0


def test_a_destination_that_closes_its_input_and_goes_on_is_named(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=200_000)], fast=True)
    script = [step("close_stdin", after_line(5)), step("hang", "end")]

    error = lab.failure(source, lab.destination(script=script), limits=replace(SHORT, exit=0.2))

    assert error.connector_name == "destination-mini"


def test_a_source_that_closes_its_output_and_hangs_is_stopped(lab: Lab) -> None:
    script = [step("close_stdout", "end"), step("hang", "end")]

    error = lab.failure(lab.source(script=script), write_strategy="append", limits=replace(SHORT, exit=0.2))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "did not exit" in str(error)
    assert lab.written.statuses() == {}


def test_a_source_that_ignores_sigterm_is_killed(lab: Lab) -> None:
    script = [step("ignore", "start"), step("wait_for", after_state(2), path=lab.folder / "never")]
    destination = lab.destination(script=[step("exit", after_state(2), code=1)])

    lab.failure(lab.source(script=script), destination, limits=replace(SHORT, stop=0.2))

    assert not is_running(lab.read.pid)


def test_a_grandchild_that_holds_the_output_does_not_hold_up_the_end(lab: Lab) -> None:
    pid_file = lab.folder / "pid"
    script = [step("grandchild", after_record(100), pid_file=pid_file, setsid=True, orphan=True)]

    result = lab.write(lab.source(script=script))

    assert result.processed_records == 100
    assert not is_running(int(pid_file.read_text(encoding="utf-8")))


def test_a_grandchild_of_a_failed_source_is_ended(lab: Lab) -> None:
    pid_file = lab.folder / "pid"
    script = [
        step("grandchild", after_record(5), pid_file=pid_file, setsid=True),
        step("exit", after_record(9), code=1),
    ]

    lab.failure(lab.source(script=script))

    assert not is_running(int(pid_file.read_text(encoding="utf-8")))


def test_a_flood_on_stderr_stops_nothing(lab: Lab) -> None:
    source = lab.source(script=[step("stderr_flood", after_record(5), mb=8)])

    assert lab.write(source, lab.destination(script=[step("stderr_flood", after_line(5), mb=8)])).states_committed == 10


def test_a_store_that_cannot_be_written_fails_the_sync(lab: Lab) -> None:
    lab.write()
    (lab.state / "source-mini--destination-mini.json").write_text("{", encoding="utf-8")

    with pytest.raises(exc.PyAirbyteStateError, match="cannot be read"):
        lab.write()


def test_an_error_in_on_progress_ends_the_sync_and_is_raised_bare(lab: Lab) -> None:
    class EnoughError(Exception):
        pass

    def stop(progress: object) -> None:
        if getattr(progress, "records_read", 0) > 10:
            raise EnoughError

    with pytest.raises(EnoughError):
        lab.write(on_progress=stop)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_write_leaves_nothing(lab: Lab, backend: str) -> None:
    source = lab.async_source(
        streams=[stream(resumable=True)], script=[step("wait_for", after_state(2), path=lab.folder / "never")]
    )
    destination = lab.async_destination()

    async def main() -> bool:
        with anyio.CancelScope() as scope:

            def stop(progress: object) -> None:
                if getattr(progress, "states_committed", 0) == 2:
                    scope.cancel()

            await destination.write(source, cache=False, check=False, write_strategy="replace", on_progress=stop)

        return scope.cancelled_caught

    assert anyio.run(main, backend=backend)
    assert not lab.written.saw_eof
    assert not is_running(lab.read.pid)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_failed_write_raises_the_bare_error_in_the_async_face(lab: Lab, backend: str) -> None:
    source = lab.async_source(script=[step("exit", after_record(55), code=1)])

    async def main() -> None:
        await lab.async_destination().write(source, cache=False, check=False, limits=SHORT)

    with pytest.raises(exc.AirbyteConnectorReadError, match="code 1"):
        anyio.run(main, backend=backend)
