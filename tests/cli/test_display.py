"""What a person sees while a sync runs: a live table on a terminal, else lines; never the escapes of a connector."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import mini
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec.cli import _display
from airbyte_exec.cli._display import Watch, shown, streams_to_show, summary
from airbyte_exec.cli._output import Output, visible
from airbyte_exec.types import StreamId

Users = Callable[..., mini.Json]
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
NASTY = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1mdel\x7f\rover"


class Terminal:
    """The other side of a pseudo-terminal."""

    def __init__(self) -> None:
        self.fd, self.inner = pty.openpty()
        self.seen = b""

    def read_until(self, text: bytes | None = None) -> bytes:
        """Read until a text is there, or until nobody has the terminal any more."""
        while text is None or text not in self.seen:
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:  # Linux says EIO where the other side is closed
                chunk = b""

            if not chunk:
                break

            self.seen += chunk

        return self.seen


def run_on_terminal(cli: Any, args: list[object], **env: str) -> tuple[int, bytes, bytes]:
    """Run with stderr on a terminal; return the exit code, stdout, and what the terminal got."""
    terminal = Terminal()
    process = subprocess.Popen(
        cli.argv(args),
        cwd=cli.folder,
        env={**cli.env, "TERM": "xterm-256color", "COLUMNS": "150", "LINES": "40", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal.inner,
    )
    os.close(terminal.inner)
    try:
        seen = terminal.read_until()
        stdout, _ = process.communicate(timeout=100)
    finally:
        process.kill()
        process.wait()
        os.close(terminal.fd)

    return process.returncode, stdout, seen


def test_a_terminal_gets_a_live_table_and_is_given_back(cli: Any, users: Users) -> None:
    code, stdout, seen = run_on_terminal(cli, cli.sync_args(users()))
    assert code == 0
    assert HIDE_CURSOR in seen
    assert seen.rindex(SHOW_CURSOR) > seen.rindex(HIDE_CURSOR)
    assert b"states committed" in seen
    assert b"users" in seen
    assert b"source-mini -> destination-mini: 50 records" in stdout


def test_an_error_stands_below_the_table_and_the_terminal_is_given_back(cli: Any, users: Users) -> None:
    source = users(script=[mini.step("exit", mini.after_record(20), code=3)])
    code, _, seen = run_on_terminal(cli, cli.sync_args(source))
    assert code == 1
    assert seen.rindex(b"The source source-mini failed.") > seen.rindex(SHOW_CURSOR) > seen.rindex(HIDE_CURSOR)


def test_no_colour_is_used_where_nobody_wants_one(cli: Any, users: Users) -> None:
    source = users(script=[mini.step("exit", mini.after_record(20), code=3)])
    _, _, plain = run_on_terminal(cli, cli.sync_args(source), NO_COLOR="1")
    _, _, coloured = run_on_terminal(cli, cli.sync_args(source))
    assert b"\x1b[31m" in coloured
    assert not any(b"\x1b[%dm" % colour in plain for colour in range(30, 38))


@pytest.mark.parametrize("how", [{"TERM": "dumb"}, {"TERM": ""}, {"NO_LIVE_PROGRESS": "1"}])
def test_a_terminal_that_cannot_draw_or_shall_not_gets_lines(cli: Any, users: Users, how: dict[str, str]) -> None:
    code, stdout, seen = run_on_terminal(cli, cli.sync_args(users()), **how)
    assert (code, b"\x1b" in seen) == (0, False)
    assert b"50 records" in stdout


def test_quiet_draws_nothing(cli: Any, users: Users) -> None:
    assert run_on_terminal(cli, [*cli.sync_args(users()), "--quiet"]) == (0, b"", b"")


def test_escape_codes_of_connectors_never_reach_the_terminal(cli: Any, users: Users) -> None:
    script = [
        mini.step("log", mini.after_record(5), message=f"log {NASTY}"),
        mini.step("noise", mini.after_record(6), text=f"noise {NASTY}"),
        mini.step("stderr", mini.after_record(7), text=f"stderr {NASTY}\n"),
        mini.step("trace_error", mini.after_record(8), message=f"trace {NASTY}"),
        mini.step("exit", mini.after_record(9), code=1),
    ]
    source = users(streams=[mini.stream(f"users {NASTY}", records=20)], script=script)
    code, stdout, seen = run_on_terminal(cli, [*cli.sync_args(source), "-v"])
    assert code == 1
    assert all(word in seen for word in (b"log red", b"noise red", b"stderr red", b"trace red"))
    for escape in (b"\x1b]", b"\x1b[2J", b"\x9b", b"\xc2\x9b", b"\x7f", b"\x07"):
        assert escape not in seen
        assert escape not in stdout


def test_the_cursor_comes_back_where_a_second_ctrl_c_ends_us_at_once(cli: Any, users: Users) -> None:
    deaf = [mini.step("ignore", "start", signal="SIGTERM"), mini.step("hang", mini.after_record(20))]
    taken = [mini.step("log", mini.after_line(20), message="half-way")]
    stored = mini.destination_config(path=cli.folder / "out", script=taken)
    args = [*cli.sync_args(users(script=deaf), stored), "-v", "--time-limit", "stop=90"]
    terminal = Terminal()
    env = {**cli.env, "TERM": "xterm-256color"}
    with subprocess.Popen(cli.argv(args), cwd=cli.folder, env=env, stderr=terminal.inner) as process:
        os.close(terminal.inner)
        assert b"half-way" in terminal.read_until(b"half-way")
        process.send_signal(signal.SIGINT)
        assert b"Ending the connectors" in terminal.read_until(b"Ending the connectors")
        process.send_signal(signal.SIGINT)
        seen = terminal.read_until()

    os.close(terminal.fd)
    assert process.returncode == 130
    assert seen.rindex(SHOW_CURSOR) > seen.rindex(HIDE_CURSOR)


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b[]0;m\x07\r\n")))
def test_visible_text_holds_no_control_character_and_keeps_its_lines(text: str) -> None:
    shown_text = visible(text)
    assert not [char for char in shown_text if char not in "\n\t" and (char < " " or "\x7f" <= char <= "\x9f")]
    assert visible(shown_text) == shown_text


def test_lines_are_told_elsewhere_while_something_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    moved = iter(range(1, 1000))
    watch = Watch("a -> b")
    progress = Progress({StreamId("users"): StreamProgress()}, "a", "b", phase="reading")
    watch.progress = progress
    enough = threading.Event()

    class Told(Output):
        def say(self, text: str) -> None:
            told.append(text)
            progress.streams[StreamId("users")].read = next(moved)
            if len(told) == 3:
                enough.set()

    monkeypatch.setattr(_display, "LINE_EVERY", 0.001)
    output = Told()
    monkeypatch.setattr(Told, "is_terminal", False)
    with shown(watch, output):
        assert enough.wait(60)

    assert told[0].startswith("a -> b: ")
    assert len(set(told)) == len(told)


def test_a_summary_says_who_is_waited_for() -> None:
    progress = Progress({StreamId("users"): StreamProgress(read=7)}, "the-source", "the-destination")
    progress.phase, progress.waiting_for, progress.states_sent = "reading", "destination", 3
    progress.estimates = {StreamId("users"): 100}
    assert "7 records of about 100" in summary(progress)
    assert "0 of 3 states committed" in summary(progress)
    assert summary(progress).endswith("reading, waiting for the-destination")


def test_of_many_streams_those_are_shown_that_run_or_failed() -> None:
    streams = {StreamId(f"s{number}"): StreamProgress() for number in range(20_000)}
    streams[StreamId("s15000")].status = "failed"
    streams[StreamId("s300")].status = "running"
    chosen = [stream.name for stream, _ in streams_to_show(Progress(streams), 4)]
    assert chosen == ["s0", "s1", "s300", "s15000"]
