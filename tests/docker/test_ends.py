"""How a container ends: by itself, by a signal, by want of memory, by somebody else's hand, by ours."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker_lab import DockerLab, expect_soon
from mini import after_line, after_record, after_state, step, stream
from syncs import SHORT

from airbyte_exec import exceptions as exc


def reason_of(error: exc.PyAirbyteError) -> Any:
    return (error.context or {}).get("reason")


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGKILL", 137), ("SIGSEGV", 139)])
def test_a_source_that_dies_by_a_signal_has_failed(docker_lab: DockerLab, signal: str, code: int) -> None:
    error = docker_lab.failure(docker_lab.source(script=[step("signal", after_record(55), signal=signal)]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.exit_code == code
    assert docker_lab.written.statuses() == {}
    assert error.result.states_committed == 5
    assert docker_lab.cursor() == 50


@pytest.mark.parametrize(
    "code", [1, *(pytest.param(code, marks=pytest.mark.wide) for code in (2, 126, 127, 143, 255)), 125, 137]
)
def test_an_exit_code_is_the_connectors_own(docker_lab: DockerLab, code: int) -> None:
    error = docker_lab.failure(docker_lab.source(script=[step("exit", "end", code=code)]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.exit_code == code
    assert docker_lab.written.statuses() == {}


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGKILL", 137)])
def test_a_destination_that_dies_by_a_signal_has_failed(docker_lab: DockerLab, signal: str, code: int) -> None:
    script = [step("signal", after_line(35), signal=signal)]

    error = docker_lab.failure(destination=docker_lab.destination(script=script))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.exit_code == code
    assert error.result.states_committed == 3
    assert docker_lab.cursor() == 30


def test_a_source_that_needs_too_much_memory_is_told_so(docker_lab: DockerLab) -> None:
    docker_lab.options = replace(docker_lab.options, memory="48m")
    source = docker_lab.source(script=[step("huge_line", after_record(55), bytes=400_000_000, kind="noise")])

    error = docker_lab.failure(source)

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert (error.exit_code, reason_of(error)) == (137, "out_of_memory")
    assert "memory" in (error.guidance or "")


def test_exit_code_3_is_the_word_of_a_jvm_that_ran_out_of_memory(docker_lab: DockerLab) -> None:
    error = docker_lab.failure(docker_lab.source(script=[step("exit", after_record(55), code=3)]))

    assert (error.exit_code, reason_of(error)) == (3, "out_of_memory")


@pytest.mark.parametrize("how", [("kill",), ("rm", "--force"), ("stop", "--time", "0")], ids=lambda how: how[0])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_container_that_somebody_else_ends_is_a_failure_of_that_side(
    docker_lab: DockerLab, how: tuple[str, ...], side: str
) -> None:
    never = docker_lab.folder / "never"
    source = docker_lab.source(
        script=[step("ignore", "start"), step("wait_for", after_state(2), path=never)], flush="line"
    )

    def end_it() -> None:
        (victim,) = docker_lab.engine.containers(f"label=airbyte-exec.connector={side}-mini", docker_lab.own_filter)
        docker_lab.engine.run(*how, victim)

    error = docker_lab.failure(source, on_progress=once_states_are_committed(2, end_it))

    assert error.connector_name == f"{side}-mini"
    assert isinstance(error, exc.AirbyteConnectorReadError if side == "source" else exc.AirbyteConnectorWriteError)
    assert reason_of(error) == "killed"
    assert error.result.states_committed == 2
    assert docker_lab.cursor() == 20
    assert side == "source" or not docker_lab.written.saw_eof


def once_states_are_committed(number: int, do: Callable[[], None]) -> Callable[[object], None]:
    """Return a listener that does something in a thread of its own, once."""
    done = threading.Event()

    def listen(progress: object) -> None:
        if getattr(progress, "states_committed", 0) >= number and not done.is_set():
            done.set()
            threading.Thread(target=do).start()

    return listen


def test_a_source_that_is_silent_for_too_long_is_stopped(docker_lab: DockerLab) -> None:
    source = docker_lab.source(script=[step("wait_for", after_state(2), path=docker_lab.folder / "never")])

    error = docker_lab.failure(source, limits=replace(SHORT, source_heartbeat=4))

    assert "source_heartbeat" in str(error)
    assert error.result.states_committed == 2
    assert not docker_lab.has_container()


def test_a_source_that_closes_its_output_and_hangs_is_silent_and_stopped(docker_lab: DockerLab) -> None:
    script = [step("close_stdout", "end"), step("hang", "end")]

    error = docker_lab.failure(
        docker_lab.source(script=script), write_strategy="append", limits=replace(SHORT, source_heartbeat=4, exit=0.2)
    )

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert docker_lab.written.statuses() == {}


def test_a_destination_that_closes_its_input_and_hangs_is_stopped(docker_lab: DockerLab) -> None:
    script = [step("close_stdin", after_line(5)), step("hang", "end")]
    source = docker_lab.source(streams=[stream(records=200_000)], fast=True)

    error = docker_lab.failure(
        source, docker_lab.destination(script=script), limits=replace(SHORT, destination_write=4, exit=0.2)
    )

    assert error.connector_name == "destination-mini"


def test_both_containers_are_gone_after_a_cancellation_that_they_ignore(docker_lab: DockerLab) -> None:
    never = docker_lab.folder / "never"
    source = docker_lab.source(script=[step("ignore", "start"), step("wait_for", after_state(2), path=never)])
    destination = docker_lab.destination(script=[step("ignore", "start"), step("hang", after_state(2))])

    class EnoughError(Exception):
        pass

    def stop(progress: object) -> None:
        if getattr(progress, "states_committed", 0) >= 1:
            raise EnoughError

    with pytest.raises(EnoughError):
        docker_lab.write(source, destination, on_progress=stop)

    assert not docker_lab.has_container()
    assert not docker_lab.written.saw_eof


def test_a_config_that_the_connector_replaced_by_another_file_is_read_back(
    docker_lab: DockerLab, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    script = {"check": [step("rewrite_config", "start", merge={"token": "two"}, how="replace")]}
    source = docker_lab.source(script=script, made_with={"config_change_callback": told.append})

    source.check()

    assert [config["token"] for config in told] == ["two"]


def test_a_container_that_nobody_reads_from_any_more_is_gone(docker_lab: DockerLab) -> None:
    source = docker_lab.source(streams=[stream(records=500_000)], fast=True)

    for record in source.get_records("users"):
        if record["id"] == 5:
            break

    expect_soon(lambda: not docker_lab.leftovers(), "the container of a reader that left the loop is still there")
