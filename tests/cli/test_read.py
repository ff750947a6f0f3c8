"""`airbyte-exec read`: the records as JSON, or the source's own lines."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import mini
import psutil
import pytest

from airbyte_exec.cli.read import _first, _json_line
from airbyte_exec.protocol.envelope import Records
from airbyte_exec.types import StreamId

Users = Callable[..., mini.Json]
SOURCE = f"path:{mini.SOURCE_MINI}"


def test_raw_prints_what_the_source_prints_byte_for_byte(cli: Any, users: Users) -> None:
    streams = [mini.stream(records=25), mini.stream("other", records=5, namespace="public")]
    data = ['{"id":1.0,"big":123456789012345678901234567890,"e":"\\u00e9 \\ud83d\\ude00"}', '{ "spaced" : [ 1.10 ] }']
    source = users(
        streams=[*streams, mini.stream("odd", data=data)],
        script=[mini.step("log", mini.after_record(3), message="hello"), mini.step("noise", mini.after_record(4))],
        line_end="\r\n",
    )
    config = cli.config("source.json", source)
    catalog = mini.write_catalog(cli.folder, *source["streams"])
    alone = subprocess.run(
        [mini.SOURCE_MINI, "read", "--config", config, "--catalog", catalog], stdout=subprocess.PIPE, check=True
    )
    lines = [line for line in alone.stdout.splitlines(keepends=True) if line.startswith(b"{")]
    done = cli.run("read", SOURCE, "--config", config, "--catalog", catalog, "--raw")
    assert done.code == 0
    assert len(lines) > 30
    assert _without_time(done.stdout.splitlines(keepends=True)) == _without_time(lines)
    assert done.stderr == "source-mini: 32 records\n"


def _without_time(lines: list[bytes]) -> list[bytes]:
    """A STREAM_STATUS tells the time of day; every other line is compared as it is."""
    return [line for line in lines if b'"STREAM_STATUS"' not in line]


def test_records_are_lines_of_json_with_the_source_s_own_data(cli: Any, users: Users) -> None:
    data = ['{"id": 1, "price": 1.10, "big": 123456789012345678901234567890}', '{"odd": NaN}']
    source = users(streams=[mini.stream(data=data), mini.stream("n", namespace="public", records=1)])
    done = cli.run("read", SOURCE, "--config", cli.config("source.json", source))
    assert done.code == 0
    lines = done.text.splitlines()
    assert lines[0] == '{"stream": "users", "data": {"id": 1, "price": 1.10, "big": 123456789012345678901234567890}}'
    assert lines[1] == '{"stream": "users", "data": {"odd": NaN}}'
    assert json.loads(lines[2])["namespace"] == "public"
    assert len(lines) == 3


def test_a_limit_stops_the_source(cli: Any, users: Users) -> None:
    source = users(path=cli.folder / "in", script=[mini.step("hang", mini.after_record(20))])
    done = cli.run("read", SOURCE, "--config", cli.config("source.json", source), "--limit", 7)
    assert done.code == 0
    assert [json.loads(line)["data"]["id"] for line in done.text.splitlines()] == list(range(1, 8))
    assert not psutil.pid_exists(mini.last_run(cli.folder / "in", "read").pid)


def test_a_limit_cuts_a_run_of_records_of_several_streams() -> None:
    a, b = StreamId("a"), StreamId("b")
    records = Records(b"1\n2\n3\n4\n", {a: 2, b: 2}, (a, b, b, a))
    ((first, second), left) = _first([Records(b"0\n", {a: 1}), records], 4)
    assert left == 0
    assert isinstance(second, Records)
    assert (second.data, second.counts, second.order) == (b"1\n2\n3\n", {a: 1, b: 2}, (a, b, b))
    assert isinstance(first, Records)


def test_a_record_keeps_its_text_in_the_line_that_is_printed() -> None:
    line = b'{"type":"RECORD","record":{"namespace":null,"stream":"s\xc3\xa9","data":{ "a":1e2 },"emitted_at":1}}\n'
    assert _json_line(line) == b'{"stream": "s\\u00e9", "data": { "a":1e2 }}\n'


def test_head_ends_us_quietly_and_with_us_the_source(cli: Any, users: Users) -> None:
    config = cli.config("source.json", users(200_000, fast=True, path=cli.folder / "in"))
    with cli.started("read", SOURCE, "--config", config, "--raw") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, stderr = process.communicate(timeout=100)

    assert (process.returncode, stderr) == (-signal.SIGPIPE, b"")
    assert not psutil.pid_exists(mini.last_run(cli.folder / "in", "read").pid)


def test_what_came_before_a_failure_is_printed(cli: Any, users: Users) -> None:
    source = users(script=[mini.step("raw", mini.after_record(5), text='{"type":"RECORD","record":{}}\n')])
    done = cli.run("read", SOURCE, "--config", cli.config("source.json", source))
    assert done.code == 1
    assert len(done.text.splitlines()) == 5
    assert "cannot be a message" in done.stderr


@pytest.mark.parametrize("more", [[], ["--raw"]])
def test_a_failed_source_is_exit_code_1(cli: Any, users: Users, more: list[str]) -> None:
    source = users(script=[mini.step("exit", mini.after_record(5), code=3)])
    done = cli.run("read", SOURCE, "--config", cli.config("source.json", source), *more)
    assert done.code == 1
    assert "The source source-mini failed." in done.stderr
    assert b"Traceback" not in done.stderr.encode()


def test_raw_shows_no_secret(cli: Any, users: Users) -> None:
    secret = "s3cr3t-0f-the-h0use"
    script = [
        mini.step("log", mini.after_record(1), message=f"key {secret}"),
        mini.step("control", mini.after_record(2), merge={"api_key": f"new {secret}"}),
    ]
    done = cli.run("read", SOURCE, "--config", cli.config("source.json", users(api_key=secret, script=script)), "--raw")
    assert done.code == 0
    assert b"key ****" in done.stdout
    assert secret not in done.text + done.stderr
    assert b"CONTROL" not in done.stdout


def test_a_read_goes_on_from_a_state_document(cli: Any, users: Users) -> None:
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 48}}}]
    config = cli.config("source.json", users())
    done = cli.run("read", SOURCE, "--config", config, "--input-state", cli.config("state.json", state))
    assert [json.loads(line)["data"]["id"] for line in done.text.splitlines()] == [49, 50]


def test_a_read_fills_a_cache_and_continues(cli: Any, users: Users) -> None:
    args = ["read", SOURCE, "--config", cli.config("source.json", users()), "--cache", "c.duckdb", "--json"]
    assert cli.run(*args).json["result"]["processed_records"] == 50
    assert cli.run(*args).json["result"]["streams"][0]["continued"] is True
