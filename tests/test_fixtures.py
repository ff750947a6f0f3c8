"""The scripted connectors do what their scripts say, and behave well without one."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from mini import (
    DESTINATION_MINI,
    FIXTURES,
    SOURCE_MINI,
    after_line,
    after_record,
    after_state,
    destination_config,
    last_run,
    runs,
    source_config,
    step,
    stored_records,
    stream,
    write_catalog,
    write_config,
)

from airbyte_exec.protocol import resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]
LIMIT_S = 30
SOURCE_SRC = FIXTURES / "source-mini" / "src"
DESTINATION_SRC = FIXTURES / "destination-mini" / "src"


class Mini:
    """Runs the two connectors with files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[subprocess.Popen[bytes]] = []

    def argv(self, program: Path, command: str, config: Json, catalog: Path | None, state: Any) -> list[str]:
        folder = self.folder / program.name  # the two may run at once
        argv = [str(program), command, "--config", str(write_config(folder, config))]

        if command in {"read", "write"}:
            argv += ["--catalog", str(catalog or write_catalog(folder))]

        if state is not None:
            path = folder / "state.json"
            path.write_text(json.dumps(state), encoding="utf-8")
            argv += ["--state", str(path)]

        return argv

    def source(
        self, config: Json, command: str = "read", *, catalog: Path | None = None, state: Any = None
    ) -> subprocess.CompletedProcess[bytes]:
        argv = self.argv(SOURCE_MINI, command, config, catalog, state)
        return subprocess.run(argv, capture_output=True, timeout=LIMIT_S, check=False)

    def destination(
        self, config: Json, data: bytes = b"", command: str = "write", *, catalog: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        argv = self.argv(DESTINATION_MINI, command, config, catalog, None)
        return subprocess.run(argv, input=data, capture_output=True, timeout=LIMIT_S, check=False)

    def start(self, program: Path, config: Json, command: str) -> subprocess.Popen[bytes]:
        argv = self.argv(program, command, config, None, None)
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.children.append(child)
        return child


@pytest.fixture
def mini(tmp_path: Path) -> Iterator[Mini]:
    found = Mini(tmp_path)
    yield found

    for child in found.children:
        if child.poll() is None:
            child.kill()

        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()

        child.wait(LIMIT_S)


def messages(output: bytes, kind: str | None = None) -> list[Json]:
    found = [json.loads(line) for line in output.splitlines()]
    return found if kind is None else [message for message in found if message["type"] == kind]


def ids(output: bytes, name: str = "users") -> list[int]:
    records = [message["record"] for message in messages(output, "RECORD")]
    return [record["data"]["id"] for record in records if record["stream"] == name]


def states(output: bytes) -> list[Json]:
    return [message["state"] for message in messages(output, "STATE")]


def positions(output: bytes) -> list[int]:
    return [state["stream"]["stream_state"]["id"] for state in states(output)]


def statuses(output: bytes, name: str = "users") -> list[str]:
    found = [message["trace"].get("stream_status") for message in messages(output, "TRACE")]
    return [body["status"] for body in found if body and body["stream_descriptor"]["name"] == name]


def read(mini: Mini, state: Any = None, **settings: Any) -> bytes:
    """Read the users, without a fault."""
    done = mini.source(source_config(**settings), state=state)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The source without a script


def test_each_command_of_the_source_gives_its_one_answer(mini: Mini) -> None:
    config = source_config()
    spec = subprocess.run([SOURCE_MINI, "spec"], capture_output=True, timeout=LIMIT_S, check=True)
    (answer,) = messages(spec.stdout)
    properties = answer["spec"]["connectionSpecification"]["properties"]
    assert properties["api_key"]["airbyte_secret"] is True
    assert answer["spec"]["connectionSpecification"]["additionalProperties"] is True

    (status,) = messages(mini.source(config, "check").stdout)
    assert status["connectionStatus"] == {"status": "SUCCEEDED"}

    (catalog,) = messages(mini.source(config, "discover").stdout)
    (found,) = catalog["catalog"]["streams"]
    assert found["name"] == "users"
    assert found["supported_sync_modes"] == ["full_refresh", "incremental"]
    assert "namespace" not in found


def test_a_read_has_every_record_its_states_and_its_statuses(mini: Mini) -> None:
    output = read(mini, streams=[stream(records=25)])

    assert ids(output) == list(range(1, 26))
    assert positions(output) == [10, 20, 25]
    assert [str(state["sourceStats"]["recordCount"]) for state in states(output)] == ["10.0", "10.0", "5.0"]
    assert statuses(output) == ["STARTED", "RUNNING", "COMPLETE"]
    assert messages(output)[-1]["trace"]["stream_status"]["status"] == "COMPLETE"


def test_two_reads_write_the_same_bytes(mini: Mini) -> None:
    assert read(mini) == read(mini)


def test_the_records_hold_what_is_lost_on_the_way_through_a_float(mini: Mini) -> None:
    output = read(mini, streams=[stream(records=9)])

    assert b'"big":12345678901234567890124' in output
    assert b'"price":1.10' in output
    assert "李雷".encode() in output


def test_an_incremental_read_continues_where_the_state_is(mini: Mini) -> None:
    output = read(mini, state=states(read(mini))[4:5])

    assert ids(output) == list(range(51, 101))


def test_an_incremental_read_with_nothing_new_still_gives_a_state(mini: Mini) -> None:
    output = read(mini, state=states(read(mini))[-1:])

    assert ids(output) == []
    assert positions(output) == [100]


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_read_continues_from_states_of_older_kinds(mini: Mini, kind: Any) -> None:
    state = states(read(mini, state_type=kind))[2]
    output = read(mini, state_type=kind, state=[state])

    assert ("type" in state) == (kind == "GLOBAL")
    assert ids(output) == list(range(31, 101))


def test_a_global_state_counts_all_streams(mini: Mini) -> None:
    streams = [stream("a", records=15), stream("b", records=10, namespace="ns")]
    config = source_config(streams=streams, state_type="GLOBAL")
    output = mini.source(config, catalog=write_catalog(mini.folder, *streams)).stdout
    last = states(output)[-1]["global"]

    assert sum(state["sourceStats"]["recordCount"] for state in states(output)) == 25
    assert last["shared_state"] == {"lsn": 25}
    assert [part["stream_descriptor"] for part in last["stream_states"]] == [
        {"name": "a"},
        {"name": "b", "namespace": "ns"},
    ]


def test_a_full_refresh_that_cannot_resume_gives_one_state_and_starts_anew(mini: Mini) -> None:
    users = stream(sync_modes=["full_refresh"])
    catalog = write_catalog(mini.folder, users)
    first = mini.source(source_config(streams=[users]), catalog=catalog).stdout
    again = mini.source(source_config(streams=[users]), catalog=catalog, state=states(first)).stdout

    assert len(states(first)) == 1
    assert len(ids(again)) == 100


def test_a_full_refresh_that_is_complete_answers_with_no_records(mini: Mini) -> None:
    users = stream(sync_modes=["full_refresh"], resumable=True)
    catalog = write_catalog(mini.folder, users)
    first = states(mini.source(source_config(streams=[users]), catalog=catalog).stdout)
    complete = mini.source(source_config(streams=[users]), catalog=catalog, state=first[-1:]).stdout
    half = mini.source(source_config(streams=[users]), catalog=catalog, state=first[4:5]).stdout

    assert ids(complete) == []
    assert states(complete)[-1]["stream"] == first[-1]["stream"]
    assert ids(half) == list(range(51, 101))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "no list of states"),
        ([{"type": "GLOBAL", "global_": {}}], "global_"),
        ([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}, "global": None}], "nulls"),
        ([{"type": "STATE", "state": {}}], "no AirbyteStateMessage"),
        ([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}}] * 2, "two states"),
        ([{"data": {}}, {"type": "GLOBAL", "global": {"stream_states": []}}], "mixes"),
    ],
)
def test_a_state_document_that_is_not_the_protocols_is_refused(mini: Mini, document: Any, reason: str) -> None:
    done = mini.source(source_config(), state=document)

    assert done.returncode == 1
    assert reason in messages(done.stdout)[-1]["trace"]["error"]["message"]


def test_a_catalog_that_asks_for_what_is_not_there_is_refused(mini: Mini) -> None:
    config = source_config(streams=[stream(sync_modes=["full_refresh"])])
    wrong_mode = mini.source(config)
    no_stream = mini.source(config, catalog=write_catalog(mini.folder, stream("nope")))

    assert (wrong_mode.returncode, no_stream.returncode) == (1, 1)
    assert "not incremental" in messages(wrong_mode.stdout)[-1]["trace"]["error"]["message"]
    assert "nope" in messages(no_stream.stdout)[-1]["trace"]["error"]["message"]


def test_fast_mode_writes_the_same_ids_and_states(mini: Mini) -> None:
    slow = read(mini, streams=[stream(records=2_345)], state_every=100)
    fast = read(mini, streams=[stream(records=2_345)], state_every=100, fast=True)

    assert ids(fast) == ids(slow)
    assert states(fast) == states(slow)
    assert messages(fast, "RECORD")[0]["record"]["data"].keys() == {"id", "name", "updated_at", "pad"}


def test_fast_mode_stops_where_a_step_stands(mini: Mini) -> None:
    script = [step("noise", after_record(123)), step("exit", after_record(1_234), code=5)]
    done = mini.source(source_config(streams=[stream(records=5_000)], state_every=0, fast=True, script=script))
    lines = done.stdout.splitlines()

    assert done.returncode == 5
    assert lines.index(b"DEBUG this is not a message") == 2 + 123
    assert len(lines) == 2 + 1_234 + 1


def test_streams_can_take_turns(mini: Mini) -> None:
    streams = [stream("a", records=3), stream("b", records=2)]
    config = source_config(streams=streams, interleave=True)
    output = mini.source(config, catalog=write_catalog(mini.folder, *streams)).stdout

    assert [message["record"]["stream"] for message in messages(output, "RECORD")] == ["a", "b", "a", "b", "a"]


def test_the_last_state_of_all_streams_that_take_turns_has_where_each_one_ended(mini: Mini) -> None:
    streams = [stream("a", records=17), stream("b", records=17)]
    config = source_config(streams=streams, interleave=True, state_type="GLOBAL", state_every=10)
    output = mini.source(config, catalog=write_catalog(mini.folder, *streams)).stdout

    last = messages(output, "STATE")[-1]["state"]["global"]["stream_states"]
    assert [entry["stream_state"]["id"] for entry in last] == [17, 17]


def test_explicit_records_are_written_as_they_are(mini: Mini) -> None:
    output = read(mini, streams=[stream(data=['{"id": 1e2, "x": NaN}', {"id": 2}])])

    assert b'"data":{"id": 1e2, "x": NaN},' in output
    assert b'"data":{"id":2},' in output


def test_records_can_be_wide_and_heavy(mini: Mini) -> None:
    output = read(mini, streams=[stream(records=1, width=500, pad=1_000)])
    data = messages(output, "RECORD")[0]["record"]["data"]

    assert data["field_499"] == 499
    assert len(data["pad"]) == 1_000


def test_a_failing_stream_lets_the_others_go_on(mini: Mini) -> None:
    streams = [stream("a", fails_after=15), stream("b", records=5)]
    output = mini.source(source_config(streams=streams), catalog=write_catalog(mini.folder, *streams)).stdout
    (error,) = [m["trace"]["error"] for m in messages(output, "TRACE") if m["trace"]["type"] == "ERROR"]

    assert error["stream_descriptor"] == {"name": "a"}
    assert statuses(output, "a")[-1] == "INCOMPLETE"
    assert statuses(output, "b")[-1] == "COMPLETE"
    assert len(ids(output, "a")) == 15


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("COMPLETE", ["STARTED", "RUNNING", "COMPLETE"]),
        ("INCOMPLETE", ["STARTED", "RUNNING", "INCOMPLETE"]),
        ("none", ["STARTED", "RUNNING"]),
        ("off", []),
    ],
)
def test_a_stream_can_end_with_any_status(mini: Mini, status: str, expected: list[str]) -> None:
    assert statuses(read(mini, streams=[stream(status=status)])) == expected


@pytest.mark.parametrize(("stats", "shown"), [("right", "10.0"), ("wrong", "11.0"), ("int", "10")])
def test_source_stats_can_be_right_or_wrong(mini: Mini, stats: str, shown: str) -> None:
    assert f'"recordCount":{shown}}}'.encode() in read(mini, source_stats=stats)


def test_states_can_carry_any_json_text(mini: Mini) -> None:
    text = '"x":1e2,"é":1.10'

    assert f"{text}}}".encode() in read(mini, state_text=text)


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_without_a_script_every_line_is_a_message_of_the_protocol(mini: Mini, kind: Any) -> None:
    streams = [stream("a", records=12), stream("b", records=12, namespace="ns", fails_after=5)]
    config = source_config(streams=streams, state_type=kind)
    catalog = write_catalog(mini.folder, *streams)
    output = mini.source(config, catalog=catalog).stdout
    echoed = mini.destination(
        destination_config(echo="reserialised", destination_stats="right"), output, catalog=catalog
    )
    answers = [mini.source(config, command).stdout for command in ("check", "discover")]
    check = resources.validator("message")

    for line in b"".join([output, echoed.stdout, *answers]).splitlines():
        check.validate(json.loads(line))

    resources.validator("configured_catalog").validate(json.loads(catalog.read_bytes()))


# The source's faults


def after_five(mini: Mini, do: str, **details: Any) -> bytes:
    """Return what is written between records 5 and 6."""
    script = [step("noise", after_record(5), text="<"), step(do, after_record(5), **details)]
    script.append(step("noise", after_record(5), text=">"))
    done = mini.source(source_config(streams=[stream(records=6)], script=script, state_every=2))
    assert done.returncode == 0, done.stderr
    return done.stdout.split(b"<\n")[1].split(b">\n")[0]


@pytest.mark.parametrize(
    ("do", "details", "expected"),
    [
        ("raw", {"text": "abc\n"}, b"abc\n"),
        ("raw", {"raw_b64": "/wA="}, b"\xff\x00"),
        ("noise", {"text": "hello", "times": 2}, b"hello\nhello\n"),
        ("glue", {"text": "DEBUG "}, b"DEBUG "),
        ("half_line", {"text": "0123456789"}, b"01234"),
        ("message", {"message": {"type": "LOG"}}, b'{"type":"LOG"}\n'),
        ("huge_line", {"bytes": 70_000, "kind": "noise"}, b"x" * 70_000 + b"\n"),
        ("invalid_utf8", {"kind": "noise"}, b"DEBUG \xff\xfe\xc3(\n"),
        ("stderr", {}, b""),
        ("close_stderr", {}, b""),
        ("sleep", {"seconds": 0}, b""),
    ],
)
def test_a_step_writes_these_bytes(mini: Mini, do: str, details: Json, expected: bytes) -> None:
    assert after_five(mini, do, **details) == expected


def error_of(message: Json) -> Any:
    return message["trace"]["error"]


@pytest.mark.parametrize(
    ("do", "details", "is_right"),
    [
        ("unknown_type", {}, lambda m: m["type"] == "HOLOGRAM"),
        ("record", {"stream": "ghost"}, lambda m: m["record"]["stream"] == "ghost"),
        ("record", {"data": 1, "more": {"emitted_at": 1.5}}, lambda m: m["record"]["emitted_at"] == 1.5),
        ("huge_line", {"bytes": 70_000}, lambda m: len(m["record"]["data"]["filler"]) > 69_000),
        ("huge_line", {"bytes": 7_000, "kind": "state"}, lambda m: m["type"] == "STATE"),
        ("split_utf8", {"pause": 0}, lambda m: m["record"]["data"]["text"] == "price in €"),
        ("state", {"stream": "ghost"}, lambda m: m["state"]["stream"]["stream_descriptor"]["name"] == "ghost"),
        ("state", {"bare": True}, lambda m: m["type"] == "STREAM"),
        ("repeat_state", {}, lambda m: m["state"]["stream"]["stream_state"]["id"] == 4),
        ("repeat_state", {"back": 1}, lambda m: m["state"]["stream"]["stream_state"]["id"] == 2),
        ("repeat_state", {"bare": True}, lambda m: m["stream"]["stream_state"]["id"] == 4),
        ("trace_error", {"message": "no"}, lambda m: error_of(m)["message"] == "no"),
        ("trace_error", {"stream": "a"}, lambda m: error_of(m)["stream_descriptor"] == {"name": "a"}),
        ("trace_error", {"without": ["message"]}, lambda m: "message" not in error_of(m)),
        ("trace_error", {"without": ["error"]}, lambda m: "error" not in m["trace"]),
        ("trace_error", {"without": ["trace"]}, lambda m: m == {"type": "TRACE"}),
        ("status", {}, lambda m: m["trace"]["stream_status"]["status"] == "INCOMPLETE"),
        ("log", {"level": "ERROR"}, lambda m: m["log"]["level"] == "ERROR"),
        ("control", {"config": {"a": 1}}, lambda m: m["control"]["connectorConfig"]["config"] == {"a": 1}),
        ("control", {"merge": {"a": 1}}, lambda m: "streams" in m["control"]["connectorConfig"]["config"]),
        ("estimate", {}, lambda m: m["trace"]["estimate"]["row_estimate"] == 100),
        ("analytics", {}, lambda m: m["trace"]["analytics"]["type"] == "mini"),
        ("connection_status", {}, lambda m: m["connectionStatus"]["status"] == "FAILED"),
        ("report", {"what": ["argv"]}, lambda m: "read" in json.loads(m["log"]["message"])["argv"]),
    ],
)
def test_a_step_writes_this_message(mini: Mini, do: str, details: Json, is_right: Callable[[Json], bool]) -> None:
    (message,) = messages(after_five(mini, do, **details))
    assert is_right(message), message


def test_invalid_utf8_stands_in_a_record(mini: Mini) -> None:
    line = after_five(mini, "invalid_utf8")

    assert line.startswith(b'{"type":"RECORD"')
    with pytest.raises(UnicodeDecodeError):
        line.decode()


def test_half_a_record_is_the_last_that_the_source_writes(mini: Mini) -> None:
    script = [step("half_line", after_record(5), exit=0)]
    done = mini.source(source_config(script=script))
    *_whole, last = done.stdout.split(b"\n")

    assert done.returncode == 0
    assert last.startswith(b'{"type":"RECORD","record":{"stream":"users","data":{"id":6,')
    assert not last.endswith(b"}")


def test_records_and_states_can_be_left_out(mini: Mini) -> None:
    for fast in (False, True):
        script = [step("drop_records", after_record(5), count=2), step("drop_states", after_state(1))]
        output = read(mini, streams=[stream(records=30)], script=script, fast=fast)

        assert ids(output) == [*range(1, 6), *range(8, 31)]
        assert positions(output) == [10, 30]


def test_lines_can_end_in_crlf_and_the_last_one_in_nothing(mini: Mini) -> None:
    plain = read(mini, streams=[stream(records=5)])

    assert read(mini, streams=[stream(records=5)], line_end="\r\n") == plain.replace(b"\n", b"\r\n")
    assert read(mini, streams=[stream(records=5)], final_newline=False) == plain[:-1]
    assert read(mini, streams=[stream(records=5)], flush="line") == plain


@pytest.mark.parametrize(
    ("do", "details", "code"),
    [
        ("exit", {"code": 3}, 3),
        ("exit", {}, 0),
        ("signal", {}, -signal.SIGKILL),
        ("signal", {"signal": "SIGTERM"}, -signal.SIGTERM),
        ("signal", {"signal": 11}, -signal.SIGSEGV),
    ],
)
def test_the_source_can_die_in_the_middle(mini: Mini, do: str, details: Json, code: int) -> None:
    done = mini.source(source_config(script=[step(do, after_record(5), **details)]))

    assert done.returncode == code
    assert ids(done.stdout) == [1, 2, 3, 4, 5]


def test_an_exit_code_can_follow_a_whole_read(mini: Mini) -> None:
    done = mini.source(source_config(exit_code=4))

    assert done.returncode == 4
    assert statuses(done.stdout)[-1] == "COMPLETE"


def test_positions_stand_before_and_after_states_and_streams(mini: Mini) -> None:
    where: list[Any] = ["start", {"before_stream": "users"}, {"before_state": 1}, {"state": 1}]
    where += [{"before_complete": "users"}, {"after_stream": "users"}, "end"]
    script = [step("noise", at, text=f"here {number}") for number, at in enumerate(where)]
    lines = mini.source(source_config(streams=[stream(records=1)], script=script)).stdout.splitlines()
    seen = [line.decode() if line.startswith(b"here") else json.loads(line)["type"] for line in lines]

    assert seen == [
        "here 0", "here 1", "TRACE", "TRACE", "RECORD", "here 2", "STATE", "here 3", "here 4", "TRACE",
        "here 5", "here 6",
    ]  # fmt: skip


def test_a_position_can_count_in_one_stream_or_again_and_again(mini: Mini) -> None:
    streams = [stream("a", records=4), stream("b", records=4)]
    script = [step("noise", after_record(2, "b"), text="in b"), step("noise", {"every": 3}, text="third")]
    config = source_config(streams=streams, script=script, state_type="NONE")
    lines = mini.source(config, catalog=write_catalog(mini.folder, *streams)).stdout.splitlines()
    records = [line for line in lines if b"TRACE" not in line]

    assert [number for number, line in enumerate(records) if line == b"third"] == [3, 8]
    assert records.index(b"in b") == 4 + 1 + 2


def test_a_mark_is_written_after_what_stands_before_it(mini: Mini) -> None:
    mark, go_on = mini.folder / "reached", mini.folder / "go_on"
    script = [step("mark", after_record(5), path=mark), step("wait_for", after_record(5), path=go_on)]
    child = mini.start(SOURCE_MINI, source_config(script=script, state_type="NONE"), "read")
    assert child.stdout is not None
    first = b"".join(child.stdout.readline() for _ in range(7))

    os.mkfifo(go_on)
    writer = os.open(go_on, os.O_WRONLY)  # opens when the source reads it
    os.close(writer)
    rest = child.stdout.read()

    assert mark.exists()
    assert ids(first) == [1, 2, 3, 4, 5]
    assert ids(rest) == list(range(6, 101))


def test_sigterm_can_be_ignored(mini: Mini) -> None:
    go_on = mini.folder / "go_on"
    script = [step("ignore"), step("wait_for", after_record(5), path=go_on)]
    child = mini.start(SOURCE_MINI, source_config(script=script), "read")
    assert child.stdout is not None

    while b'"id":5,' not in child.stdout.readline():
        pass

    child.send_signal(signal.SIGTERM)
    go_on.touch()
    assert child.wait(LIMIT_S) == 0


def test_sigterm_can_be_answered_with_an_exit_code(mini: Mini) -> None:
    script = [step("exit_on"), step("hang", after_record(5))]
    child = mini.start(SOURCE_MINI, source_config(script=script), "read")
    assert child.stdout is not None

    while b'"id":5,' not in child.stdout.readline():
        pass

    child.send_signal(signal.SIGTERM)
    assert child.wait(LIMIT_S) == 143


def test_stdout_can_be_closed_while_the_source_lives_on(mini: Mini) -> None:
    script = [step("close_stdout", after_record(5)), step("hang", "end")]
    child = mini.start(SOURCE_MINI, source_config(script=script), "read")
    assert child.stdout is not None

    assert ids(child.stdout.read()) == [1, 2, 3, 4, 5]
    assert child.poll() is None


@pytest.mark.parametrize("how", [{}, {"setsid": True}, {"orphan": True, "setsid": True, "clean_env": True}])
def test_a_grandchild_holds_stdout_after_the_source_is_gone(mini: Mini, how: Json) -> None:
    pid_file = mini.folder / "pid"
    script = [step("grandchild", after_record(5), pid_file=pid_file, ignore_sigterm=True, **how)]
    child = mini.start(SOURCE_MINI, source_config(script=script), "read")
    assert child.stdout is not None
    assert child.wait(LIMIT_S) == 0
    pid = int(pid_file.read_text(encoding="utf-8"))

    try:
        os.kill(pid, 0)
        assert (os.getsid(pid) == os.getsid(0)) == (not how)
    finally:
        os.kill(pid, signal.SIGKILL)

    assert len(ids(child.stdout.read())) == 100  # which ends only as the grandchild is gone


def test_stderr_can_be_flooded(mini: Mini) -> None:
    done = mini.source(source_config(script=[step("stderr_flood", after_record(5), mb=3)]))

    assert len(done.stderr) == 3 * 1024 * 1024
    assert len(ids(done.stdout)) == 100


@pytest.mark.parametrize("how", ["in_place", "replace"])
def test_the_config_file_can_be_rewritten(mini: Mini, how: str) -> None:
    config = source_config(script=[step("rewrite_config", merge={"token": "new"}, how=how)])
    assert mini.source(config).returncode == 0

    written = json.loads((mini.folder / "source-mini" / "config.json").read_text(encoding="utf-8"))
    assert written == config | {"token": "new"}


def test_each_command_has_its_own_script(mini: Mini) -> None:
    config = source_config(
        script={"check": [step("trace_error")], "discover": [step("log")]}, check="silent", exit_code=1
    )
    check, discover = mini.source(config, "check"), mini.source(config, "discover")

    assert [message["type"] for message in messages(check.stdout)] == ["TRACE"]
    assert [message["type"] for message in messages(discover.stdout)] == ["LOG", "CATALOG"]
    assert check.returncode == 1


def test_check_and_discover_answer_what_the_config_says(mini: Mini) -> None:
    config = source_config(check={"status": "FAILED", "message": "wrong key"}, discover={"streams": []})

    assert messages(mini.source(config, "check").stdout)[0]["connectionStatus"] == config["check"]
    assert messages(mini.source(config, "discover").stdout)[0]["catalog"] == {"streams": []}


def test_spec_is_scripted_by_an_environment_variable(mini: Mini, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"connectionSpecification": {"type": "object", "properties": {"k": {"airbyte_secret": True}}}}
    out = mini.folder / "out"
    settings = {"spec": spec, "script": {"spec": [step("log")]}, "path": str(out)}

    for program, name in ((SOURCE_MINI, "SOURCE_MINI_SCRIPT"), (DESTINATION_MINI, "DESTINATION_MINI_SCRIPT")):
        monkeypatch.setenv(name, str(write_config(mini.folder, settings, "script.json")))
        done = subprocess.run([program, "spec"], capture_output=True, timeout=LIMIT_S, check=True)
        assert [message["type"] for message in messages(done.stdout)] == ["LOG", "SPEC"]
        assert messages(done.stdout)[1]["spec"] == spec

    assert len(runs(out, "spec")) == 2


def test_a_script_can_change_while_the_config_does_not(mini: Mini) -> None:
    script_file = mini.folder / "later.json"
    config = source_config(script_file=str(script_file))
    assert mini.source(config).returncode == 0

    write_config(mini.folder, {"exit_code": 6}, "later.json")
    assert mini.source(config).returncode == 6


def test_a_step_can_be_done_once_or_only_where_a_state_was_given(mini: Mini) -> None:
    once = step("exit", after_record(5), code=7, once=mini.folder / "done")
    assert [mini.source(source_config(script=[once])).returncode for _ in range(2)] == [7, 0]

    with_state = source_config(script=[step("exit", after_record(5), code=7, when="with_state")])
    first = mini.source(with_state)
    assert first.returncode == 0
    assert mini.source(with_state, state=states(first.stdout)[:1]).returncode == 7


def test_a_run_keeps_what_it_was_called_with(mini: Mini) -> None:
    out = mini.folder / "out"
    config = source_config(path=out)
    state = states(mini.source(config).stdout)[-1:]
    mini.source(config, state=state)
    first, second = runs(out, "read")

    assert first.state is None
    assert second.state == state
    assert second.config == config
    assert second.catalog["streams"][0]["stream"]["name"] == "users"
    assert second.launch["files"]["config"]["mode"] == "0o600"
    assert second.launch["argv"][1] == "read"
    assert first.pid != second.pid
    assert {0, 1, 2} <= set(second.launch["fds"])


@pytest.mark.parametrize(
    "argv", [[], ["write"], ["read", "--config", "x"], ["check"], ["spec", "--config", "x"], ["check", "x"]]
)
def test_another_command_line_is_refused(argv: list[str]) -> None:
    done = subprocess.run([SOURCE_MINI, *argv], capture_output=True, timeout=LIMIT_S, check=False)

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"source-mini: ")


def test_an_unknown_action_is_told(mini: Mini) -> None:
    done = mini.source(source_config(script=[step("dance")]))

    assert done.returncode == 1
    assert b"no such action: 'dance'" in done.stderr


# The destination


def test_the_destination_keeps_stdin_byte_for_byte_and_echoes_each_state(mini: Mini) -> None:
    data = read(mini, streams=[stream(records=25)])
    done = mini.destination(destination_config(mini.folder / "out"), data)
    run = last_run(mini.folder / "out")

    assert done.returncode == 0
    assert run.input == data
    assert run.saw_eof
    assert done.stdout.splitlines() == run.lines("STATE")
    assert [record["id"] for record in run.records()["users"]] == list(range(1, 26))
    assert run.statuses() == {"users": ["STARTED", "RUNNING", "COMPLETE"]}


def test_an_echo_comes_after_what_stands_before_it_is_stored(mini: Mini) -> None:
    child = mini.start(DESTINATION_MINI, destination_config(mini.folder / "out"), "write")
    assert child.stdin is not None
    assert child.stdout is not None
    data = read(mini, streams=[stream(records=10)])
    child.stdin.write(data)

    assert positions(child.stdout.readline()) == [10]
    child.kill()
    child.wait(LIMIT_S)
    run = last_run(mini.folder / "out")
    assert run.input.startswith(data[: data.index(b'{"type":"STATE"')])
    assert not run.saw_eof


def test_the_records_of_several_writes_stand_one_after_the_other(mini: Mini) -> None:
    out = mini.folder / "out"
    data = read(mini, streams=[stream(records=2)])
    mini.destination(destination_config(out), data)
    mini.destination(destination_config(out), data)

    assert [record["id"] for record in stored_records(out)["users"]] == [1, 2, 1, 2]
    assert len(runs(out)) == 2


@pytest.mark.parametrize(
    ("echo", "expected"),
    [
        ("exact", [10, 20, 30, 35]),
        ("late", [10, 20, 30, 35]),
        ("out_of_order", [20, 10, 35, 30]),
        ("skip", [20, 35]),
        ("all_but_last", [10, 20, 30]),
        ("never", []),
        ("duplicate", [10, 10, 20, 20, 30, 30, 35, 35]),
        ("invented", [10, None, 20, None, 30, None, 35, None]),
        ("unknown_stream", [10, 777, 20, 777, 30, 777, 35, 777]),
        ("early", [777, 10, 20, 30, 35]),
    ],
)
def test_states_are_echoed_in_every_right_and_wrong_way(mini: Mini, echo: str, expected: list[int]) -> None:
    data = read(mini, streams=[stream(records=35)])
    output = mini.destination(destination_config(echo=echo), data).stdout

    assert [state["stream"]["stream_state"].get("id") for state in states(output)] == expected


def test_a_skipped_last_state_is_echoed_at_the_end_of_input(mini: Mini) -> None:
    data = read(mini, streams=[stream(records=30)])

    assert positions(mini.destination(destination_config(echo="skip"), data).stdout) == [20, 30]


def test_states_can_be_echoed_without_their_envelope(mini: Mini) -> None:
    output = mini.destination(destination_config(echo="unenveloped"), read(mini)).stdout

    assert {json.loads(line)["type"] for line in output.splitlines()} == {"STREAM"}


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_a_reserialised_state_is_the_same_value_in_other_bytes(mini: Mini, kind: Any) -> None:
    text = '"a":1.10,"b":1e2,"c":12345678901234567.123456789,"d":123456789012345678901,"e":"é","f":0.00001'
    data = read(mini, streams=[stream(records=25)], state_text=text, state_type=kind)
    output = mini.destination(destination_config(echo="reserialised"), data).stdout
    sent = [line for line in data.splitlines() if b'"STATE"' in line]
    came = output.splitlines()

    assert came != sent
    assert [exact(line) for line in came] == [exact(line) for line in sent]
    assert b"1.10" not in output
    assert b"\\u00e9" in output


def exact(line: bytes) -> Any:
    return json.loads(line, parse_float=Decimal, parse_int=Decimal)


def test_a_lossy_echo_rounds_as_a_float_does(mini: Mini) -> None:
    data = read(mini, state_text='"c":12345678901234567.123456789')

    assert b"1.2345678901234568e+16" in mini.destination(destination_config(echo="lossy"), data).stdout


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL"])
@pytest.mark.parametrize("echo", ["exact", "reserialised"])
@pytest.mark.parametrize(("stats", "expected"), [("right", [10, 10, 5]), ("wrong", [9, 9, 4])])
def test_destination_stats_can_be_right_or_wrong(
    mini: Mini, kind: Any, echo: str, stats: str, expected: list[int]
) -> None:
    data = read(mini, streams=[stream(records=25)], state_type=kind)
    output = mini.destination(destination_config(echo=echo, destination_stats=stats), data).stdout

    assert [state["destinationStats"]["recordCount"] for state in states(output)] == expected


def test_a_destination_with_refreshes_asks_for_each_complete(mini: Mini) -> None:
    catalog = write_catalog(mini.folder, generation_id=3, minimum_generation_id=3, sync_id=1)
    config = destination_config(supports_refreshes=True)
    whole = read(mini)
    without = b"".join(line for line in whole.splitlines(keepends=True) if b'"COMPLETE"' not in line)

    assert mini.destination(config, whole, catalog=catalog).returncode == 0
    failed = mini.destination(config, without, catalog=catalog)
    assert failed.returncode == 1
    assert "not COMPLETE: users" in messages(failed.stdout)[-1]["trace"]["error"]["message"]


@pytest.mark.parametrize(
    ("more", "settings", "reason"),
    [
        ({}, {"supports_refreshes": True}, "generation_id"),
        ({"generation_id": 1, "minimum_generation_id": 2, "sync_id": 1}, {"supports_refreshes": True}, "above"),
        ({"destination_sync_mode": "append_dedup"}, {}, "primary key"),
        ({}, {"supported_destination_sync_modes": ["overwrite"]}, "not supported"),
    ],
)
def test_a_catalog_that_no_destination_takes_is_refused(mini: Mini, more: Json, settings: Json, reason: str) -> None:
    done = mini.destination(destination_config(**settings), catalog=write_catalog(mini.folder, **more))

    assert done.returncode == 1
    assert reason in messages(done.stdout)[-1]["trace"]["error"]["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b'{"type":"LOG","log":{}}\n',
        b'{"type":"RECORD","record":{"stream":"ghost","data":{}}}\n',
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"ghost"}}}}\n',
    ],
)
def test_a_strict_destination_refuses_what_it_should_not_be_sent(mini: Mini, line: bytes) -> None:
    assert mini.destination(destination_config(strict=True), read(mini)).returncode == 0
    assert mini.destination(destination_config(strict=True), line).returncode == 1
    assert mini.destination(destination_config(), line).returncode == 0


@pytest.mark.parametrize(
    ("do", "details", "code"),
    [("exit", {}, 0), ("exit", {"code": 9}, 9), ("signal", {"signal": "SIGTERM"}, -15), ("signal", {}, -9)],
)
def test_the_destination_can_die_after_some_lines(mini: Mini, do: str, details: Json, code: int) -> None:
    out = mini.folder / "out"
    config = destination_config(out, script=[step(do, after_line(7), **details)])

    assert mini.destination(config, read(mini)).returncode == code
    assert len(last_run(out).lines()) == 7
    assert not last_run(out).saw_eof


def test_the_destination_can_stop_reading_and_hang(mini: Mini) -> None:
    script = [step("log", after_line(7)), step("hang", after_line(7))]
    child = mini.start(DESTINATION_MINI, destination_config(mini.folder / "out", script=script), "write")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(read(mini, streams=[stream(records=20)]))
    child.stdin.close()

    assert messages(child.stdout.readline())[0]["type"] == "LOG"
    assert child.poll() is None
    assert not last_run(mini.folder / "out").saw_eof


def test_the_destination_can_close_stdin_and_live_on(mini: Mini) -> None:
    script = [step("close_stdin", after_line(7)), step("log", "end"), step("hang", "end")]
    child = mini.start(DESTINATION_MINI, destination_config(mini.folder / "out", script=script), "write")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(read(mini, streams=[stream(records=8)]))

    assert messages(child.stdout.readline())[0]["type"] == "LOG"
    with pytest.raises(BrokenPipeError):
        child.stdin.write(b"x")
    assert child.poll() is None
    assert not last_run(mini.folder / "out").saw_eof


def test_the_destination_can_close_stdout_and_take_the_rest(mini: Mini) -> None:
    out = mini.folder / "out"
    data = read(mini)
    done = mini.destination(destination_config(out, script=[step("close_stdout", after_state(2))]), data)

    assert positions(done.stdout) == [10, 20]
    assert last_run(out).input == data


def test_the_destination_can_hang_after_the_end_of_input(mini: Mini) -> None:
    script = [step("log", "eof"), step("hang", "eof")]
    child = mini.start(DESTINATION_MINI, destination_config(mini.folder / "out", script=script), "write")
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()

    assert messages(child.stdout.readline())[0]["type"] == "LOG"
    assert last_run(mini.folder / "out").saw_eof
    assert child.poll() is None


def test_the_destination_can_fail_by_a_trace_and_exit_0(mini: Mini) -> None:
    script = [step("trace_error", after_line(7), message="disk full"), step("exit", after_line(7))]
    done = mini.destination(destination_config(script=script), read(mini))

    assert done.returncode == 0
    assert error_of(messages(done.stdout)[0])["message"] == "disk full"


def test_half_a_state_can_be_the_last_that_the_destination_writes(mini: Mini) -> None:
    done = mini.destination(destination_config(script=[step("half_line", "end")]), read(mini))
    *whole, half = done.stdout.split(b"\n")

    assert half
    assert whole[-1].startswith(half)


def test_positions_of_the_destination_stand_at_records_states_and_completes(mini: Mini) -> None:
    where: list[Any] = ["start", {"record": 1}, {"record": 2, "stream": "users"}, {"before_state": 1}]
    where += [{"state": 1}, {"complete": 1}, "eof", "end"]
    script = [step("noise", at, text=f"here {number}") for number, at in enumerate(where)]
    data = read(mini, streams=[stream(records=2)])
    lines = mini.destination(destination_config(script=script), data).stdout.splitlines()

    assert [b"STATE" if b"STATE" in line else line[-1:] for line in lines] == [
        b"0", b"1", b"2", b"3", b"STATE", b"4", b"5", b"6", b"7",
    ]  # fmt: skip


def test_a_slow_destination_takes_everything_in_small_reads(mini: Mini) -> None:
    out = mini.folder / "out"
    data = read(mini, streams=[stream(records=25)])
    config = destination_config(out, read_size=100, read_delay=0.0001)

    assert positions(mini.destination(config, data).stdout) == [10, 20, 25]
    assert last_run(out).input == data


def test_half_a_last_line_is_kept_and_told(mini: Mini) -> None:
    out = mini.folder / "out"
    mini.destination(destination_config(out), b'{"type":"REC')
    facts = json.loads((last_run(out).folder / "saw_eof").read_text(encoding="utf-8"))

    assert last_run(out).input == b'{"type":"REC'
    assert facts["half_line"] == 12


def test_the_destinations_spec_tells_its_sync_modes(mini: Mini, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = write_config(mini.folder, {"supported_destination_sync_modes": ["append"]}, "script.json")
    monkeypatch.setenv("DESTINATION_MINI_SCRIPT", str(settings))
    done = subprocess.run([DESTINATION_MINI, "spec"], capture_output=True, timeout=LIMIT_S, check=True)

    assert messages(done.stdout)[0]["spec"]["supported_destination_sync_modes"] == ["append"]


def test_the_destinations_check_can_fail(mini: Mini) -> None:
    config = destination_config(check={"status": "FAILED", "message": "no"})

    assert messages(mini.destination(config, command="check").stdout)[0]["connectionStatus"] == config["check"]


# The packages


def test_both_packages_hold_the_same_kit() -> None:
    source, destination = SOURCE_SRC / "source_mini" / "_kit", DESTINATION_SRC / "destination_mini" / "_kit"
    names = {path.name for path in source.glob("*.py")}

    assert names == {path.name for path in destination.glob("*.py")}
    assert {name: (source / name).read_bytes() for name in names} == {
        name: (destination / name).read_bytes() for name in names
    }


def load(package: str, module: str) -> Any:
    """Import a module of a fixture that is not installed, without leaving its folder on sys.path."""
    src = SOURCE_SRC if package == "source_mini" else DESTINATION_SRC

    for name in (package, f"{package}._kit"):
        spec = importlib.util.spec_from_file_location(name, src / name.replace(".", "/") / "__init__.py")
        assert spec is not None
        sys.modules.setdefault(name, importlib.util.module_from_spec(spec))

    return importlib.import_module(f"{package}.{module}")


def test_the_guide_names_every_action_and_every_echo() -> None:
    guide = (FIXTURES / "README.md").read_text(encoding="utf-8")
    told = Counter(re.findall(r"^\| `(\w+)`", guide, flags=re.MULTILINE))
    actions = set(load("source_mini", "_kit.actions").ACTIONS)
    echoes = set(load("destination_mini", "echo").MODES)

    assert actions | echoes <= set(told)


def test_the_guide_names_every_key_that_the_code_reads() -> None:
    guide = (FIXTURES / "README.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in FIXTURES.glob("*-mini/src/**/*.py"))
    keys = set(re.findall(r'(?:settings|step|body)\.get\(\s*"(\w+)"', code))
    keys |= set(re.findall(r'(?:settings|step|body)\["(\w+)"\]', code))

    assert len(keys) > 40
    assert {key for key in keys if f"`{key}`" not in guide} == set()
