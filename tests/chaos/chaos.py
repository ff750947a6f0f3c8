"""Runs fault plans and checks what must hold (`docs/reliability.md`) after every attempt: `make chaos N=1000 SEED=1`.

With DOCKER=1 it draws plans whose connectors are containers, and the engine suffers, too: see `containers`.

A plan runs in processes of its own: each attempt is a fork of this one, which has everything loaded. This process is
made the foster parent of whatever an attempt leaves behind, so a process that is left cannot hide.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from attempt import preload
from checks import Checks
from containers import Given, engines
from faults import ENGINE_KINDS, KINDS
from own_engine import why_no_own_engine
from plan import STRATEGIES, Plan, draw, draw_with_containers
from processes import become_foster_parent, cpu_seconds
from stage import Stage

AGAIN = 5
"""How often a plan is run again because the machine stood still meanwhile: then it says nothing about us."""


@dataclass
class Outcome:
    """What a plan came to.

    Parameters:
        plan: the plan.
        broken: what does not hold, each with the id of the invariant.
        attempts: how each attempt ended.
        struck: the faults that struck.
        seconds: CPU seconds of all of its processes.
        stood_still: the machine was stopped while it ran, each time.
    """

    plan: Plan
    broken: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    struck: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    stood_still: bool = False


def run_plan(plan: Plan) -> Outcome:
    """Run a plan; again where the machine stood still meanwhile."""
    outcome = _run_once(plan)
    for _ in range(AGAIN):
        if not outcome.stood_still:
            break

        outcome = _run_once(plan)

    return outcome


def _run_once(plan: Plan) -> Outcome:
    """Run a plan in a folder of its own, which stays only where something does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    outcome, before = Outcome(plan), cpu_seconds()
    stage = Stage(plan, folder, _engine)
    _run_through(stage, outcome)
    stage.close()
    outcome.seconds = cpu_seconds() - before
    if not outcome.broken:
        shutil.rmtree(folder)

    return outcome


def _run_through(stage: Stage, outcome: Outcome) -> None:
    """Run all attempts, until one breaks something."""
    checks = Checks(stage)
    for number, part in enumerate(stage.plan.rounds):
        stage.round = number
        for faults in (*part.attempts, ()):
            done = stage.run(part, faults)
            outcome.attempts.append(done.outcome)
            outcome.struck += [(fault.who, fault.what) for fault in done.struck]
            outcome.stood_still = stage.stood_still
            outcome.broken = [] if stage.stood_still else checks.after_attempt(part, done)
            if outcome.broken or outcome.stood_still:
                return

        outcome.broken = checks.after_round(part)
        if outcome.broken:
            return

    done = stage.run(part, ())
    outcome.attempts.append(done.outcome)
    outcome.stood_still = stage.stood_still
    outcome.broken = [] if stage.stood_still else checks.after_attempt(part, done) + checks.after_nothing_new(done)


def minimised(outcome: Outcome) -> Plan:
    """Return the plan with as few faults as still break something."""
    plan, number = outcome.plan, 0
    while number < len(plan.faults):
        smaller = plan.without(number)
        if any(run_plan(smaller).broken for _ in range(2)):
            plan = smaller
        else:
            number += 1

    return plan


@contextmanager
def workers(jobs: int, *, docker: bool) -> Iterator[Pool]:
    """Yield processes that run plans, each with an engine where plans have containers."""
    context = multiprocessing.get_context("fork")
    waiting = context.SimpleQueue()
    preload()
    with engines(jobs, own=why_no_own_engine() is None) if docker else nullcontext([]) as given:
        for engine in given:
            waiting.put(engine)

        with context.Pool(jobs, _begin, (waiting if docker else None,)) as pool:
            yield pool


def _begin(waiting: Any) -> None:
    global _engine  # noqa: PLW0603 - a worker's own, for all of its plans
    become_foster_parent()
    _engine = None if waiting is None else waiting.get()


_engine: Given | None = None


def _plans(given: argparse.Namespace) -> list[Plan]:
    if given.plan:
        return [Plan.from_json(line) for line in Path(given.plan).read_text(encoding="utf-8").splitlines()]

    seeds = range(given.seed, given.seed + given.number)
    own_engine = why_no_own_engine() is None
    return [draw_with_containers(seed, own_engine=own_engine) if given.docker else draw(seed) for seed in seeds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--stop", action="store_true", help="stop at the first plan that breaks something")
    parser.add_argument("--plan", help="run the plans of a file, one a line")
    parser.add_argument("--as-drawn", action="store_true", help="do not look for a smaller plan")
    parser.add_argument("--docker", action="store_true", help="draw plans whose connectors are containers")
    given = parser.parse_args()
    plans = _plans(given)
    outcomes = []
    with workers(given.jobs, docker=any(plan.containers for plan in plans)) as pool:
        for outcome in pool.imap_unordered(run_plan, plans):
            outcomes.append(outcome)
            if outcome.broken:
                print(f"seed {outcome.plan.seed} breaks:", *outcome.broken, sep="\n    ", flush=True)
                if given.stop:
                    break

        broken = [outcome for outcome in outcomes if outcome.broken]
        for smallest in pool.imap(minimised, [] if given.as_drawn else broken[:5]):
            print(f"seed {smallest.seed}, the smallest plan that breaks:\n    {smallest.to_json()}")

    print_table(outcomes)
    return 1 if broken else 0


def print_table(outcomes: list[Outcome]) -> None:
    """Print how often each fault struck, by side and strategy: straight syncs, and those through a cache."""
    counts: Counter[tuple[str, str, str, bool]] = Counter()
    for outcome in outcomes:
        counts.update((*struck, outcome.plan.strategy, outcome.plan.cached) for struck in outcome.struck)

    columns = [f"{strategy}: straight / cached" for strategy in STRATEGIES]
    print(f"{'side':12} {'fault':29}", *(f"{column:>27}" for column in columns))
    for kind in (*KINDS, *(ENGINE_KINDS if any(outcome.plan.containers for outcome in outcomes) else ())):
        cells = []
        for strategy in STRATEGIES:
            straight, cached = (counts[kind.who, kind.name, strategy, flow] for flow in (False, True))
            cells.append(f"{straight:>18} / {cached if kind.cached else '-':>6}")

        print(f"{kind.who:12} {kind.name:29}", *cells)

    ends = Counter(end for outcome in outcomes for end in outcome.attempts)
    seconds = sum(outcome.seconds for outcome in outcomes) / max(1, len(outcomes))
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    if still := [outcome.plan.seed for outcome in outcomes if outcome.stood_still]:
        print(f"not judged, the machine stood still: seeds {still}")

    print(f"{len(outcomes)} plans, {broken} broke something; attempts: {dict(ends)}; {seconds:.2f} CPU s a plan")


if __name__ == "__main__":
    sys.exit(main())
