"""What is tried again, after which wait, and from where; and that two runs do not work on one pair."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any, Self

import pytest
from mini import after_record, after_state, runs, step, stored_records, stream
from syncs import Lab

from airbyte_exec import Retries
from airbyte_exec import exceptions as exc
from airbyte_exec._engine.retry import Tries, retries_of
from airbyte_exec.caches import DuckDBCache

AT_ONCE = Retries(backoff=0)


def dies_once(lab: Lab, number: int = 1, at: int = 50, **error: Any) -> list[Any]:
    """Return steps: the source fails after that many records, the first time."""
    mark = lab.folder / f"died-{number}"
    told = [step("trace_error", after_record(at), once=str(mark) + ".told", **error)] if error else []
    return [*told, step("exit", after_record(at), code=1, once=mark)]


def failed(**how: Any) -> exc.AirbyteConnectorReadError:
    return exc.AirbyteConnectorReadError(**{"failure_type": "system_error", **how})


def test_nothing_is_tried_again_by_default(lab: Lab) -> None:
    error = lab.failure(lab.source(script=dies_once(lab)))

    assert len(error.result.attempts) == 1
    assert len(runs(lab.sent, "read")) == 1


def test_an_attempt_goes_on_from_what_is_committed(lab: Lab) -> None:
    result = lab.write(lab.source(script=dies_once(lab)), retries=1)

    assert lab.read.state is not None
    first, second = result.attempts
    assert (first.error, first.failure_type) == ("AirbyteConnectorReadError", "system_error")
    assert first.states_committed > 0
    assert first.waited_seconds == 0
    assert second.error is second.failure_type is second.waited_seconds is None
    assert result.states_committed == first.states_committed + second.states_committed
    assert {row["id"] for row in stored_records(lab.got)["users"]} == set(range(1, 101))
    assert "2 attempts" in str(result)


def test_what_the_connector_calls_a_config_error_is_not_tried_again(lab: Lab) -> None:
    error = lab.failure(
        lab.source(script=dies_once(lab, failure_type="config_error", message="no such key")), retries=3
    )

    assert error.failure_type == "config_error"
    assert len(error.result.attempts) == 1


@pytest.mark.parametrize("kind", ["transient_error", "system_error"])
def test_the_kind_of_a_failure_is_what_the_connector_says(lab: Lab, kind: str) -> None:
    result = lab.write(lab.source(script=dies_once(lab, failure_type=kind, message="try later")), retries=1)

    assert [attempt.failure_type for attempt in result.attempts] == [kind, None]


def test_a_config_error_that_sums_up_the_errors_of_streams_does_not_hide_them(lab: Lab) -> None:
    told = [
        step("trace_error", after_record(50), failure_type="transient_error", message="busy", stream="users"),
        step("trace_error", after_record(50), failure_type="config_error", message="streams failed"),
        step("exit", after_record(50), code=1),
    ]

    assert lab.failure(lab.source(script=told)).failure_type == "transient_error"


def test_a_check_that_says_no_is_a_config_error(lab: Lab) -> None:
    source = lab.source(check={"status": "FAILED", "message": "wrong password"})

    with pytest.raises(exc.AirbyteConnectorCheckFailedError) as caught:
        lab.write(source, check=True, retries=AT_ONCE)

    assert caught.value.failure_type == "config_error"
    assert len(runs(lab.sent, "check")) == 1


def test_a_check_that_crashes_is_tried_again(lab: Lab) -> None:
    source = lab.source(script={"check": [step("exit", code=1, once=lab.folder / "crashed")]})

    result = lab.write(source, check=True, retries=AT_ONCE)

    assert [attempt.error for attempt in result.attempts] == ["AirbyteConnectorCheckFailedError", None]
    assert result.processed_records == 100


def test_the_last_error_tells_of_all_attempts(lab: Lab) -> None:
    source = lab.source(script=[step("exit", after_record(5), code=3)])

    error = lab.failure(source, retries=Retries(backoff=0, failures_in_a_row=3))

    assert [attempt.states_committed for attempt in error.result.attempts] == [0, 0, 0]
    assert [attempt.waited_seconds for attempt in error.result.attempts] == [0, 0, None]
    assert "3 attempts" in str(error)


def test_a_destination_that_fails_is_tried_again_too(lab: Lab) -> None:
    destination = lab.destination(script=[step("exit", after_state(3), code=1, once=lab.folder / "died")])

    result = lab.write(destination=destination, retries=AT_ONCE)

    assert [attempt.error for attempt in result.attempts] == ["AirbyteConnectorWriteError", None]
    assert {row["id"] for row in stored_records(lab.got)["users"]} == set(range(1, 101))


def test_a_forced_refresh_goes_on_and_does_not_begin_anew(lab: Lab) -> None:
    lab.write()

    result = lab.write(lab.source(script=dies_once(lab)), force_full_refresh=True, retries=AT_ONCE, state_key=None)

    assert len(result.attempts) == 2
    assert lab.read.state is not None
    first, second = (run.catalog["streams"][0] for run in runs(lab.sent, "read")[-2:])
    assert first["generation_id"] == first["minimum_generation_id"]
    assert (second["generation_id"], second["minimum_generation_id"]) == (
        first["generation_id"],
        first["minimum_generation_id"],
    )


def test_a_forced_refresh_that_failed_before_it_began_is_still_forced(lab: Lab) -> None:
    source = lab.source(script={"check": [step("exit", code=1, once=lab.folder / "crashed")]})
    lab.write(source)

    result = lab.write(source, check=True, force_full_refresh=True, retries=AT_ONCE)

    assert len(result.attempts) == 2
    assert lab.read.state is None
    assert result.processed_records == 100


def test_a_replace_begins_anew_at_each_attempt(lab: Lab) -> None:
    result = lab.write(lab.source(script=dies_once(lab)), write_strategy="replace", retries=AT_ONCE)

    # What the source was told: a destination that is stopped before it has begun writes nothing down.
    first, second = (run.catalog["streams"][0]["generation_id"] for run in runs(lab.sent, "read"))
    assert second > first
    assert len(runs(lab.got)[-1].records()["users"]) == 100
    assert len(result.attempts) == 2


def test_a_cached_write_is_tried_again_from_what_the_cache_has(lab: Lab) -> None:
    cache = DuckDBCache(lab.folder / "cache.duckdb")

    result = lab.write(lab.source(script=dies_once(lab)), cache=cache, retries=AT_ONCE)
    cache.close()

    assert len(result.attempts) == 2
    assert lab.read.state is not None
    assert {row["id"] for row in stored_records(lab.got)["users"]} == set(range(1, 101))


def test_waits_grow_while_nothing_is_committed_and_start_anew_after_progress() -> None:
    tries = Tries(Retries())

    waits = [tries.wait_after(failed(), states_committed=states) for states in (0, 0, 0, 2, 0, 0)]

    assert waits == [10, 30, 90, 0, 10, 30]


def test_the_limits_are_the_platforms() -> None:
    in_a_row, in_all, partial = Tries(Retries()), Tries(Retries()), Tries(Retries())

    assert [in_a_row.wait_after(failed(), states_committed=0) for _ in range(5)] == [10, 30, 90, 270, None]
    assert [in_all.wait_after(failed(), states_committed=n % 2) for n in range(20)][-2:] == [None, None]
    assert [partial.wait_after(failed(), states_committed=1) for _ in range(20)] == [0.0] * 19 + [None]


def test_no_wait_is_longer_than_the_longest() -> None:
    tries = Tries(Retries(failures_in_a_row=30, failures=30))

    assert max(tries.wait_after(failed(), states_committed=0) or 0 for _ in range(29)) == 1800


@pytest.mark.parametrize(
    "error",
    [
        exc.AirbyteConnectorExecutableNotFoundError(),
        exc.AirbyteConnectorInstallationError(),
        exc.AirbyteConnectorValidationFailedError(),
        exc.AirbyteStreamNotFoundError(),
        failed(failure_type="config_error"),
    ],
)
def test_what_another_run_cannot_mend_is_not_tried_again(error: exc.AirbyteConnectorError) -> None:
    assert Tries(Retries()).wait_after(error, states_committed=0) is None


@pytest.mark.parametrize(("told", "most"), [(3, 3), (True, None)])
def test_retries_are_a_number_or_the_platforms_rules(told: int, most: int | None) -> None:
    found = retries_of(told)

    assert found is not None
    assert found.most == most


@pytest.mark.parametrize("told", [None, 0, False])
def test_no_retries_can_be_said_in_three_ways(told: int | None) -> None:
    assert retries_of(told) is None


@pytest.mark.parametrize("wrong", [{"most": -1}, {"factor": 0}, {"backoff": float("inf")}, {"failures": 1.5}])
def test_a_number_that_means_nothing_is_refused(wrong: Any) -> None:
    with pytest.raises(exc.PyAirbyteInputError):
        Retries(**wrong)


class Waiting:
    """A write that waits in the middle, in a thread."""

    def __init__(self, lab: Lab, **how: Any) -> None:
        self.gate, self._reached = lab.folder / "gate", threading.Event()
        source = lab.source(script=[step("wait_for", after_record(50), path=self.gate)])
        self._result: list[Any] = []

        def look(progress: Any) -> None:
            if progress.phase == "reading":
                self._reached.set()

        self._thread = threading.Thread(target=lambda: self._result.append(lab.write(source, on_progress=look, **how)))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._reached.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.touch()
        self._thread.join(60)
        assert self._result


def locks(folder: Path) -> list[Path]:
    return list(folder.rglob("*.run"))


def test_a_second_run_on_a_pair_is_refused_and_says_who_holds_it(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_record(50), path=lab.folder / "gate")])
    with Waiting(lab):
        assert len(locks(lab.folder)) == 1
        with pytest.raises(exc.PyAirbyteStateInUseError) as caught:
            lab.write(source)

    assert (caught.value.holder_pid, caught.value.holder_host) == (os.getpid(), socket.gethostname())
    assert caught.value.holder_seconds is not None
    assert str(os.getpid()) in str(caught.value)
    assert len(runs(lab.sent, "read")) == 1
    assert locks(lab.folder) == []


def test_another_pair_is_free_meanwhile(lab: Lab) -> None:
    with Waiting(lab):
        other = lab.source(streams=[stream("items", records=5)])

        assert lab.write(other).processed_records == 5


def test_two_reads_into_one_cache_of_one_source_are_refused(lab: Lab) -> None:
    cache = DuckDBCache(lab.folder / "cache.duckdb")
    source = lab.source(script=[step("wait_for", after_record(50), path=lab.folder / "gate")])
    with Waiting(lab, cache=cache), pytest.raises(exc.PyAirbyteStateInUseError):
        source.read(cache, streams="*")

    cache.close()
    assert locks(lab.folder) == []


def test_no_lock_is_left_after_a_failure(lab: Lab) -> None:
    lab.failure(lab.source(script=[step("exit", after_record(5), code=1)]))

    assert locks(lab.folder) == []
