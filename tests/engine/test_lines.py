"""What becomes of every line that a connector may write, on its way through a write."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from mini import after_record, step, stream
from syncs import Lab

from airbyte_exec import exceptions as exc
from airbyte_exec.types import StreamId

USERS = StreamId("users")

WHOLE = {
    "a lone surrogate": r'{"id":1,"t":"\ud800"}',
    "250 levels": '{"id":1,"t":' + "[" * 250 + "]" * 250 + "}",
    "an integer of 5,000 digits": '{"id":1,"t":' + "9" * 5000 + "}",
    "NaN": '{"id":1,"t":NaN,"u":-Infinity,"v":1e400}',
    "numbers as they are written": '{"id":1,"t":12345678901234567.123456789,"u":1.10,"v":1e2}',
    "a key twice": '{"id":1,"id":2}',
    "no fields": "{}",
    "wrong types": '{"id":"one","updated_at":7}',
}

BROKEN = {
    "no emitted_at": '{"type":"RECORD","record":{"stream":"users","data":{"id":1}}}',
    "a fraction in emitted_at": '{"type":"RECORD","record":{"stream":"users","data":{},"emitted_at":1.5}}',
    "data that is no object": '{"type":"RECORD","record":{"stream":"users","data":[],"emitted_at":1}}',
    "no stream": '{"type":"RECORD","record":{"data":{},"emitted_at":1}}',
    "half an object": '{"type":"RECORD","record":{"stream":"users","data":{"id":1}',
    "noise before it": 'DEBUG {"type":"RECORD","record":{"stream":"users","data":{},"emitted_at":1}}',
    "a state of nothing": '{"type":"STATE","state":{"type":"STREAM"}}',
}

NOISE = ["starting up", "{}", "null", "42", "[1,2", "\rloading\r"]


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())
def test_odd_but_whole_records_pass_to_the_byte(lab: Lab, data: str) -> None:
    lab.write(lab.source(streams=[stream(data=[data])]))

    assert data.encode() in lab.written.input.splitlines()[0]


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_is_an_error_by_default(lab: Lab, line: str) -> None:
    error = lab.failure(lab.source(script=[step("raw", after_record(15), text=line + "\n")]))

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert "cannot be a message" in str(error)
    assert "Line 19" in str(error)  # after STARTED, RUNNING, 15 records and a state
    assert error.result.states_committed == 1


def test_broken_lines_are_kept_to_the_byte_in_quarantine(lab: Lab) -> None:
    steps = [step("raw", after_record(15 + i), text=line + "\n") for i, line in enumerate(BROKEN.values())]
    utf8 = b'{"type":"RECORD","record":{"stream":"users","data":{"t":"\xff"},"emitted_at":1}}\n'
    steps.append(step("raw", after_record(50), raw_b64=base64.b64encode(utf8).decode()))

    result = lab.write(lab.source(script=steps), on_malformed="quarantine")

    (file,) = result.quarantine_files
    assert file.read_bytes() == b"".join(line.encode() + b"\n" for line in BROKEN.values()) + utf8
    assert file.is_relative_to(lab.folder)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    assert result.malformed_lines == len(BROKEN) + 1
    assert result.processed_records == 100


def test_broken_lines_are_counted_and_warned_of(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    steps = [step("raw", after_record(15), text=line + "\n") for line in BROKEN.values()]

    result = lab.write(lab.source(script=steps), on_malformed="warn")

    assert result.malformed_lines == len(BROKEN)
    assert result.quarantine_files == ()
    assert caplog.text.count("malformed line") == len(BROKEN)


def test_half_a_line_at_the_end_may_be_quarantined(lab: Lab) -> None:
    result = lab.write(
        lab.source(script=[step("half_line", {"before_complete": "users"}, text=BROKEN["half an object"], exit=0)]),
        on_malformed="quarantine",
    )

    assert result.malformed_lines == 1
    assert result.processed_records == 100


def test_a_policy_that_is_none_is_refused(lab: Lab) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="on_malformed"):
        lab.write(on_malformed="ignore")


def test_noise_is_counted_and_passes_nothing_on(lab: Lab) -> None:
    steps = [step("noise", after_record(5 + i), text=text) for i, text in enumerate(NOISE)]

    result = lab.write(lab.source(script=steps))

    assert sum(result.noise.values()) == len(NOISE)
    assert {json.loads(line)["type"] for line in lab.written.lines()} == {"RECORD", "STATE", "TRACE"}
    assert len(lab.written.lines()) == 111


def test_an_unknown_type_is_counted_warned_of_and_forwarded_to_nobody(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    result = lab.write(lab.source(script=[step("unknown_type", after_record(5), type="FUTURE", times=3)]))

    assert result.noise == {"source-mini line.unknown-type": 3}
    assert any("FUTURE" in warning for warning in result.warnings)
    assert b"FUTURE" not in lab.written.input
    assert caplog.text.count("FUTURE") == 1


def test_invalid_utf8_in_noise_stops_nothing(lab: Lab) -> None:
    result = lab.write(lab.source(script=[step("invalid_utf8", after_record(5), kind="noise")]))

    assert result.processed_records == 100
    assert result.noise == {"source-mini line.text": 1}


def test_invalid_utf8_in_a_record_loses_nothing_that_came_before(lab: Lab) -> None:
    error = lab.failure(lab.source(script=[step("invalid_utf8", after_record(15), kind="record")]))

    assert "UTF-8" in str(error)
    assert error.result.processed_records == 15
    assert len(lab.written.lines("RECORD")) == 15


def test_a_character_may_be_split_between_two_reads(lab: Lab) -> None:
    half = lab.folder / "half"
    source = lab.source(flush="line", script=[step("split_utf8", after_record(50), wait_for=half)])

    class Half:
        def __call__(self, progress: object) -> None:
            if getattr(progress, "records_read", 0) >= 50:
                half.touch()

    lab.write(source, on_progress=Half())

    assert len(lab.written.lines("RECORD")) == 101


def test_records_end_in_cr_lf_or_lf(lab: Lab) -> None:
    assert lab.write(lab.source(line_end="\r\n")).processed_records == 100


def test_a_line_that_is_too_long_is_an_error_that_names_the_limit(lab: Lab) -> None:
    source = lab.source(script=[step("huge_line", after_record(15), bytes=200_000, kind="record")])

    error = lab.failure(source, max_line=100_000)

    assert "longer than 100000 bytes" in str(error)
    assert "max_line" in str(error)
    assert error.result.states_committed == 1


def test_a_long_line_passes(lab: Lab) -> None:
    source = lab.source(script=[step("huge_line", after_record(15), bytes=8_000_000, kind="record")])

    lab.write(source)

    assert max(map(len, lab.written.lines())) >= 7_999_999


def test_an_echo_that_is_broken_is_an_error_of_the_destination(lab: Lab) -> None:
    script = [step("raw", {"before_state": 3}, text='{"type":"STATE","state":{"type":"STREAM"}}\n')]

    error = lab.failure(destination=lab.destination(script=script))

    assert isinstance(error, exc.AirbyteConnectorWriteError)
    assert error.result.states_committed == 2


def test_records_from_a_destination_are_warned_of(lab: Lab) -> None:
    result = lab.write(destination=lab.destination(script=[step("record", {"before_state": 1}, stream="users")]))

    assert any("wrote records" in warning for warning in result.warnings)


def test_records_and_states_of_unknown_streams_go_nowhere(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    script = [
        step("record", after_record(15), stream="ghost", data={"id": 1}),
        step("record", after_record(16), stream="users", namespace="other", data={"id": 1}),
        step("state", after_record(17), stream="ghost", stream_state={"id": 777}),
    ]

    result = lab.write(lab.source(script=script))

    assert result.unknown_stream_records == {StreamId("ghost"): 2, StreamId("users", "other"): 1}
    assert b"ghost" not in lab.written.input
    assert lab.saved().streams.keys() == {USERS}
    assert any("not in the catalog" in warning for warning in result.warnings)
    assert caplog.text.count("not in the catalog") == 1
    assert result.processed_records == 100


def test_a_selection_reaches_the_catalog_and_nothing_else_passes(lab: Lab) -> None:
    streams = [stream("users", records=20), stream("items", records=20), stream("empty", records=0)]
    source = lab.source(streams=streams)
    source.select_streams(["items"])

    lab.write(source, streams=["empty", "users"])

    names = [entry["stream"]["name"] for entry in lab.written.catalog["streams"]]
    assert names == [entry["stream"]["name"] for entry in lab.read.catalog["streams"]] == ["users", "empty"]
    assert lab.written.records().keys() == {"users"}


def test_quarantine_files_of_two_runs_do_not_meet(lab: Lab, tmp_path: Path) -> None:
    source = lab.source(script=[step("raw", after_record(15), text=BROKEN["no stream"] + "\n")])
    folder = tmp_path / "quarantine"

    files = [
        lab.write(source, on_malformed="quarantine", quarantine_folder=folder, state_cache=False).quarantine_files
        for _ in range(2)
    ]

    assert files[0] != files[1]
    assert len(list(folder.iterdir())) == 2
