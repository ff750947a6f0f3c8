"""A fixed set of fault plans whose connectors are containers; `make chaos DOCKER=1` runs more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from faults import ENGINE_KINDS, Kind
from harness import plans_in, run
from own_engine import why_no_own_engine
from plan import SIDES, STRATEGIES, Fault, Named, Plan, Round, draw_with_containers

SEEDS = range(1, 4)
STREAM = Named("users", None, ("full_refresh", "incremental"))
OWN = why_no_own_engine() is None
STEPS = (("child.started", 1), ("child.removed", 2))
"""A container is there before its child, and after it."""

KINDS = [kind for kind in ENGINE_KINDS if not kind.hangs and (OWN or not kind.needs_own_engine)]


def of_kind(number: int, kind: Kind) -> Plan:
    """Return a plan in which something happens to the engine in the middle of a sync."""
    side = kind.side or SIDES[number % 2]
    for_a_time = kind.side is None or kind.name.endswith("for_a_time")
    fault = Fault("engine", kind.name, {side: {"record": 7}}, {"for": 0.5} if for_a_time else {})
    strategy = STRATEGIES[number % len(STRATEGIES)]
    return Plan(0, strategy, False, "STREAM", 4, 0, (STREAM,), (Round(12, ((fault,),)),), SIDES)


def of_step(point: str, turn: int) -> Plan:
    """Return a plan in which we are killed when one of two containers is at a step."""
    fault = Fault("us", "killed_at_a_step", {"point": point, "turn": turn})
    return Plan(0, "merge", False, "STREAM", 4, 0, (STREAM,), (Round(12, ((fault,),)),), SIDES)


@pytest.mark.slow
@pytest.mark.wide
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("engine", "source_mini_image", "destination_mini_image")
def test_a_fixed_set_of_plans_breaks_nothing(tmp_path: Path) -> None:
    plans = [of_kind(number, kind) for number, kind in enumerate(KINDS)]
    plans += [of_step(point, turn) for point, turn in STEPS]
    plans += [draw_with_containers(seed, own_engine=OWN) for seed in SEEDS]
    ran = run(tmp_path, "--plan", plans_in(tmp_path, *plans), jobs=2)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for kind in KINDS:
        row = re.search(rf"^engine +{kind.name} .*", ran.stdout, re.MULTILINE)
        assert row is not None
        assert re.search("[1-9]", row[0].removeprefix("engine")), f"{kind.name} did not strike"
