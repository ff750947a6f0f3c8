"""Every kind of fault: what it is in a connector's script, and what an attempt in which it struck must come to."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from canaries import RENEWED, THROWN

from airbyte_exec._crashpoints import POINTS

Json = dict[str, Any]
Must = Literal["fail", "succeed", "either"]
Draw = Callable[[random.Random, Any], Any]

STATE_KINDS = ("STREAM", "GLOBAL", "LEGACY")

LONG_LINE = 3 << 20
MAX_LINE = 2 << 20
"""The longest line that a driver takes; a line of 200 MiB is drawn now and then."""

ENDED_BY = {
    "sigkill": -9, "sigterm": -15, "sigsegv": -11, "exit_code": 7, "half_line": 3, "trace_exit_1": 1, "traceback": 1,
}  # fmt: skip
"""The exit code that an error must name where this kind, alone, ended a connector."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Parameters:
        who: whose it is.
        name: what it is called.
        must: what the attempt must come to where it struck.
        when: draws where it strikes.
        how: draws the rest.
        steps: the steps of a script that it is; what `when` gave is where the first one stands.
        settings: keys of the connector's config that it is.
        hangs: it ends by a time limit only, so that must be short.
        cached: it may be drawn where the data goes through a cache.
        state_types: the types of state of the plans in which it may be drawn.
        weight: how often it is drawn, beside the others.
        side: the connector whose container it is done to.
        needs_own_engine: it is done to the engine itself, which nobody else may need.
        cuts: for a while the engine cannot be reached, so what has to be removed there may wait for the next attempt;
            and a destination in a container may see an end of its input that nobody gave it.
        reasons: what an error may give as its reason where this kind, alone, struck.
    """

    who: str
    name: str
    must: Must
    when: Draw = lambda _dice, _shape: None
    how: Draw = lambda _dice, _shape: {}
    steps: tuple[Json, ...] = ()
    settings: Json | None = None
    hangs: bool = False
    cached: bool = True
    state_types: tuple[str, ...] = STATE_KINDS
    weight: float = 1.0
    side: str | None = None
    needs_own_engine: bool = False
    cuts: bool = False
    reasons: tuple[str, ...] = ()


def _in_read(dice: random.Random, shape: Any) -> Any:
    """Draw a place in what a source does."""
    total = shape.records * shape.streams
    return dice.choice(
        (
            "start",
            "end",
            {"record": dice.randint(1, total)},
            {"record": dice.randint(1, total)},
            {"before_state": dice.randint(1, 4)},
            {"state": dice.randint(1, 4)},
        )
    )


def _in_write(dice: random.Random, shape: Any) -> Any:
    """Draw a place in what a destination does."""
    total = shape.records * shape.streams
    return dice.choice(
        (
            "start",
            "eof",
            "end",
            {"line": dice.randint(1, total)},
            {"record": dice.randint(1, total)},
            {"before_state": dice.randint(1, 4)},
            {"state": dice.randint(1, 4)},
            {"complete": dice.randint(1, shape.streams)},
        )
    )


def _early_in_read(dice: random.Random, shape: Any) -> Any:
    return {"record": dice.randint(1, shape.records * shape.streams)}


def _early_in_write(dice: random.Random, shape: Any) -> Any:
    return {"record": dice.randint(1, max(1, shape.records * shape.streams // 2))}


def _at_point(dice: random.Random, shape: Any) -> Any:
    named = [point for point in POINTS if shape.cached or not point.startswith("cache.")]
    return {"point": dice.choice(named), "turn": dice.choice((1, 1, 2, 3, 5))}


def _at_a_time(dice: random.Random, shape: Any) -> Any:
    return {"seconds": round(dice.uniform(0, 2.0 if shape.containers else 0.35), 3)}


def _in_script(*sides: str) -> Draw:
    """Draw a place in what a connector does, at which it waits for what the engine suffers; or a time."""

    def drawn(dice: random.Random, shape: Any) -> Any:
        if dice.random() < 0.35:
            return {"seconds": round(dice.uniform(0, 1.5), 3)}

        side = dice.choice(sides or shape.containers)
        places = {"source": (_in_read, _early_in_read), "destination": (_in_write, _early_in_write)}
        return {side: dice.choice(places[side])(dice, shape)}

    return drawn


def _in_files(dice: random.Random, shape: Any) -> Any:
    if shape.cached:
        points = ["cache.rows", "cache.journal", "cache.begun", "cache.committing"]
    else:
        files = ("writing", "made", "written", "renamed")
        points = ["run.told", "placement.file.opened", *(f"state_file.{name}" for name in files)]

    return {"point": dice.choice(points), "turn": dice.choice((1, 1, 2, 3))}


def _exit(code: int) -> Json:
    return {"do": "exit", "code": code}


_TRACE = {
    "do": "trace_error", "message": THROWN, "internal_message": THROWN, "stack_trace": THROWN,
    "failure_type": "transient_error",
}  # fmt: skip
_TRACEBACK = f'Traceback (most recent call last):\n  File "source.py", line 7, in read\nValueError: {THROWN}\n'
_RENEWED = {"do": "control", "merge": {"api_key": RENEWED}}
_FULL = {"do": "trace_error", "message": "No space left on device", "failure_type": "system_error"}


def _of_both(who: str, when: Draw, early: Draw) -> list[Kind]:
    """What either connector may do."""

    def kind(name: str, must: Must, *steps: Json, at: Draw = when, **more: Any) -> Kind:
        return Kind(who, name, must, when=at, steps=steps, **more)

    return [
        kind("sigkill", "fail", {"do": "signal", "signal": "SIGKILL"}, weight=3),
        kind("sigterm", "fail", {"do": "signal", "signal": "SIGTERM"}),
        kind("sigsegv", "fail", {"do": "signal", "signal": "SIGSEGV"}),
        kind("sigstop", "fail", {"do": "signal", "signal": "SIGSTOP"}, hangs=True),
        kind("stopped_for_a_time", "succeed", {"do": "stop_for", "seconds": 0.2}),
        kind("sigterm_ignored", "fail", {"do": "ignore", "signal": "SIGTERM"}, {"do": "hang"}, hangs=True),
        kind("exit_code", "fail", _exit(7), weight=2),
        kind("exit_code_at_end", "fail", settings={"exit_code": 5}, at=lambda _dice, _shape: None),
        kind("trace_exit_0", "fail", _TRACE, _exit(0), weight=2),
        kind("trace_at_end", "fail", _TRACE, at=lambda _dice, _shape: "end"),
        kind("trace_exit_1", "fail", _TRACE, _exit(1)),
        kind("disk_full", "fail", _FULL, _exit(1)),
        kind("stdout_closed", "fail", {"do": "close_stdout"}, {"do": "hang"}, at=early, hangs=True),
        kind("half_line", "fail", {"do": "half_line", "exit": 3}, at=early),
        kind("half_line_and_on", "fail", {"do": "half_line"}, at=early),
        kind("long_line", "fail", {"do": "huge_line", "bytes": LONG_LINE, "kind": "noise"}, weight=0.6),
        kind("line_of_200_mib", "succeed", {"do": "huge_line", "bytes": 200 << 20, "kind": "noise"}, weight=0.06),
        kind("noise", "succeed", {"do": "noise", "text": f"DEBUG {THROWN}", "times": 3}),
        kind("invalid_utf8", "succeed", {"do": "invalid_utf8", "kind": "noise"}),
        kind("unknown_type", "succeed", {"do": "unknown_type"}, weight=0.5),
        kind("stderr_flood", "succeed", {"do": "stderr_flood", "bytes": 1 << 20}),
        kind("secret_on_stderr", "succeed", {"do": "stderr", "text": f"{THROWN}\n"}, weight=2),
        kind("secret_in_log", "succeed", {"do": "log", "message": THROWN, "stack_trace": THROWN}, weight=2),
        kind("stderr_closed", "succeed", {"do": "close_stderr"}, weight=0.5),
        kind("traceback", "fail", {"do": "stderr", "text": _TRACEBACK}, _exit(1)),
        kind("control", "succeed", _RENEWED, {"do": "log", "message": f"renewed: {RENEWED}"}),
        kind("config_rewritten", "succeed", {"do": "rewrite_config", "merge": {"api_key": RENEWED}}, weight=0.5),
        kind("grandchild", "succeed", {"do": "grandchild", "seconds": 600}),
        kind("grandchild_apart", "succeed", {"do": "grandchild", "seconds": 600, "setsid": True, "orphan": True}),
        kind("grandchild_and_death", "fail", {"do": "grandchild", "seconds": 600, "setsid": True}, {"do": "signal"}),
        kind("line_by_line", "succeed", settings={"flush": "line"}, at=lambda _dice, _shape: None, weight=0.5),
    ]  # fmt: skip


def _echo(name: str, must: Must, **more: Any) -> Kind:
    return Kind("destination", f"echo_{name}", must, settings={"echo": name}, weight=0.7, **more)


KINDS: tuple[Kind, ...] = (
    *_of_both("source", _in_read, _early_in_read),
    Kind("source", "incomplete", "fail", when=lambda _d, _s: "end", steps=({"do": "status", "status": "INCOMPLETE"},)),
    Kind("source", "glue", "fail", when=_early_in_read, steps=({"do": "glue", "text": f"{THROWN} "},)),
    Kind("source", "slow_drip", "succeed", settings={"drip": 0.002}),
    Kind("source", "interleaved", "succeed", settings={"interleave": True}),
    Kind("source", "burst", "succeed", settings={"fast": True}),
    Kind("source", "states_never", "succeed", settings={"state_every": 0, "final_state": False}),
    Kind("source", "records_after_the_last_state", "succeed", settings={"final_state": False}, weight=2),
    Kind("source", "states_late", "succeed", settings={"state_every": 0}),
    Kind("source", "state_twice", "succeed", when=lambda d, _s: {"state": d.randint(1, 4)},
         steps=({"do": "repeat_state"},)),
    Kind("source", "state_of_a_stranger", "succeed", when=lambda d, _s: {"state": d.randint(1, 4)},
         steps=({"do": "state", "stream": "ghost"}, {"do": "record", "stream": "ghost"}), state_types=("STREAM",)),
    Kind("source", "state_of_another_kind", "fail", when=lambda d, _s: {"state": d.randint(1, 4)},
         steps=({"do": "state", "stream": "ghost"},), state_types=("GLOBAL", "LEGACY")),
    Kind("source", "counts_wrong", "succeed", settings={"source_stats": "wrong"}, weight=0.5),
    *_of_both("destination", _in_write, _early_in_write),
    Kind("destination", "stdin_closed", "fail", when=_early_in_write, steps=({"do": "close_stdin"},)),
    Kind("destination", "stdin_closed_alive", "fail", when=_early_in_write,
         steps=({"do": "close_stdin"}, {"do": "hang"}), hangs=True),
    Kind("destination", "exit_0_early", "fail", when=_early_in_write, steps=(_exit(0),), weight=2),
    Kind("destination", "slow_reader", "succeed", settings={"read_size": 2048, "read_delay": 0.01}),
    Kind("destination", "counts_wrong", "succeed", settings={"destination_stats": "wrong"}, weight=0.5),
    Kind("destination", "echo_twice_and_death", "fail", when=lambda d, _s: {"state": d.randint(1, 4)},
         steps=({"do": "signal", "signal": "SIGKILL"},), settings={"echo": "duplicate"}),
    _echo("reserialised", "succeed"), _echo("lossy", "succeed"), _echo("late", "succeed"),
    _echo("out_of_order", "succeed"), _echo("duplicate", "succeed"),
    # Of two streams it may skip the last state of one; of equal states, as a cache replays them, nobody can tell which.
    _echo("skip", "succeed", state_types=("GLOBAL", "LEGACY"), cached=False),
    _echo("all_but_last", "fail"), _echo("never", "fail"), _echo("invented", "fail"),
    _echo("unknown_stream", "fail"), _echo("early", "fail"), _echo("unenveloped", "fail"),
    Kind("us", "killed_at_a_step", "either", when=_at_point, weight=10),
    Kind("us", "killed_at_a_time", "either", when=_at_a_time, weight=2),
    Kind("us", "power_cut", "either", when=_at_point, cached=False, weight=4),
    Kind("us", "sigterm", "either", when=_at_a_time),
    Kind("us", "interrupted", "either", when=_at_a_time, weight=2),
    Kind("us", "stopped_for_a_time", "succeed", when=_at_a_time, how=lambda _d, _s: {"for": 0.2}),
    Kind("us", "disk_full", "fail", when=_in_files, weight=3),
    Kind("us", "clock_jump", "succeed", how=lambda d, _s: {"by": d.choice((-86_400 * 30, 86_400 * 30))}),
    Kind("us", "guardian_killed", "succeed", when=_at_point, weight=2),
    Kind("us", "two_at_once", "either", cached=False, weight=2),
)  # fmt: skip


def _for(*seconds: float) -> Draw:
    return lambda dice, _shape: {"for": dice.choice(seconds)}


def _of_container(side: str) -> list[Kind]:
    """What somebody else may do to the container of a connector."""

    def kind(name: str, *reasons: str, must: Must = "fail", **more: Any) -> Kind:
        return Kind("engine", f"{side}_{name}", must, when=_in_script(side), side=side, reasons=reasons, **more)

    return [
        kind("container_killed", "killed"),
        kind("container_removed", "killed"),
        kind("client_killed", "engine_lost"),
        kind("container_paused", hangs=True, weight=0.5),
        kind("container_paused_for_a_time", must="succeed", how=_for(0.2, 1.0)),
    ]


ENGINE_KINDS: tuple[Kind, ...] = (
    Kind("engine", "killed", "fail", when=_in_script(), how=_for(0.0, 0.5, 2.0), needs_own_engine=True, cuts=True,
         reasons=("engine_lost", "no_engine")),
    Kind("engine", "stopped", "fail", when=_in_script(), hangs=True, needs_own_engine=True, cuts=True, weight=0.3),
    Kind("engine", "stopped_for_a_time", "succeed", when=_in_script(), how=_for(0.2, 1.0), needs_own_engine=True),
    Kind("engine", "connections_cut", "fail", when=_in_script(), how=_for(0.0, 0.5, 2.0), cuts=True,
         reasons=("engine_lost", "no_engine")),
    *_of_container("source"),
    *_of_container("destination"),
)  # fmt: skip
"""What happens to the engine and its containers; drawn where a connector is a container."""

BY_NAME = {(kind.who, kind.name): kind for kind in (*KINDS, *ENGINE_KINDS)}
