"""Kills a part of a sync at a random moment, looks at what is left, runs it again, and looks at the rows.

A case is drawn from a seed. `python -m tests.crash.kills --number 200 --seed 1` runs many and prints those that break a
promise; `test_kills.py` runs one of each kind.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil
from killed_run import RUN_LIMIT, BrokenPromiseError, KilledRun
from mini import SOURCE_MINI, source_config, stream

STRATEGIES = ("append", "merge", "replace")
VICTIMS = ("us", "source", "destination")
OLD_ROWS, ROWS = 300, 2_000
DRIP = 0.0005  # seconds a record of the run that is killed: its source takes a second and a half
LONGEST_DELAY = 1.6  # seconds from the start of the victim to the kill
LONGEST_DELAY_OF_REPLAY = 0.5  # a cache is written out much faster than this source is read


@dataclass(frozen=True)
class Case:
    """What is killed, when, and in which kind of sync."""

    seed: int
    strategy: str
    cached: bool
    victim: str
    delay: float

    @classmethod
    def draw(
        cls, seed: int, *, strategy: str | None = None, cached: bool | None = None, victim: str | None = None
    ) -> Case:
        dice = random.Random(seed)
        drawn = (dice.choice(STRATEGIES), dice.random() < 0.5, dice.choice(VICTIMS))
        cached = drawn[1] if cached is None else cached
        victim = victim or drawn[2]
        longest = LONGEST_DELAY_OF_REPLAY if cached and victim == "destination" else LONGEST_DELAY
        return cls(seed, strategy or drawn[0], cached, victim, dice.uniform(0, longest))


def run_case(case: Case, folder: Path) -> str:
    """Run one case in an empty folder, and return where the kill struck.

    Raises:
        BrokenPromiseError: a promise was not kept.
    """
    scene = _Scene(case, folder)
    if case.strategy == "replace":
        scene.set_rows(OLD_ROWS, pad=0)
        scene.run_through()

    scene.set_rows(ROWS, pad=20, drip=DRIP)
    struck = scene.kill()
    scene.set_rows(ROWS, pad=20)
    scene.expect_nothing_left()
    if case.strategy == "replace":
        scene.expect_old_or_new()

    for _ in range(2):  # the second one has nothing to do, and must do no harm
        scene.run_through()

    scene.expect_all_rows()
    scene.expect_nothing_left()
    return struck


class _Scene(KilledRun):
    def __init__(self, case: Case, folder: Path) -> None:
        super().__init__(folder, {"AIRBYTE_CACHE_ROOT": "cache", "XDG_STATE_HOME": "state"})
        self.case = case
        self.rows = folder / "rows.duckdb"
        config = source_config(streams=[stream(records=ROWS)], script_file=str(self.script))
        self.plan(
            source={"config": config, "local_executable": str(SOURCE_MINI)},
            destination={"name": "destination-local", "config": {"path": str(self.rows)}},
            cache=str(folder / "cache.duckdb") if case.cached else None,
            strategy=case.strategy,
        )

    def set_rows(self, number: int, *, pad: int, drip: float = 0) -> None:
        """Change what the source has, but not its config."""
        body = {"streams": [stream(records=number, pad=pad)], "state_every": 50, "drip": drip}
        self.script.write_text(json.dumps(body), encoding="utf-8")

    def kill(self) -> str:
        """Start a run, wait for its connectors, and kill one part of it."""
        process = self.start()
        try:
            victim = self._find_victim(process)
            if victim is None:
                return "nothing: it was over before"

            time.sleep(self.case.delay)
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                return "nothing: it was over before"

            return "a running sync"
        finally:
            process.communicate(timeout=RUN_LIMIT)

    def _find_victim(self, process: subprocess.Popen[str]) -> psutil.Process | None:
        """Wait for the connectors; both are there as soon as the source reads."""
        is_destination = self.case.victim == "destination"
        words, command = ("destination_local", "write") if is_destination else ("source-mini", "read")
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                for child in parent.children(recursive=True):
                    line = child.cmdline()
                    if command in line and any(words in word for word in line):
                        return parent if self.case.victim == "us" else child
            except psutil.NoSuchProcess:
                continue

            time.sleep(0.02)

        return None

    def _ids(self) -> tuple[Counter[int], Counter[bool]]:
        with duckdb.connect(str(self.rows), read_only=True) as connection:
            found = connection.sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'users'")
            is_new = "pad IS NOT NULL" if ("pad",) in found.fetchall() else "false"
            rows = connection.sql(f"SELECT id, {is_new} FROM users").fetchall()

        return Counter(row[0] for row in rows), Counter(row[1] for row in rows)

    def expect_old_or_new(self) -> None:
        ids, new = self._ids()
        old = ids == Counter(range(1, OLD_ROWS + 1)) and set(new) == {False}
        if not old and not (ids == Counter(range(1, ROWS + 1)) and set(new) == {True}):
            raise BrokenPromiseError(
                f"neither the old rows nor the new ones: {len(ids)} ids, {dict(new)} with new data"
            )

    def expect_all_rows(self) -> None:
        ids, _ = self._ids()
        missing = set(range(1, ROWS + 1)) - set(ids)
        if missing:
            raise BrokenPromiseError(f"{len(missing)} rows are missing, such as {min(missing)}")

        twice = sum(1 for count in ids.values() if count > 1)
        if twice and self.case.strategy != "append":
            raise BrokenPromiseError(f"{twice} rows are there more than once")

        if len(ids) != ROWS:
            raise BrokenPromiseError(f"{len(ids)} rows that the source does not have")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    cases = [Case.draw(given.seed + n) for n in range(given.number)]
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = list(pool.map(_outcome, cases))

    for (strategy, flow, victim), results in sorted(_table(cases, outcomes).items()):
        sys.stdout.write(f"{strategy:8} {flow:9} {victim:12} {dict(results)}\n")

    broken = [(case, outcome) for case, outcome in zip(cases, outcomes, strict=True) if outcome.startswith("BROKEN")]
    for case, outcome in broken:
        sys.stdout.write(f"{case} {outcome}\n")

    sys.stdout.write(f"{len(cases) - len(broken)} passed, {len(broken)} failed\n")
    return 1 if broken else 0


def _outcome(case: Case) -> str:
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        outcome = run_case(case, folder)
    except BrokenPromiseError as error:
        return f"BROKEN {error} ({folder})"

    shutil.rmtree(folder)
    return outcome


def _table(cases: list[Case], outcomes: list[str]) -> dict[tuple[str, str, str], Counter[str]]:
    table: dict[tuple[str, str, str], Counter[str]] = {}
    for case, outcome in zip(cases, outcomes, strict=True):
        key = (case.strategy, "cached" if case.cached else "straight", case.victim)
        table.setdefault(key, Counter())[outcome if not outcome.startswith("BROKEN") else "BROKEN"] += 1

    return table


if __name__ == "__main__":
    sys.exit(main())
