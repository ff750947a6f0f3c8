"""One kill of each kind, and what an engine that ends in mid-sync is called; `make kills DOCKER=1` runs many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker_engine import Engine, is_required
from docker_kills import PAIR, STRATEGIES, VICTIMS, Case, run_case
from docker_lab import DockerLab
from mini import after_state, step
from own_engine import OwnEngine, own_engine, why_no_own_engine

from airbyte_exec import exceptions as exc

SEED = 40

pytestmark = pytest.mark.usefixtures("source_mini_image", "destination_mini_image")


@pytest.fixture(scope="module")
def own() -> Iterator[OwnEngine]:
    """Give an engine that may be killed; it is running again when the next test gets it."""
    if reason := why_no_own_engine():
        if is_required():
            pytest.fail(reason, pytrace=False)

        pytest.skip(f"the tests that kill an engine are left out: {reason}")

    with own_engine(PAIR) as started:
        yield started


@pytest.mark.parametrize(
    ("strategy", "victim"),
    [
        pytest.param(strategy, victim, marks=() if at == number else pytest.mark.wide)
        for at, victim in enumerate(victim for victim in VICTIMS if victim != "engine")
        for number, strategy in enumerate(STRATEGIES)
    ],
)
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(
    engine: Engine, tmp_path: Path, strategy: str, victim: str
) -> None:
    seed = SEED + STRATEGIES.index(strategy) * len(VICTIMS) + VICTIMS.index(victim)
    run_case(Case.draw(seed, strategy=strategy, victim=victim), tmp_path)


@pytest.mark.parametrize("strategy", [pytest.param("append", marks=pytest.mark.wide), "replace"])
def test_an_engine_that_is_killed_loses_nothing_and_leaves_nothing(
    engine: Engine, own: OwnEngine, tmp_path: Path, strategy: str
) -> None:
    run_case(Case.draw(SEED, strategy=strategy, victim="engine"), tmp_path, own)


def test_an_engine_that_ends_in_the_middle_of_a_sync_is_named_as_the_reason(
    docker_lab: DockerLab, own: OwnEngine
) -> None:
    docker_lab.options = replace(docker_lab.options, engine=own.address)
    never = docker_lab.folder / "never"
    killing = threading.Thread(target=own.kill)

    def kill(progress: object) -> None:
        if getattr(progress, "states_committed", 0) >= 2 and killing.ident is None:
            killing.start()

    source = docker_lab.source(script=[step("wait_for", after_state(2), path=never)], flush="line")
    try:
        error = docker_lab.failure(source, on_progress=kill)
    finally:
        killing.join()
        own.start()

    assert isinstance(error, exc.AirbyteConnectorError)
    assert (error.context or {}).get("reason") == "engine_lost"
    assert error.result.states_committed == 2
    assert docker_lab.cursor() == 20
    assert docker_lab.write().processed_records == 100
    assert Engine(label=docker_lab.engine.label, address=own.address).left_by(0) == []
