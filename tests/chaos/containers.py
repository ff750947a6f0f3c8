"""The containers of a plan, seen and struck from outside: through the docker client, and never through the package.

An engine that may be killed belongs to a process that is not below the one that runs a plan: that one takes everything
below it for something that an attempt has left.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, Self

from docker_engine import IMAGES, Engine
from docker_proxy import Proxy
from own_engine import OwnEngine, place_of_engines
from plan import Fault, Plan
from processes import descendants

PAIR = {"source": IMAGES["source_mini_image"], "destination": IMAGES["destination_mini_image"]}
COMMANDS = {"source": "read", "destination": "write"}
RETURNED = "returned"
"""The file that an attempt makes when its sync is over, before it looks at what is left of it."""

LOOK = 0.05  # seconds between two looks for the moment to strike


@dataclass(frozen=True)
class Given:
    """An engine that plans are run on.

    Parameters:
        address: where it is.
        control: what kills and stops it; None where others need it, too.
    """

    address: str
    control: OwnEngine | None = None


class _Engines(BaseManager):
    """A process that starts engines, and is the parent of them."""


_Engines.register("engine", OwnEngine, exposed=("start", "kill", "suspend", "resume", "stop", "take_images"))


@contextmanager
def engines(number: int, *, own: bool) -> Iterator[list[Given]]:
    """Yield engines: each one for one plan at a time, or the one of the environment, for all."""
    if not own:
        address = Engine().run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        yield [Given(address)] * number
        return

    folders = [Path(tempfile.mkdtemp(prefix="own-engine-", dir=place_of_engines())) for _ in range(number)]
    with _Engines(ctx=multiprocessing.get_context("fork")) as manager:
        started: list[Any] = []
        try:
            for folder in folders:
                engine = manager.engine(folder)  # type: ignore[attr-defined]  # made by `register`
                started.append(engine)
                engine.start()
                engine.take_images(PAIR.values())

            yield [Given(OwnEngine(folder).address, engine) for folder, engine in zip(folders, started, strict=True)]
        finally:
            for engine in started:
                engine.stop()

            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)


class Containers:
    """The containers of one plan.

    Parameters:
        plan: the plan.
        folder: its folder, which the containers see at its own path.
        given: the engine.
    """

    def __init__(self, plan: Plan, folder: Path, given: Given) -> None:
        self.plan = plan
        self.folder = folder
        self.given = given
        self.engine = Engine(address=given.address)

    def options(self, proxy: Proxy | None) -> dict[str, Any]:
        """Return how they are made, for `DockerOptions`."""
        return {
            "network": "none",
            "pull_policy": "never",
            "labels": self.engine.labels,
            "volumes": [f"{self.folder}:{self.folder}"],
            "engine": self.given.address if proxy is None else proxy.address,
            # Who is not root could not remove what another user wrote.
            "user": f"{os.geteuid()}:{os.getegid()}" if os.geteuid() else None,
        }

    def left(self) -> list[str]:
        """Return what is there: on an engine that nobody else uses whatever it is."""
        if self.given.control is None:
            return self.engine.left_by(0)

        return self.engine.lines("ps", "--all", "--quiet") + self.engine.lines("volume", "ls", "--quiet")

    def of(self, side: str) -> list[str]:
        """Return the ids of those in which the source reads, or the destination writes."""
        command = f"label=airbyte-exec.command={COMMANDS[side]}"
        flags = ("--all", "--quiet", "--no-trunc", "--filter", f"label=test={self.engine.label}", "--filter", command)
        return self.engine.run("ps", *flags, check=False).split()

    def restart(self) -> None:
        """Start an engine anew that does not answer any more."""
        if self.given.control is not None:
            self.given.control.kill()
            self.given.control.start()
            self.remove()

    def remove(self) -> None:
        """Remove what a plan left that broke something, so that the next one is not blamed."""
        if self.given.control is not None and (found := self.engine.lines("ps", "--all", "--quiet")):
            self.engine.run("rm", "--force", "--volumes", *found, check=False)


class Strikes:
    """What the engine and the containers suffer during one attempt: a thread waits for the moment of each.

    A connector in whose script a fault stands waits there from its mark on until it is released.

    Parameters:
        containers: those of the plan.
        faults: what goes wrong in this attempt, with the mark of each.
    """

    def __init__(self, containers: Containers, faults: list[tuple[Fault, Path]]) -> None:
        self._containers = containers
        self._faults = [(fault, mark) for fault, mark in faults if fault.who == "engine"]
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        cut = any(fault.what == "connections_cut" for fault, _ in self._faults)
        self.proxy = Proxy(containers.given.address.removeprefix("unix://")) if cut else None
        self.struck: set[Path] = set()

    def __enter__(self) -> Self:
        if self.proxy is not None:
            self.proxy.serve()

        for fault, mark in self._faults:
            thread = threading.Thread(target=self._run, args=(fault, mark))
            self._threads.append(thread)
            thread.start()

        return self

    def __exit__(self, *_: object) -> None:
        """Wait until all that was done to the engine is undone."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

        if self.proxy is not None:
            self.proxy.close()

    def _run(self, fault: Fault, mark: Path) -> None:
        try:
            if self._moment(fault, mark):
                self._strike(fault, mark)
        finally:
            released(mark).touch()

    def _moment(self, fault: Fault, mark: Path) -> bool:
        """Wait for the moment to strike; return whether it came."""
        if "seconds" not in fault.when:
            return self._until(mark.exists)

        if fault.kind.side is not None and not self._until(lambda: bool(self._containers.of(fault.kind.side or ""))):
            return False

        return not self._ended.wait(fault.when["seconds"])

    def _until(self, is_so: Callable[[], bool]) -> bool:
        while not is_so():
            if self._ended.wait(LOOK):
                return False

        return True

    def _strike(self, fault: Fault, mark: Path) -> None:
        side = fault.kind.side
        if side is not None:
            self._strike_containers(fault, mark, side)
            return

        strike, undo = self._of_engine(fault.what)
        strike()
        self.struck.add(mark)
        self._hold(fault, mark)
        undo()

    def _strike_containers(self, fault: Fault, mark: Path, side: str) -> None:
        action = {
            "container_killed": self._kill,
            "container_removed": self._remove,
            "client_killed": self._cut_off,
            "container_paused": self._pause,
            "container_paused_for_a_time": self._pause,
        }[fault.what.removeprefix(f"{side}_")]
        done = [container for container in self._containers.of(side) if action(container)]
        self.struck |= {mark} if done else set()
        if action == self._pause:
            self._hold(fault, mark)
            for container in done if "for" in fault.how else ():
                self._containers.engine.run("unpause", container, check=False)

    def _hold(self, fault: Fault, mark: Path) -> None:
        """Wait for as long as the fault lasts; one that ends nowhere lasts as long as the attempt."""
        released(mark).touch()
        if "for" in fault.how:
            self._ended.wait(fault.how["for"])
        else:
            self._until((self._containers.folder / RETURNED).exists)

    def _of_engine(self, what: str) -> tuple[Callable[[], None], Callable[[], None]]:
        if what == "connections_cut":
            assert self.proxy is not None
            return self.proxy.cut, self.proxy.mend

        control = self._containers.given.control
        assert control is not None, "such a plan needs an engine of its own"
        return (control.kill, control.start) if what == "killed" else (control.suspend, control.resume)

    def _kill(self, container: str) -> bool:
        return bool(self._containers.engine.run("kill", container, check=False))

    def _remove(self, container: str) -> bool:
        return bool(self._containers.engine.run("rm", "--force", "--volumes", container, check=False))

    def _pause(self, container: str) -> bool:
        return bool(self._containers.engine.run("pause", container, check=False))

    def _cut_off(self, container: str) -> bool:
        """Kill the process that holds the connection to a container."""
        struck = False
        for text in descendants():
            if text.split()[-1] == container and "_start_main" in text:
                with suppress(ProcessLookupError):
                    os.kill(int(text.split()[0]), signal.SIGKILL)
                    struck = True

        return struck


def released(mark: Path) -> Path:
    """Return the file for which the connector that made a mark waits."""
    return mark.with_suffix(".released")


def waiting_step(fault: Fault, mark: Path, who: str) -> list[dict[str, Any]]:
    """Return the step of a connector's script at which it waits for a fault of the engine, if it does."""
    place = fault.place(who)
    return [] if place is None else [{"do": "wait_for", "at": place, "once": str(mark), "path": str(released(mark))}]


def open_to_containers(folder: Path) -> None:
    """Let the users of the images, who are others, write where connectors keep what came."""
    for path in (folder, *(folder / name for name in ("fired", "got", "sent"))):
        path.chmod(0o777)
