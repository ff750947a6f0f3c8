"""Connectors that are images: throughput and start-up, beside PyAirbyte and `docker run` into a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from bench.cases import FEW, OURS, THEIRS
from bench.data import Data, make_data
from bench.drivers.images import DESTINATION, SOURCE
from bench.runs import LONGEST_RUN, MODULES, Bench, environment

BASE = "airbyte-exec/source-mini:dev"
"""What the images of the bench are made from; `make docker-images` builds it."""
SCALE = 8
"""Records of those who are fast, as a multiple of PyAirbyte's: their second has to be long enough to be measured."""
LIMIT = "docker run"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Throughput:
    """What moved how many records.

    Parameters:
        records: how many.
        wall: seconds for all of them, the start included.
        start: seconds for ten of them.
    """

    records: int
    wall: float
    start: float

    @property
    def rate(self) -> float:
        """Records a second, without the start."""
        return (self.records - FEW) / (self.wall - self.start)


@dataclass(frozen=True)
class Start:
    """How a sync of two images begins.

    Parameters:
        first: seconds from the command to the first record at the destination.
        whole: seconds until its end.
        containers: how many it started.
        calls: each call of an image, in order, and the seconds from the command to its first line.
    """

    first: float
    whole: float
    containers: int
    calls: tuple[tuple[str, float], ...]


def why_not() -> str | None:
    """Return why nothing can be measured here; None where it can."""
    if shutil.which("docker") is None:
        return "there is no docker client"

    found = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, encoding="utf-8", check=False)
    return None if found.returncode == 0 else f"no engine, or no image {BASE}: make docker-images"


class Images:
    """The measurements.

    Parameters:
        bench: the folder and the interpreters.
        repeat: runs of which the best counts: the start is taken off, and a disturbance of either would tell nonsense.
    """

    def __init__(self, bench: Bench, repeat: int) -> None:
        self.bench = bench
        self.repeat = repeat
        for image in (SOURCE, DESTINATION):
            name = image.partition("/")[2].partition(":")[0]
            subprocess.run(
                [
                    *("docker", "build", "--quiet", "--network", "none", "--tag", image),
                    *("--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", f"NAME={name}", str(HERE / "images")),
                ],
                check=True,
                capture_output=True,
            )

    def throughput(self, records: int, who: Collection[str]) -> dict[str, Throughput]:
        """Return how fast a source's records come out of its container and into a plain sink."""
        few = make_data(self.bench.folder / "data", FEW)
        found: dict[str, Throughput] = {}
        for name in (*(one for one in (OURS, THEIRS) if one in who), LIMIT):
            data = make_data(self.bench.folder / "data", records * (1 if name == THEIRS else SCALE))
            watch = self._pipe if name == LIMIT else self._stopwatch(name)
            watch(few)  # cold files, and what is asked once
            start, wall = self._best(watch, few), self._best(watch, data)
            found[name] = Throughput(data.records, wall, start)

        return found

    def starts(self, who: Collection[str]) -> dict[str, Start]:
        """Return how long it takes until the first record is where it has to go; each image's spec is known."""
        few = make_data(self.bench.folder / "data", FEW)
        found = {}
        for name in (one for one in (OURS, THEIRS) if one in who):
            self._sync(name, few)
            runs = [self._sync(name, few) for _ in range(self.repeat)]
            middle = sorted(runs, key=lambda run: run.first)[len(runs) // 2]
            found[name] = middle

        return found

    def call_seconds(self) -> float:
        """Return what one more call of an image costs: `docker run` of its spec."""

        def once(_: Data) -> float:
            began = time.perf_counter()
            subprocess.run(["docker", "run", "--rm", SOURCE, "spec"], check=True, capture_output=True)
            return time.perf_counter() - began

        return self._best(once, make_data(self.bench.folder / "data", FEW))

    def _best(self, watch: Callable[[Data], float], data: Data) -> float:
        return min(watch(data) for _ in range(self.repeat))

    def _stopwatch(self, who: str) -> Callable[[Data], float]:
        def once(data: Data) -> float:
            with self.bench.work() as work:
                return float(self._run(who, "image", data, work)["wall_s"])

        return once

    def _pipe(self, data: Data) -> float:
        with self.bench.work() as work:
            folder = _local(work, data)
            command = (
                f"docker run --rm --log-driver none --network none --volume {folder}:/local:ro {SOURCE} read"
                f" | {data.sink} write > {work}/echoed"
            )
            began = time.perf_counter()
            subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
            return time.perf_counter() - began

    def _sync(self, who: str, data: Data) -> Start:
        with self.bench.work() as work:
            began = time.time()
            self._run(who, "images", data, work)
            ended = time.time()
            first = float((work / "destination-bench" / "first-record").read_text(encoding="ascii"))
            return Start(first - began, ended - began, _containers(began, ended), _calls(work, began))

    def _run(self, who: str, case: str, data: Data, work: Path) -> dict[str, float]:
        _local(work, data)
        driver = [str(self.bench.pythons[who]), "-m", "bench.drivers.images", MODULES[who], case, str(data.sink)]
        done = subprocess.run(
            [*driver, str(work)],
            env=environment(work),
            cwd=work,
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST_RUN,
            check=False,
        )
        if done.returncode:
            raise SystemExit(
                f"{who}, {case}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )

        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures


def _local(work: Path, data: Data) -> Path:
    """Make the folder that the source sees as /local."""
    folder = work / "source-bench"
    folder.mkdir()
    os.link(data.lines, folder / "lines.jsonl")
    catalog = subprocess.run([data.source, "discover"], check=True, capture_output=True).stdout
    (folder / "catalog.jsonl").write_bytes(catalog)
    return folder


def _calls(work: Path, began: float) -> tuple[tuple[str, float], ...]:
    """Return what the images were asked, as they wrote it down."""
    found = []
    for side in ("source", "destination"):
        for line in (work / f"{side}-bench" / "calls").read_text(encoding="ascii").splitlines():
            command, _, at = line.partition(" ")
            found.append((f"{side} {command}", float(at) - began))

    return tuple(sorted(found, key=lambda call: call[1]))


def _containers(since: float, until: float) -> int:
    """Return how many containers of the bench were started in a time; an engine may serve others, too."""
    span = ("--since", f"{since:.3f}", "--until", f"{until:.3f}")
    events = ["docker", "events", *span, "--filter", "event=start", "--format", "{{.Actor.Attributes.image}}"]
    ids = ["docker", "image", "inspect", "--format", "{{.ID}}", SOURCE, DESTINATION]
    started, known = (
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.split()
        for command in (events, ids)
    )
    return sum(image in {SOURCE, DESTINATION, *known} for image in started)
