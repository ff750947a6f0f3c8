"""`airbyte-exec sync`: what is moved, what is told, and what a failure says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import mini
import pytest

Users = Callable[..., mini.Json]
SECRET = "s3cr3t-0f-the-h0use"


def test_a_sync_moves_everything_and_the_next_one_continues(cli: Any, users: Users) -> None:
    first = cli.sync(users())
    assert first.code == 0
    assert "source-mini -> destination-mini: 50 records" in first.text
    assert "5 of 5 states committed" in first.text

    second = cli.sync(users())
    assert "  users: 0 records, continued from state" in second.text
    assert len(mini.stored_records(cli.folder / "out")["users"]) == 50


def test_json_is_one_object_on_stdout_and_the_rest_is_on_stderr(cli: Any, users: Users) -> None:
    source = users(script=[mini.step("noise", mini.after_record(5), text="chatter"), mini.step("log", message="hello")])
    done = cli.sync(source, None, "--json", "-vv")
    assert (done.code, done.json["status"], done.json["error"]) == (0, "succeeded", None)
    result = done.json["result"]
    assert (result["processed_records"], result["states_committed"]) == (50, 5)
    assert result["streams"][0]["status"] == "complete"
    assert "hello" in done.stderr
    assert "50 records" in done.stderr


def test_a_failed_source_is_named_with_its_words_and_what_was_kept(cli: Any, users: Users) -> None:
    source = users(
        script=[
            mini.step("stderr", mini.after_record(20), text="it went wrong\n"),
            mini.step("trace_error", mini.after_record(20), message="no more pages"),
            mini.step("exit", mini.after_record(20), code=3),
        ]
    )
    done = cli.sync(source, None, "--json")
    assert done.code == 1
    assert "error: The source source-mini failed." in done.stderr
    for words in ("no more pages", "it went wrong", "exited with code 3"):
        assert words in done.stderr

    error, result = done.json["error"], done.json["result"]
    assert (done.json["status"], error["class"]) == ("failed", "AirbyteConnectorReadError")
    assert (error["connector"], error["exit_code"]) == ("source-mini", 3)
    assert "no more pages" in error["trace_messages"][0]
    assert error["stderr_tail"] == ["it went wrong"]
    assert result["states_committed"] >= 1

    mended = cli.sync(users(script_file=str(cli.folder / "none")), None, "--state-key", "new", "--json")
    assert mended.json["result"]["processed_records"] == 50


def test_a_failed_destination_is_named(cli: Any, users: Users) -> None:
    stored = mini.destination_config(path=cli.folder / "out", script=[mini.step("exit", mini.after_line(20), code=9)])
    done = cli.sync(users(), stored)
    assert (done.code, done.stdout) == (1, b"")
    assert "error: The destination destination-mini failed." in done.stderr


def test_a_stream_that_is_not_there_is_wrong_usage_with_near_names(cli: Any, users: Users) -> None:
    done = cli.sync(users(), None, "--streams", "usres")
    assert done.code == 2
    assert "Did you mean 'users'?" in done.stderr


def test_options_reach_the_sync(cli: Any, users: Users) -> None:
    streams = [mini.stream(records=5, namespace="public", primary_key=None), mini.stream("other", records=5)]
    source = users(streams=streams, script=[mini.step("glue", mini.after_record(2), text="oops ")])
    done = cli.sync(
        source,
        None,
        *(
            "--streams",
            "users",
            "--strategy",
            "merge",
            "--primary-key",
            "users=id,name",
            "--namespace",
            "to_${SOURCE_NAMESPACE}",
        ),
        *("--prefix", "x_", "--on-malformed", "quarantine", "--on-count-mismatch", "off", "--json", "--no-check"),
        *("--time-limit", "source_heartbeat=10m", "--max-line", "64M", "--pass-env", "PATH,HOME"),
    )
    assert done.code == 0, done.stderr
    (file,) = done.json["result"]["quarantine_files"]
    assert b"oops" in Path(file).read_bytes()
    run = mini.last_run(cli.folder / "out")
    (configured,) = run.catalog["streams"]
    assert configured["destination_sync_mode"] == "append_dedup"
    assert configured["primary_key"] == [["id"], ["name"]]
    assert list(run.records()) == ["to_public.x_users"]
    assert set(run.launch["env"]) & {"PATH", "XDG_STATE_HOME"} == {"PATH"}
    assert mini.runs(cli.folder / "out", "check") == []


@pytest.mark.parametrize(("more", "kept"), [(["--state", "s.json"], True), (["--no-state"], False)])
def test_state_is_kept_where_it_is_wanted(cli: Any, users: Users, more: list[str], kept: bool) -> None:
    cli.sync(users(), None, *more)
    again = cli.sync(users(), None, *more, "--json")
    assert again.json["result"]["streams"][0]["continued"] is kept
    assert (cli.folder / "s.json").exists() is kept
    assert not (cli.folder / ".cache").exists()


def test_a_full_refresh_reads_everything_again(cli: Any, users: Users) -> None:
    cli.sync(users())
    again = cli.sync(users(), None, "--full-refresh", "--json")
    assert again.json["result"]["processed_records"] == 50


def test_a_sync_through_a_cache_leaves_the_rows_in_it(cli: Any, users: Users) -> None:
    done = cli.sync(users(), None, "--cache", "c.duckdb", "--json")
    assert (done.code, done.json["result"]["processed_records"]) == (0, 50)
    with duckdb.connect(str(cli.folder / "c.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM users").fetchall() == [(50,)]


def test_the_bundled_destination_takes_yaml_configs(cli: Any, users: Users) -> None:
    (cli.folder / "d.yaml").write_text("path: rows.duckdb\n", encoding="utf-8")
    source = cli.config("s.json", users())
    args = ["sync", f"path:{mini.SOURCE_MINI}", "bundled:destination-local", "--source-config", source]
    assert cli.run(*args, "--destination-config", "d.yaml").code == 0
    with duckdb.connect(str(cli.folder / "rows.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM users").fetchall() == [(50,)]


def test_a_config_may_come_from_stdin(cli: Any, users: Users) -> None:
    args = cli.sync_args(users())
    args[args.index("--source-config") + 1] = "-"
    done = cli.run(*args, "--json", stdin=json.dumps(users(records=7)).encode())
    assert done.json["result"]["processed_records"] == 7


def test_secrets_are_in_no_output_argument_list_or_log(cli: Any, users: Users) -> None:
    said = [mini.step("log", message=f"key {SECRET}"), mini.step("noise", text=f"noise {SECRET}")]
    source = users(
        api_key=SECRET,
        path=cli.folder / "in",
        script=[
            *said,
            mini.step("stderr", mini.after_record(5), text=f"stderr {SECRET}\n"),
            mini.step("trace_error", mini.after_record(5), message=f"trace {SECRET}"),
            mini.step("exit", mini.after_record(5), code=1),
        ],
    )
    done = cli.sync(source, None, "--json", "-vv", "--debug")
    assert done.code == 1
    assert "trace ****" in done.stderr
    assert SECRET not in done.stderr + done.text
    for run in (*mini.runs(cli.folder / "in", "read"), *mini.runs(cli.folder / "out")):
        assert SECRET not in json.dumps(run.launch["argv"])

    logs = [path for path in (cli.folder / "home").rglob("*") if path.is_file()]
    assert logs
    assert [path for path in logs if SECRET.encode() in path.read_bytes()] == []


def test_a_secret_by_reference_is_looked_up_and_its_variable_is_not_passed_on(cli: Any, users: Users) -> None:
    source = users(records=3, path=cli.folder / "in", api_key="secret_reference::MY_KEY")
    done = cli.run(*cli.sync_args(source), env={"MY_KEY": SECRET})
    assert done.code == 0
    run = mini.last_run(cli.folder / "in", "read")
    assert run.config["api_key"] == SECRET
    assert "MY_KEY" not in run.launch["env"]
    assert SECRET not in (cli.folder / "source.json").read_text(encoding="utf-8")

    missing = cli.run(*cli.sync_args(source), env={})
    assert missing.code == 2
    assert "MY_KEY" in missing.stderr


def test_a_failed_attempt_is_followed_by_another_from_where_it_ended(cli: Any, users: Users) -> None:
    source = users(script=[mini.step("exit", mini.after_record(30), code=1, once=cli.folder / "died")])

    done = cli.sync(source, None, "--json", "--retries", 2)

    assert done.code == 0
    assert [attempt["error"] for attempt in done.json["result"]["attempts"]] == ["AirbyteConnectorReadError", None]
    assert "Attempt 1 failed (system_error" in done.stderr
    assert "in 2 attempts: " in done.stderr
    assert {row["id"] for row in mini.stored_records(cli.folder / "out")["users"]} == set(range(1, 51))


def test_a_sync_of_a_pair_that_is_synced_is_refused(cli: Any, users: Users) -> None:
    gate, reached = cli.folder / "gate", cli.folder / "reached"
    waits = [mini.step("mark", path=reached), mini.step("wait_for", path=gate)]
    source = users(script=waits)
    with cli.started(*cli.sync_args(source), "--no-check") as first:
        while not reached.exists():
            assert first.poll() is None
            threading.Event().wait(0.02)  # another process does it: there is no event to wait for

        done = cli.sync(source, None, "--json")
        assert done.code == 1
        assert done.json["error"]["class"] == "PyAirbyteStateInUseError"
        assert done.json["error"]["holder_pid"] == first.pid
        assert "error: Another run works on the same source and destination." in done.stderr
        gate.touch()
        assert first.wait(60) == 0
