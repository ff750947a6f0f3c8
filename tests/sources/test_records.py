"""`get_records`: every record, as it comes, and an end when the caller has enough."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from mini import after_record, last_run, runs, step, stream
from syncs import SECRET, SHORT, Lab, is_running

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.options import SessionOptions


def test_a_loop_over_the_records_yields_every_one(lab: Lab) -> None:
    seen = []
    for record in lab.source().get_records("users"):
        seen.append(record["id"])

    assert seen == list(range(1, 101))


def test_a_sum_over_the_records_counts_every_one(lab: Lab) -> None:
    assert sum(1 for _ in lab.source().get_records("users")) == 100
    assert len(list(lab.source().get_records("users"))) == 100


def test_leaving_the_loop_early_stops_the_child_at_once(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_record(20), path=lab.folder / "never")], flush="line")

    for record in source.get_records("users"):
        if record["id"] == 5:
            break

    assert not is_running(last_run(lab.sent, "read").pid)


def test_closing_stops_a_child_that_is_silent(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_record(20), path=lab.folder / "never")])
    records = source.get_records("users")
    assert next(records)["id"] == 1
    pid = last_run(lab.sent, "read").pid
    assert is_running(pid)

    records.close()

    assert not is_running(pid)


def test_an_event_stops_a_child_that_is_silent(lab: Lab) -> None:
    stop = threading.Event()
    source = lab.source(
        script=[step("wait_for", {"state": 2}, path=lab.folder / "never")],
        streams=[stream(sync_modes=["incremental"])],
    )
    seen = []
    for record in source.get_records("users", stop_event=stop):
        seen.append(record["id"])
        if len(seen) == 20:
            threading.Timer(0, stop.set).start()

    assert seen == list(range(1, 21))


def test_a_limit_ends_the_read(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_record(60), path=lab.folder / "never")])

    assert [record["id"] for record in source.get_records("users", limit=5)] == [1, 2, 3, 4, 5]
    assert list(source.get_records("users", limit=0)) == []


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (step("exit", after_record(55), code=3), "code 3"),
        (step("signal", after_record(55), signal="SIGTERM"), "SIGTERM"),
        (step("trace_error", after_record(55), message="it broke"), "it broke"),
        (step("half_line", after_record(99), exit=0), "half a message"),
        (step("raw", after_record(55), text='{"type":"RECORD","record":{}}\n'), "cannot be a message"),
        (step("status", {"before_complete": "users"}, stream="users"), "INCOMPLETE"),
    ],
)
def test_a_failure_is_raised_after_the_records_before_it(lab: Lab, action: dict[str, Any], said: str) -> None:
    records = lab.source(script=[action], api_key=SECRET).get_records("users")
    seen = []

    with pytest.raises(exc.AirbyteConnectorReadError, match=said) as caught:
        seen.extend(records)

    assert len(seen) >= 55
    assert caught.value.connector_name == "source-mini"


def test_a_source_that_is_silent_for_too_long_is_stopped(lab: Lab) -> None:
    options = SessionOptions(limits=type(SHORT)(source_heartbeat=0.4))
    source = lab.source(
        script=[step("wait_for", after_record(5), path=lab.folder / "never")], made_with={"options": options}
    )

    with pytest.raises(exc.AirbyteConnectorReadError, match="no record and no state"):
        list(source.get_records("users"))


def test_a_stream_that_nobody_has_is_an_error_at_once(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteStreamNotFoundError, match="'users'"):
        lab.source().get_records("user")


def test_a_name_in_two_namespaces_must_say_which(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", namespace="a", records=3), stream("users", namespace="b", records=5)])

    with pytest.raises(exc.PyAirbyteInputError, match=r"'a\.users' or 'b\.users'"):
        source.get_records("users")

    assert len(list(source.get_records("b.users"))) == 5


def test_records_of_other_streams_are_left_out_with_a_warning(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    script = [step("record", after_record(5), stream="ghost", data={"id": 1}, times=3)]

    assert len(list(lab.source(script=script).get_records("users"))) == 100
    assert caplog.text.count("ghost") == 1


def test_a_read_of_records_uses_and_keeps_no_state(lab: Lab) -> None:
    source = lab.source()
    lab.write(source)

    assert len(list(source.get_records("users"))) == 100
    assert last_run(lab.sent, "read").state is None
    assert lab.write(source).processed_records == 0


def test_an_iteration_that_never_begins_starts_nothing(lab: Lab) -> None:
    lab.source().get_records("users").close()

    assert runs(lab.sent, "read") == []


def test_a_record_tells_when_it_was_emitted(lab: Lab) -> None:
    data = ['{"id":1}', '{"id":2}']
    script = [step("record", after_record(1), stream="users", data={"id": 3}, more={"emitted_at": 10**18})]

    first, odd, _ = lab.source(streams=[stream(data=data)], script=script).get_records("users")

    assert first["_airbyte_extracted_at"] == datetime.fromtimestamp(1_700_000_000, tz=UTC)
    assert odd["id"] == 3


def test_odd_values_are_read(lab: Lab) -> None:
    data = [r'{"id":1,"t":"\ud800","n":NaN,"big":12345678901234567890123}']

    (record,) = lab.source(streams=[stream(data=data)]).get_records("users", prune_undeclared_fields=False)

    assert record["big"] == 12345678901234567890123
    assert record["t"] == "\ud800"
