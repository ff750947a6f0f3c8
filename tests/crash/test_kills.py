"""One kill of each kind; `make kills` runs hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import STRATEGIES, VICTIMS, Case, run_case

SEED = 20


@pytest.mark.slow
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("cached", [False, True], ids=["straight", "cached"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(
    tmp_path: Path, strategy: str, cached: bool, victim: str
) -> None:
    seed = SEED + STRATEGIES.index(strategy) * 6 + cached * 3 + VICTIMS.index(victim)
    run_case(Case.draw(seed, strategy=strategy, cached=cached, victim=victim), tmp_path)
