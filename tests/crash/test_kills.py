"""One kill of each kind; `make kills` runs hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import STRATEGIES, VICTIMS, Case, run_case

SEED = 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "cached", "victim"),
    [
        pytest.param(
            strategy,
            cached,
            victim,
            id=f"{strategy}-{'cached' if cached else 'straight'}-{victim}",
            marks=() if (at + number + cached) % 3 == 0 else pytest.mark.wide,
        )
        for number, strategy in enumerate(STRATEGIES)
        for cached in (False, True)
        for at, victim in enumerate(VICTIMS)
    ],
)
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(
    tmp_path: Path, strategy: str, cached: bool, victim: str
) -> None:
    seed = SEED + STRATEGIES.index(strategy) * 6 + cached * 3 + VICTIMS.index(victim)
    run_case(Case.draw(seed, strategy=strategy, cached=cached, victim=victim), tmp_path)
