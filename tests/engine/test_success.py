"""What counts as success of a straight write, and what does not."""

from __future__ import annotations

import json
import subprocess

import pytest
from mini import SOURCE_MINI, after_line, after_record, after_state, step, stream, write_config
from syncs import SECRET, SHORT, Lab, is_running

from airbyte_exec import exceptions as exc
from airbyte_exec.strategies import WriteStrategy
from airbyte_exec.types import StreamId

USERS = StreamId("users")


def test_records_and_states_arrive_as_the_bytes_that_the_source_wrote(lab: Lab) -> None:
    source = lab.source()

    result = lab.write(source)

    config = write_config(lab.folder, {**source.get_config(), "path": str(lab.folder / "alone")})
    catalog = write_config(lab.folder, lab.read.catalog, "catalog.json")
    command = [SOURCE_MINI, "read", "--config", config, "--catalog", catalog]
    wrote = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    assert lab.written.lines()[:-1] == [line for line in wrote if json.loads(line)["type"] in ("RECORD", "STATE")]
    records = lab.written.lines("RECORD")
    assert result.processed_records == len(records) == 100
    assert (result.states_sent, result.states_committed) == (10, 10)
    assert result.streams[USERS].status == "complete"
    assert result.streams[USERS].records_read == result.streams[USERS].records_delivered == 100
    assert result.bytes_read == sum(len(line) + 1 for line in [*records, *lab.written.lines("STATE")])
    assert lab.written.saw_eof
    assert lab.written.statuses() == {"users": ["COMPLETE"]}
    assert lab.cursor() == 100


def test_a_trace_error_is_a_failure_also_with_exit_code_0(lab: Lab) -> None:
    source = lab.source(script=[step("trace_error", after_record(55), message="the token is gone")])

    error = lab.failure(source)

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.connector_name == "source-mini"
    assert error.exit_code == 0
    assert "the token is gone" in str(error)


def test_a_trace_error_as_the_very_first_message_is_a_failure(lab: Lab) -> None:
    source = lab.source(script=[step("trace_error", "start", message="auth failed"), step("exit", "start", code=0)])

    error = lab.failure(source)

    assert "auth failed" in error.trace_messages[0]
    assert error.result.processed_records == 0


@pytest.mark.parametrize("without", [["message"], ["error"], ["trace"], ["emitted_at"]])
def test_a_trace_error_counts_however_incomplete_it_is(lab: Lab, without: list[str]) -> None:
    error = lab.failure(lab.source(script=[step("trace_error", after_record(5), without=without)]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert len(error.trace_messages) == 1


def test_a_trace_error_of_the_destination_is_a_failure_also_with_exit_code_0(lab: Lab) -> None:
    error = lab.failure(destination=lab.destination(script=[step("trace_error", "eof", message="disk full")]))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.connector_name == "destination-mini"
    assert "disk full" in str(error)


def test_a_trace_error_of_the_destination_about_one_stream_is_a_failure(lab: Lab) -> None:
    script = [step("trace_error", "eof", message="no such table", stream="users")]

    error = lab.failure(destination=lab.destination(script=script))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "no such table" in str(error)


def test_a_stream_that_is_incomplete_fails_while_the_others_go_on(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20, status="INCOMPLETE"), stream("items", records=30)])

    error = lab.failure(source, write_strategy="append")

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "users" in str(error)
    assert error.result.streams[USERS].status == "failed"
    assert error.result.streams[StreamId("items")].status == "complete"
    assert lab.written.statuses() == {"items": ["COMPLETE"]}
    assert lab.written.saw_eof
    assert (lab.cursor("users"), lab.cursor("items")) == (20, 30)


def test_a_stream_is_told_complete_though_the_end_of_another_may_not_be_told(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20, status="INCOMPLETE"), stream("items", records=30)])

    # It has confirmed all states long before it sees a COMPLETE.
    error = lab.failure(source, lab.destination(read_delay=0.3), write_strategy="replace")

    assert error.result.streams[USERS].status == "failed"
    assert lab.written.statuses() == {"items": ["COMPLETE"]}
    assert not lab.written.saw_eof


def test_a_stream_that_fails_with_a_trace_error_of_its_own_says_why(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20, fails_after=10), stream("items", records=30)])

    error = lab.failure(source, write_strategy="append")

    assert error.result.streams[USERS].status == "failed"
    assert lab.written.statuses() == {"items": ["COMPLETE"]}
    assert error.trace_messages
    assert lab.cursor("users") == 10


def test_incomplete_is_final_also_where_complete_follows(lab: Lab) -> None:
    script = [step("status", {"before_complete": "users"}, stream="users", status="INCOMPLETE")]

    error = lab.failure(lab.source(script=script))

    assert error.result.streams[USERS].status == "failed"


def test_a_stream_without_a_terminal_status_is_complete_with_a_warning(lab: Lab) -> None:
    result = lab.write(lab.source(streams=[stream(status="none"), stream("items", status="off")]))

    assert lab.written.statuses() == {"users": ["COMPLETE"], "items": ["COMPLETE"]}
    (warning,) = [text for text in result.warnings if "taken as complete" in text]
    assert "users" in warning
    assert "items" in warning


def test_an_empty_namespace_in_a_status_means_none(lab: Lab) -> None:
    script = [step("status", {"before_complete": "users"}, stream="users", namespace="", status="INCOMPLETE")]

    error = lab.failure(lab.source(script=script))

    assert error.result.streams[USERS].status == "failed"


@pytest.mark.parametrize(("signal", "exit_code"), [("SIGTERM", -15), ("SIGKILL", -9), ("SIGSEGV", -11)])
def test_a_source_that_is_killed_has_failed(lab: Lab, signal: str, exit_code: int) -> None:
    error = lab.failure(lab.source(script=[step("signal", after_record(55), signal=signal)]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.exit_code == exit_code
    assert signal in str(error)
    assert lab.written.statuses() == {}
    assert error.result.states_committed == 5
    assert lab.cursor() == 50


@pytest.mark.parametrize("code", [1, 143])
def test_a_source_that_exits_with_another_code_than_0_has_failed(lab: Lab, code: int) -> None:
    error = lab.failure(lab.source(script=[step("exit", "end", code=code)]))

    assert error.exit_code == code
    assert f"code {code}" in str(error)
    assert lab.written.statuses() == {}
    assert error.result.streams[USERS].status == "incomplete"


@pytest.mark.parametrize(("signal", "exit_code"), [("SIGTERM", -15), ("SIGKILL", -9)])
def test_a_destination_that_is_killed_has_failed(lab: Lab, signal: str, exit_code: int) -> None:
    error = lab.failure(destination=lab.destination(script=[step("signal", after_line(35), signal=signal)]))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.connector_name == "destination-mini"
    assert error.exit_code == exit_code
    assert signal in str(error)
    assert error.result.states_committed == 3
    assert lab.cursor() == 30


def test_a_destination_that_exits_0_before_the_end_of_its_input_has_failed(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=50_000)], fast=True)

    error = lab.failure(source, lab.destination(script=[step("exit", after_line(2), code=0)]))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "before it got the end of its input" in str(error)
    assert error.result.states_committed == 0
    assert lab.cursor() is None


@pytest.mark.parametrize("echo", ["never", "all_but_last"])
def test_a_destination_that_does_not_confirm_every_state_has_failed(lab: Lab, echo: str) -> None:
    error = lab.failure(destination=lab.destination(echo=echo))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "did not confirm" in str(error)
    assert error.result.streams[USERS].status == "incomplete"
    assert lab.cursor() == {"never": None, "all_but_last": 90}[echo]


def test_an_unenveloped_echo_is_no_confirmation_and_does_not_hang(lab: Lab) -> None:
    error = lab.failure(destination=lab.destination(echo="unenveloped"))

    assert "did not confirm" in str(error)
    assert error.result.noise == {"destination-mini line.unknown-type": 10}


@pytest.mark.parametrize("echo", ["exact", "reserialised", "lossy", "late", "out_of_order", "duplicate", "skip"])
def test_a_state_is_known_again_in_every_form(lab: Lab, echo: str) -> None:
    result = lab.write(lab.source(state_text=r'"n":1e2,"price":1.10,"big":12345678901234567890123,"t":"\u00e9\/"'),
                       lab.destination(echo=echo))  # fmt: skip

    assert result.states_committed == result.states_sent == 10
    known = lab.saved().streams[USERS].state
    assert known is not None
    assert rb'"n":1e2,"price":1.10,"big":12345678901234567890123,"t":"\u00e9\/"' in known
    assert lab.cursor() == 100


@pytest.mark.parametrize("echo", ["invented", "early", "unknown_stream"])
def test_a_state_that_was_never_sent_is_an_error_and_is_not_saved(lab: Lab, echo: str) -> None:
    error = lab.failure(destination=lab.destination(echo=echo))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert "never sent" in str(error)
    assert lab.saved().streams.keys() == {USERS}
    assert lab.cursor() in (None, 10)


def test_no_complete_is_sent_before_the_source_has_exited(lab: Lab) -> None:
    gate = lab.folder / "gate"
    source = lab.source(script=[step("wait_for", "end", path=gate), step("exit", "end", code=1)])
    destination = lab.destination(script=[step("mark", after_state(10), path=gate)])

    error = lab.failure(source, destination, write_strategy="append")

    assert error.exit_code == 1
    assert lab.written.statuses() == {}
    assert error.result.states_committed == 10


@pytest.mark.parametrize("strategy", list(WriteStrategy))
def test_each_strategy_ends_well(lab: Lab, strategy: WriteStrategy) -> None:
    result = lab.write(destination=lab.destination(supports_refreshes=True), write_strategy=strategy)

    assert result.processed_records == 100


def test_the_error_of_the_dead_side_is_raised_and_not_our_broken_pipe(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=200_000)], fast=True)
    script = [step("stderr", after_line(3), text="java.lang.OutOfMemoryError\n"), step("exit", after_line(3), code=3)]

    error = lab.failure(source, lab.destination(script=script))

    assert error.connector_name == "destination-mini"
    assert error.exit_code == 3
    assert error.stderr_tail == ["java.lang.OutOfMemoryError"]
    assert "OutOfMemoryError" in str(error)
    assert "roken pipe" not in str(error)


def test_an_error_says_everything_in_its_own_text(lab: Lab) -> None:
    script = [
        step("stderr", after_record(55), text="Traceback: the real reason\n"),
        step("trace_error", after_record(55), message="it broke", internal_message="KeyError: x"),
        step("exit", after_record(55), code=1),
    ]

    text = str(lab.failure(lab.source(script=script)))

    for said in ("source-mini", "code 1", "it broke", "KeyError: x", "Traceback: the real reason", "5 of 5 states"):
        assert said in text


def test_secrets_are_masked_in_errors_and_logs(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    script = [
        step("noise", after_record(1), text=f"noise {SECRET}"),
        step("log", after_record(2), message=f"log {SECRET}"),
        step("stderr", after_record(3), text=f"stderr {SECRET}\n"),
        step("trace_error", after_record(4), message=f"trace {SECRET}"),
        step("exit", after_record(4), code=1),
    ]

    with caplog.at_level("DEBUG"):
        error = lab.failure(lab.source(script=script, api_key=SECRET))

    assert "stderr ****" in str(error)
    assert "trace ****" in str(error)
    assert "log ****" in caplog.text
    assert "noise ****" in caplog.text
    assert SECRET not in str(error) + repr(error) + caplog.text
    assert error.log_file is not None
    assert error.log_file.read_text(encoding="utf-8") == "stderr ****\n"
    assert error.log_file.stat().st_mode & 0o077 == 0


def test_a_rotated_secret_is_masked_from_the_moment_when_it_is_known(lab: Lab) -> None:
    script = [
        step("control", after_record(1), merge={"api_key": "a-new-and-secret-token"}),
        step("trace_error", after_record(2), message="refused: a-new-and-secret-token"),
    ]

    error = lab.failure(lab.source(script=script, api_key=SECRET))

    assert "refused: ****" in str(error)
    assert "a-new-and-secret-token" not in str(error)


def test_half_a_record_at_the_end_is_an_error(lab: Lab) -> None:
    error = lab.failure(lab.source(script=[step("half_line", after_record(99), exit=0)]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "half a message" in str(error)
    assert error.result.states_committed == 9


def test_a_source_that_dies_in_the_middle_of_a_line_is_said_to_have_died(lab: Lab) -> None:
    error = lab.failure(lab.source(script=[step("half_line", after_record(99), exit=7)]))

    assert error.exit_code == 7
    assert "middle of a line" in str(error)


def test_a_missing_last_newline_is_no_error(lab: Lab) -> None:
    assert lab.write(lab.source(final_newline=False)).processed_records == 100


def test_a_result_keeps_no_connector_alive(lab: Lab) -> None:
    result = lab.write()

    assert not is_running(lab.read.pid)
    assert json.dumps(result.to_dict())
    assert "100 records" in str(result)
    assert result.get_state_provider().get_stream_state("users")["id"] == 100


def test_limits_of_other_kinds_than_seconds_are_refused() -> None:
    with pytest.raises(exc.PyAirbyteInputError):
        type(SHORT)(exit=float("inf"))
