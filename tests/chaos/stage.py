"""One attempt of a plan: what both connectors are told, the fork, its end, and which faults struck."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from attempt import Order, attempt
from canaries import CANARY
from containers import RETURNED, Containers, Given, Strikes, open_to_containers, waiting_step
from mini import StateType, destination_config, source_config, stream
from plan import Fault, Plan, Round
from processes import descendants, kill_descendants, reap
from world import Call, World, look

ATTEMPT_LIMIT = 90.0  # seconds of the slowest attempt, on a machine with other work
GONE_LIMIT = 20.0  # seconds until nothing may be left
LOOK = 0.25  # seconds between two looks at the clock
STOOD_STILL = 2.0  # seconds between two looks after which the machine must have been stopped, and all of us with it


@dataclass
class Attempt:
    """What an attempt came to.

    Parameters:
        faults: what was to go wrong.
        report: what it told of itself.
        struck: the faults that struck.
        calls: the writes of the destination that it made.
        too_long: it had to be killed.
        processes: what it left behind and was still there after a while.
        containers: the containers and volumes of which that is true.
        files: the temporary files that it left behind.
    """

    faults: tuple[Fault, ...]
    report: dict[str, Any] = field(default_factory=dict)
    struck: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    too_long: bool = False
    processes: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """How it ended: success, error, interrupted, killed or broken."""
        return str(self.report["outcome"])

    def has(self, what: str) -> bool:
        """Return whether such a fault was to strike."""
        return any(fault.what == what for fault in self.faults)


class Stage:
    """The folder of a plan, in which attempt comes after attempt.

    Parameters:
        plan: the plan.
        folder: an empty folder.
        given: the engine of its containers.
    """

    def __init__(self, plan: Plan, folder: Path, given: Given | None = None) -> None:
        self.plan = plan
        self.folder = folder
        self.number = 0
        self.round = 0
        self.world = World({}, [])
        self.stood_still = False
        self._known: dict[Path, Call] = {}
        self._containers: Containers | None = None
        for name in ("temp", "fired", "got", "sent"):
            (folder / name).mkdir()

        if plan.containers:
            assert given is not None
            open_to_containers(folder)
            self._containers = Containers(plan, folder, given)

    def run(self, part: Round, faults: tuple[Fault, ...]) -> Attempt:
        """Run one attempt."""
        self.number += 1
        done, before = Attempt(faults), set(self._known)
        for name in ("struck", RETURNED):
            (self.folder / name).unlink(missing_ok=True)

        self._set(part, faults)
        strikes = self._strikes(faults)
        self._fork(done, strikes)
        self._await_nothing_left(done)
        self.world = look(self.folder / "got", self._known)
        done.calls = [call for path, call in self._known.items() if path not in before]
        marks = set() if strikes is None else strikes.struck
        done.struck = [
            fault for number, fault in enumerate(faults) if self._has_struck(number, fault, done.calls, marks)
        ]
        return done

    def close(self) -> None:
        """Remove the containers of a plan that broke something."""
        if self._containers is not None:
            self._containers.remove()

    def _strikes(self, faults: tuple[Fault, ...]) -> Strikes | None:
        marked = [(fault, self._mark(number)) for number, fault in enumerate(faults)]
        return None if self._containers is None else Strikes(self._containers, marked)

    def _set(self, part: Round, faults: tuple[Fault, ...]) -> None:
        """Write what both connectors do in this attempt; their configs stay as they are."""
        for who in ("source", "destination"):
            body: dict[str, Any] = {"script": []}
            if who == "source":
                body |= {"streams": self._streams(part), "state_every": self.plan.state_every, "drip": self.plan.pause}

            for number, fault in enumerate(faults):
                if fault.who == who:
                    body |= fault.kind.settings or {}
                    body["script"] += self._steps(number, fault)
                elif fault.who == "engine":
                    body["script"] += waiting_step(fault, self._mark(number), who)

            path = self.folder / f"{who}.json"
            path.write_text(json.dumps(body), encoding="utf-8")
            path.chmod(0o644)

    def _streams(self, part: Round) -> list[dict[str, Any]]:
        version = self.round + 1 if self.plan.strategy == "replace" else 1
        return [
            stream(
                named.name,
                records=part.records + named.more,
                namespace=named.namespace,
                sync_modes=named.modes,
                pad=version,
            )
            for named in self.plan.streams
        ]

    def _steps(self, number: int, fault: Fault) -> Iterator[dict[str, Any]]:
        first = self.plan.streams[0]
        for index, known in enumerate(fault.kind.steps):
            step = {"at": fault.when, **known}
            if step["do"] == "status":
                step |= {"stream": first.name, "namespace": first.namespace}

            if index == 0:
                step["once"] = str(self._mark(number))

            yield step

    def _mark(self, number: int) -> Path:
        return self.folder / "fired" / f"{self.number}-{number}"

    def _has_struck(self, number: int, fault: Fault, calls: list[Call], struck: set[Path]) -> bool:
        if fault.who == "engine":
            return self._mark(number) in struck

        if fault.who == "us":
            return "point" not in (fault.when or {}) or (self.folder / "struck").exists()

        if fault.kind.steps:
            return self._mark(number).exists()

        if fault.what in ("echo_all_but_last", "echo_never", "echo_unenveloped"):  # what is committed needs no echo
            return any(call.states and call.has_records for call in calls)

        if fault.what.startswith("echo_"):
            return any(call.states for call in calls) or (fault.what == "echo_early" and bool(calls))

        return fault.who == "source" or bool(calls)

    def _order(self, faults: tuple[Fault, ...], strikes: Strikes | None) -> Order:
        source = source_config(
            state_type=cast("StateType", self.plan.state_type),
            path=self.folder / "sent",
            api_key=CANARY,
            script_file=str(self.folder / "source.json"),
        )
        destination = destination_config(
            self.folder / "got", api_key=CANARY, script_file=str(self.folder / "destination.json"), note_echoes=True
        )
        return Order(
            self.plan,
            self.folder,
            tuple(fault for fault in faults if fault.who == "us" or fault.what == "line_of_200_mib"),
            any(fault.kind.hangs for fault in faults),
            self._catalog(),
            source,
            destination,
            None if self._containers is None else self._containers.options(strikes and strikes.proxy),
        )

    def _catalog(self) -> dict[str, Any]:
        properties = {"id": {"type": "integer"}, "updated_at": {"type": "string"}, "pad": {"type": "string"}}
        return {
            "streams": [
                {
                    "name": named.name,
                    **({"namespace": named.namespace} if named.namespace else {}),
                    "json_schema": {"type": "object", "properties": properties},
                    "supported_sync_modes": list(named.modes),
                    "source_defined_cursor": True,
                    "default_cursor_field": ["updated_at"],
                    "source_defined_primary_key": [["id"]],
                }
                for named in self.plan.streams
            ]
        }

    def _fork(self, done: Attempt, strikes: Strikes | None) -> None:
        path, order = self.folder / "report.json", self._order(done.faults, strikes)
        path.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            attempt(order, path)

        with strikes or nullcontext():  # its threads begin after the fork
            code = self._await_end(pid, done)

        if path.exists():
            done.report = json.loads(path.read_text(encoding="utf-8"))
        else:
            done.report = {"outcome": "killed" if code < 0 else "broken", "text": f"exit code {code}"}

    def _await_end(self, pid: int, done: Attempt) -> int:
        handle = os.pidfd_open(pid)
        try:
            for pause, number in [*_signals(done.faults), (ATTEMPT_LIMIT, signal.SIGKILL)]:
                if self._has_ended(handle, pause):
                    break

                done.too_long = pause == ATTEMPT_LIMIT
                os.kill(pid, number)
        finally:
            os.close(handle)

        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _has_ended(self, handle: int, limit: float) -> bool:
        """Wait for the end of a process, in short steps: a step that takes long tells that all of us were stopped."""
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        end = time.monotonic() + limit
        while (begun := time.monotonic()) < end:
            ended = poll.poll(min(LOOK, end - begun) * 1000)
            self._look_at_clock(begun)
            if ended:
                return True

        return False

    def _look_at_clock(self, before: float) -> None:
        self.stood_still = self.stood_still or time.monotonic() - before > STOOD_STILL

    def _await_nothing_left(self, done: Attempt) -> None:
        end = time.monotonic() + GONE_LIMIT
        pause = 0.001
        while reap():
            if (now := time.monotonic()) > end:
                done.processes = descendants()
                kill_descendants()
                break

            time.sleep(pause)
            self._look_at_clock(now)
            pause = min(pause * 2, 0.02)

        # What an engine that was away could not remove is removed by the next attempt.
        if not any(fault.kind.cuts for fault in done.faults):
            done.containers = self._left_containers(end)

        done.files = [str(path.relative_to(self.folder)) for path in (self.folder / "temp").rglob("*")]

    def _left_containers(self, end: float) -> list[str]:
        found: list[str] = []
        try:
            while self._containers and (found := self._containers.left()) and (now := time.monotonic()) < end:
                time.sleep(0.1)
                self._look_at_clock(now)
        except subprocess.TimeoutExpired:  # an engine that hangs after it was killed says nothing about us
            self.stood_still = True
            self._containers.restart()

        return found


def _signals(faults: Iterable[Fault]) -> list[tuple[float, int]]:
    """Return what is sent to the attempt: seconds after the one before, and the signal."""
    found: list[tuple[float, int]] = []
    for fault in faults:
        if fault.who == "us" and isinstance(fault.when, dict) and "seconds" in fault.when:
            number = {
                "killed_at_a_time": signal.SIGKILL,
                "sigterm": signal.SIGTERM,
                "interrupted": signal.SIGINT,
                "stopped_for_a_time": signal.SIGSTOP,
            }[fault.what]
            found.append((fault.when["seconds"], number))
            if number == signal.SIGSTOP:
                found.append((fault.how["for"], signal.SIGCONT))

    return found
