"""Kills a part of a sync of two containers at a random moment, looks at what is left, and runs it again.

A case is drawn from a seed. `make kills DOCKER=1` runs many; `tests/docker/test_kills.py` runs one of each kind.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from docker_engine import IMAGES, Engine
from killed_run import RUN_LIMIT, BrokenPromiseError, KilledRun, expect_gone
from mini import destination_config, last_run, runs, source_config, stored_records, stream
from own_engine import OwnEngine, own_engine

from airbyte_exec._state.files import StateFolder

STRATEGIES = ("append", "merge", "replace")
VICTIMS = ("us", "client", "container", "engine")
SIDES = ("source", "destination")
ROWS = 2_000
DRIP = 0.0005  # seconds a record of the run that is killed: its source takes a second and a half
LONGEST_DELAY = 2.0  # seconds from the start of the second container's client to the kill
PAIR = (IMAGES["source_mini_image"], IMAGES["destination_mini_image"])


@dataclass(frozen=True)
class Case:
    """What is killed, on which side, when, and in which kind of sync."""

    seed: int
    strategy: str
    victim: str
    side: str
    delay: float

    @classmethod
    def draw(cls, seed: int, *, strategy: str | None = None, victim: str | None = None) -> Case:
        dice = random.Random(seed)
        drawn = (dice.choice(STRATEGIES), dice.choice(VICTIMS), dice.choice(SIDES), dice.uniform(0, LONGEST_DELAY))
        return cls(seed, strategy or drawn[0], victim or drawn[1], drawn[2], drawn[3])


def run_case(case: Case, folder: Path, own: OwnEngine | None = None) -> str:
    """Run one case in an empty folder, and return where the kill struck.

    Parameters:
        own: the engine that may be killed; needed where it is the victim.

    Raises:
        BrokenPromiseError: a promise was not kept.
    """
    scene = _Scene(case, folder, own)
    scene.set_rows(drip=DRIP)
    struck = scene.kill()
    scene.expect_nothing_left()
    scene.expect_what_is_committed_to_be_stored()
    scene.expect_no_false_end()
    if case.victim != "engine":  # whoever is killed, somebody lives who cleans up at once
        scene.expect_no_container_left()

    scene.set_rows()
    scene.run_through()
    scene.expect_no_container_left()
    scene.expect_nothing_left()
    scene.expect_all_rows()
    return struck


class _Scene(KilledRun):
    def __init__(self, case: Case, folder: Path, own: OwnEngine | None) -> None:
        super().__init__(folder, {"AIRBYTE_PROJECT_DIR": "project", "XDG_CACHE_HOME": "known"})
        self.case = case
        folder.chmod(0o777)  # the user of the images is another one
        self.got = folder / "got"
        self.got.mkdir()
        self.got.chmod(0o777)
        self.own = own
        self.engine = Engine(address=None if own is None else own.address)
        config = source_config(streams=[stream(records=ROWS)], script_file=str(self.script))
        self.plan(
            source={"config": config, "docker_image": PAIR[0]},
            destination={
                "name": "destination-mini",
                "config": destination_config(self.got),
                "docker_image": PAIR[1],
            },
            strategy=case.strategy,
            docker={
                "network": "none",
                "pull_policy": "never",
                "labels": self.engine.labels,
                "volumes": [f"{folder}:{folder}"],
                "engine": self.engine.address,
            },
        )

    def set_rows(self, *, drip: float = 0) -> None:
        """Change how fast the source is, but not its config."""
        self.script.write_text(json.dumps({"state_every": 50, "drip": drip}), encoding="utf-8")
        self.script.chmod(0o644)

    def kill(self) -> str:
        """Start a run, wait for its containers' clients, and kill one part of it."""
        process = self.start()
        try:
            clients = self._await_clients(process)
            if clients is None:
                return "nothing: it was over before"

            time.sleep(self.case.delay)
            return "a running sync" if self._strike(process, clients) else "nothing: it was over before"
        finally:
            process.communicate(timeout=RUN_LIMIT)
            if self.own is not None and self.case.victim == "engine":
                self.own.start()

    def _await_clients(self, process: subprocess.Popen[str]) -> dict[str, psutil.Process] | None:
        """Wait until both containers are started; return the client of each."""
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            found = {}
            with suppress(psutil.NoSuchProcess):
                for child in parent.children(recursive=True):
                    line = child.cmdline()
                    if any(word.endswith("_start_main.py") for word in line):
                        found[line[-1]] = child

            if len(found) == 2 and len(sides := self._by_side(found)) == 2:  # and not two that ask for a spec
                return sides

            time.sleep(0.02)

        return None

    def _by_side(self, clients: dict[str, psutil.Process]) -> dict[str, psutil.Process]:
        commands = {"read": "source", "write": "destination"}
        known = {one["Id"]: one["Config"]["Labels"]["airbyte-exec.command"] for one in self.engine.ours()}
        return {commands[known[name]]: client for name, client in clients.items() if known.get(name) in commands}

    def _strike(self, process: subprocess.Popen[str], clients: dict[str, psutil.Process]) -> bool:
        if self.case.victim == "us":
            process.kill()
            return True

        if self.case.victim == "engine":
            assert self.own is not None
            was_running = process.poll() is None  # it ends at once when its engine does
            self.own.kill()
            return was_running

        try:
            client = clients[self.case.side]
            if self.case.victim == "client":
                client.kill()
            else:
                return self.engine.run("kill", client.cmdline()[-1], check=False) != ""
        except (KeyError, IndexError, psutil.NoSuchProcess):
            return False

        return True

    def expect_no_container_left(self) -> None:
        """No container of it may be there, nor a volume."""
        expect_gone(lambda: self.engine.left_by(0), "containers are still there")

    def cursor(self) -> int | None:
        """Return the `id` in the committed state; 0 where there is no state, None where it tells none."""
        store = StateFolder(self.folder / "project" / ".cache" / "state")
        for pair in store.pairs():
            saved = store.load(pair)
            for known in saved.streams.values() if saved is not None else ():
                return json.loads(known.state).get("id") if known.state else 0

        return 0

    def expect_what_is_committed_to_be_stored(self) -> None:
        stored = {record["id"] for record in stored_records(self.got).get("users", [])}
        missing = set(range(1, (self.cursor() or 0) + 1)) - stored
        if missing:
            raise BrokenPromiseError(f"{len(missing)} rows are committed and not stored, such as {min(missing)}")

    def expect_no_false_end(self) -> None:
        """A destination may only see an end of input where the source had ended, or nothing is replaced."""
        if self.case.victim == "engine" or not runs(self.got):
            return  # an engine that dies closes the streams of its containers: nobody can help that

        run = last_run(self.got)
        is_failure_that_may_end = self.case.strategy != "replace" and self.case.victim != "us"
        if run.saw_eof and "COMPLETE" not in run.statuses().get("users", []) and not is_failure_that_may_end:
            raise BrokenPromiseError("the destination saw an end of input that the source had not reached")

    def expect_all_rows(self) -> None:
        stored = {record["id"] for record in stored_records(self.got).get("users", [])}
        if stored != set(range(1, ROWS + 1)):
            raise BrokenPromiseError(f"{ROWS - len(stored)} rows are missing")

        if self.cursor() not in (ROWS, None):
            raise BrokenPromiseError(f"the state says {self.cursor()} after a sync that went well")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    cases = [Case.draw(given.seed + n) for n in range(given.number)]
    outcomes: dict[Case, str] = {}
    with ExitStack() as stack:
        own = stack.enter_context(own_engine(PAIR)) if any(case.victim == "engine" for case in cases) else None
        pool = stack.enter_context(ThreadPoolExecutor(given.jobs))
        shared = {case: pool.submit(_outcome, case, None) for case in cases if case.victim != "engine"}
        # One engine, which one sync at a time may lose.
        outcomes |= {case: _outcome(case, own) for case in cases if case.victim == "engine"}
        outcomes |= {case: found.result() for case, found in shared.items()}

    table: dict[tuple[str, str, str], Counter[str]] = {}
    for case, outcome in outcomes.items():
        key = (case.victim, case.side if case.victim in ("client", "container") else "", case.strategy)
        table.setdefault(key, Counter())["BROKEN" if outcome.startswith("BROKEN") else outcome] += 1

    for (victim, side, strategy), results in sorted(table.items()):
        sys.stdout.write(f"{victim:10} {side:12} {strategy:8} {dict(results)}\n")

    broken = [(case, outcome) for case, outcome in outcomes.items() if outcome.startswith("BROKEN")]
    for case, outcome in broken:
        sys.stdout.write(f"{case} {outcome}\n")

    sys.stdout.write(f"{len(cases) - len(broken)} passed, {len(broken)} failed\n")
    return 1 if broken else 0


def _outcome(case: Case, own: OwnEngine | None) -> str:
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        outcome = run_case(case, folder, own)
    except (BrokenPromiseError, subprocess.TimeoutExpired) as error:
        return f"BROKEN {error} ({folder})"

    shutil.rmtree(folder)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
