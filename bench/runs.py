"""Starts the drivers, one process a measurement, and keeps the environments that they run in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cases import FEW, OURS, START, THEIRS, Case
from bench.data import make_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.data import Data

ROOT = Path(__file__).resolve().parent.parent
PYAIRBYTE = "airbyte==0.71.3"
# PyAirbyte does not run on 3.13.
PYAIRBYTE_PYTHONS = ("3.11", "3.12", "3.10")
MODULES = {OURS: "airbyte_exec", THEIRS: "airbyte"}
# Nothing but the work is measured: no telemetry, no registry, no live display.
QUIET = {"DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "NO_LIVE_PROGRESS": "1", "PYTHONWARNINGS": "ignore"}
# Compiled modules are kept, as on a user's machine.
UNSET = frozenset({"PYTHONDONTWRITEBYTECODE"})
# A run of the slowest case takes about a minute for a million records.
LONGEST_RUN = 1800.0


@dataclass(frozen=True)
class Bench:
    """The folder of the bench and the interpreters in it."""

    folder: Path
    pythons: dict[str, Path] = field(default_factory=dict)

    def prepare(self, contestants: set[str]) -> None:
        """Find or make the interpreter of each contestant."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pythons[OURS] = Path(sys.executable)

        if THEIRS in contestants:
            self.pythons[THEIRS] = make_venv(self.folder / "pyairbyte", PYAIRBYTE, PYAIRBYTE_PYTHONS)

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Lend a fresh folder for one run."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))

        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def run(self, who: str, case: str, data: Data) -> dict[str, Any]:
        """Run one case of one contestant, or of the "limit", and return what its driver prints."""
        with self.work() as work:
            done = subprocess.run(
                self.command(who, case, data, work),
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

        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def command(self, who: str, case: str, data: Data, work: Path) -> list[str]:
        """Return the command line of a driver."""
        if who == "limit":
            return [str(self.pythons[OURS]), "-m", "bench.drivers.limits", case, str(data.folder), str(work)]

        name = case.removesuffix("-long")
        driver = [str(self.pythons[who]), "-m", "bench.drivers.contestant", MODULES[who]]
        small = make_data(data.folder.parent, FEW)
        return [*driver, name, str(data.folder), str(small.folder), str(work)]

    def import_seconds(self, who: str) -> float:
        """Return the wall time of a fresh interpreter that imports the package, less that of a bare one."""

        def once(code: str) -> float:
            began = time.perf_counter()
            subprocess.run([self.pythons[who], "-c", code], check=True, env=environment(self.folder), cwd=self.folder)
            return time.perf_counter() - began

        # The names, too: a package may load its parts when they are first asked for.
        code = f"from {MODULES[who]} import get_destination, get_source, new_local_cache"
        return max(0.0, once(code) - once("pass"))

    def start_seconds(self, who: str, data: Data) -> float:
        """Return the wall time of a process that imports the package and moves the data straight."""
        began = time.perf_counter()
        self.run(who, START, data)
        return time.perf_counter() - began

    def kill_half_way(self, who: str, data: Data) -> dict[str, Any]:
        """Kill a read where its source has sent half, and return what the cache file holds afterwards."""
        with self.work() as work, (work / "output").open("wb") as output:
            process = subprocess.Popen(
                self.command(who, "read-half", data, work),
                env=environment(work),
                cwd=work,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

            try:
                _wait_until_idle(process)
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

            return _stored(work / "cache")


def environment(work: Path) -> dict[str, str]:
    """Return what a driver inherits: everything it may write lies below `work`."""
    folders = {"AIRBYTE_PROJECT_DIR": "", "AIRBYTE_CACHE_ROOT": ".cache", "AIRBYTE_LOGGING_ROOT": "logs"}
    below = {name: str(work / folder) for name, folder in folders.items()}
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {**inherited, **QUIET, **below, "PYTHONPATH": str(ROOT)}


def make_venv(folder: Path, requirement: str, pythons: tuple[str, ...]) -> Path:
    """Make a venv that holds `requirement`, unless it is there, and return its interpreter."""
    python = folder / "bin" / "python"
    stamp = folder / ".made"

    if not stamp.exists() or stamp.read_text(encoding="utf-8") != requirement:
        find = [str(ROOT / "scripts" / "find-python"), *pythons]
        base = subprocess.run(find, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", base, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, requirement], check=True)
        stamp.write_text(requirement, encoding="utf-8")

    return python


def packages(python: Path) -> int:
    """Count the distributions of a venv, without pip and its like."""
    code = "from importlib.metadata import distributions; print(len(list(distributions())))"
    # -I: this checkout is no package of that venv.
    return int(subprocess.run([python, "-I", "-c", code], stdout=subprocess.PIPE, check=True).stdout)


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the run in the middle by CPU and wall time, each figure by itself."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _wait_until_idle(process: subprocess.Popen[bytes]) -> None:
    # The source blocks at half-way; whoever reads it is idle soon after what it wants to store is stored.
    idle, last = 0, -1.0

    while idle < 6 and process.poll() is None:
        time.sleep(0.5)
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").split()
        ticks = float(fields[13]) + float(fields[14])
        idle = idle + 1 if last > 0 and ticks - last < 3 else 0
        last = ticks


def _stored(folder: Path) -> dict[str, Any]:
    import duckdb

    try:
        with duckdb.connect(str(next(folder.glob("*.duckdb")))) as connection:
            rows = connection.sql("SELECT count(*) FROM users").fetchall()[0][0]
            states = connection.sql("SELECT state_json FROM _airbyte_state").fetchall()
    except (StopIteration, duckdb.CatalogException):
        return {"rows": 0, "state": None}

    return {"rows": rows, "state": states[0][0] if states else None}


def take_turns(bench: Bench, case: Case, data: Data, repeat: int) -> dict[str, dict[str, Any]]:
    """Run a case `repeat` times, all contestants in turn, and return each one's median."""
    contenders = [*case.contestants, *(["limit"] if case.limit else [])]
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in contenders}

    for _ in range(repeat):
        for who in contenders:
            runs[who].append(bench.run(who, case.limit or "" if who == "limit" else case.name, data))

    return {who: median(found) for who, found in runs.items()}
