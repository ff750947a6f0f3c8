"""Ctrl-C and SIGTERM: the connectors end, what was confirmed stays, and the exit code says what happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mini
import psutil
import pytest

Users = Callable[..., mini.Json]
TIMEOUT = 100


def hanging(cli: Any, users: Users, **how: Any) -> list[object]:
    """Return the arguments of a sync whose source stops half-way; the destination logs that it came so far."""
    source = users(path=cli.folder / "in", script=[mini.step("hang", mini.after_record(20))], **how)
    taken = [mini.step("log", mini.after_line(20), message="half-way")]
    return [*cli.sync_args(source, mini.destination_config(path=cli.folder / "out", script=taken)), "-v"]


def await_half_way(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    assert any(b"half-way" in line for line in process.stderr), "the run ended before"


def connectors(cli: Any) -> list[psutil.Process]:
    """Return the two connectors of the run that goes on."""
    pids = [mini.last_run(cli.folder / "in", "read").pid, mini.last_run(cli.folder / "out").pid]
    return [psutil.Process(pid) for pid in pids]


def private_folder(process: psutil.Process) -> Path:
    argv = process.cmdline()
    return Path(argv[argv.index("--config") + 1]).parent


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_ends_both_connectors_and_says_what_stays(
    cli: Any, users: Users, number: signal.Signals, code: int
) -> None:
    args = hanging(cli, users)
    with cli.started(*args) as process:
        await_half_way(process)
        children = connectors(cli)
        folders = [private_folder(child) for child in children]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)

    assert process.returncode == code
    assert stdout == b""
    assert b"were committed: the next run continues there" in stderr
    assert b"Traceback" not in stderr
    assert psutil.wait_procs(children, timeout=TIMEOUT)[1] == []
    assert [folder for folder in folders if folder.exists()] == []
    assert not mini.last_run(cli.folder / "out").saw_eof


def test_ctrl_c_on_a_terminal_goes_to_the_whole_group_and_is_answered_in_json(cli: Any, users: Users) -> None:
    args = hanging(cli, users)
    with cli.started(*args, "--json") as process:
        await_half_way(process)
        children = connectors(cli)
        os.killpg(process.pid, signal.SIGINT)
        stdout, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 130
    told = json.loads(stdout)
    assert (told["status"], told["error"]["class"]) == ("interrupted", "Interrupted")
    assert told["result"]["streams"][0]["records_read"] == 20
    assert psutil.wait_procs(children, timeout=TIMEOUT)[1] == []


def test_a_second_ctrl_c_ends_at_once_and_leaves_no_connector(cli: Any, users: Users) -> None:
    deaf = [mini.step("ignore", "start", signal="SIGTERM"), mini.step("hang", mini.after_record(20))]
    taken = [mini.step("log", mini.after_line(20), message="half-way")]
    args = cli.sync_args(
        users(path=cli.folder / "in", script=deaf), mini.destination_config(path=cli.folder / "out", script=taken)
    )
    with cli.started(*args, "-v", "--time-limit", "stop=90") as process:
        await_half_way(process)
        children = connectors(cli)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"Ending the connectors" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)

    assert process.returncode == 130
    assert psutil.wait_procs(children, timeout=TIMEOUT)[1] == []


def test_ctrl_c_is_heard_while_nobody_reads_our_stdout(cli: Any, users: Users) -> None:
    config = cli.config("source.json", users(100_000, fast=True, path=cli.folder / "in"))
    with cli.started("read", f"path:{mini.SOURCE_MINI}", "--config", config, "--raw") as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 1)
        child = psutil.Process(mini.last_run(cli.folder / "in", "read").pid)
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)

    assert process.returncode == 130
    assert psutil.wait_procs([child], timeout=TIMEOUT)[1] == []


def test_ctrl_c_is_heard_while_lines_are_waited_for_on_stdin(cli: Any) -> None:
    catalog = mini.write_catalog(cli.folder)
    config = cli.config("destination.json", mini.destination_config(path=cli.folder / "out"))
    args = ["write", f"path:{mini.DESTINATION_MINI}", "--config", config, "--catalog", catalog, "--raw"]
    state = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}\n'
    with cli.started(*args, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(state)
        process.stdin.flush()
        assert process.stdout.readline() == state
        child = psutil.Process(mini.last_run(cli.folder / "out").pid)
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)

    assert process.returncode == 130
    assert psutil.wait_procs([child], timeout=TIMEOUT)[1] == []


def test_an_ignored_signal_stays_ignored(cli: Any, users: Users) -> None:
    args = hanging(cli, users)
    with cli.started(*args, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        await_half_way(process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 143
    assert b"SIGHUP" not in stderr
