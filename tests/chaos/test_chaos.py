"""A fixed set of fault plans, one kill at every step of ours, and the harness itself; `make chaos` runs thousands."""

from __future__ import annotations

import ast
import json
from functools import partial
from pathlib import Path

import bugs
import jsonschema
import pytest
from faults import BY_NAME, ENGINE_KINDS, KINDS
from harness import ROOT, plans_in, run
from plan import SCHEMA, SIDES, STRATEGIES, Fault, Named, Plan, Round, draw, draw_with_containers

from airbyte_exec._crashpoints import POINTS

MODES = ("full_refresh", "incremental")
SEEDS = range(1, 101, 20)


def plan(*faults: Fault, strategy: str = "merge", cached: bool = False, rounds: tuple[Round, ...] = ()) -> Plan:
    streams = (Named("users", "north", MODES), Named("users", "south", MODES, 3))
    return Plan(0, strategy, cached, "STREAM", 4, 0, streams, (*rounds, Round(12, (faults,) if faults else ())))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fixed_set_of_plans_breaks_nothing(tmp_path: Path, seed: int) -> None:
    ran = run(tmp_path, "--seed", str(seed), "--number", "20")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", [0, 1])
def test_a_kill_at_any_step_of_ours_loses_nothing_and_leaves_nothing(tmp_path: Path, part: int) -> None:
    plans = []
    for point in POINTS[part::2]:
        is_cache = point.startswith("cache.")
        strategy = "replace" if point.startswith("cache.swap") else "merge"
        fault = Fault("us", "killed_at_a_step", {"point": point, "turn": 1})
        plans.append(plan(fault, strategy=strategy, cached=is_cache))

    ran = run(tmp_path, "--plan", plans_in(tmp_path, *plans))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"'killed': {len(plans)}" in ran.stdout, "a step is never reached"


@pytest.mark.slow
def test_a_full_disk_is_an_error_of_ours_and_the_next_run_goes_on(tmp_path: Path) -> None:
    points = ("run.told", "placement.file.opened", "state_file.writing", "state_file.written", "state_file.renamed")
    plans = [plan(Fault("us", "disk_full", {"point": point, "turn": 2})) for point in points]
    ran = run(tmp_path, "--plan", plans_in(tmp_path, *plans))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"'error': {len(points)}" in ran.stdout


def test_the_steps_in_the_code_are_those_of_the_list() -> None:
    found = []
    for path in (ROOT / "airbyte_exec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_crashpoints.reached":
                assert isinstance(node.args[0], ast.Constant)
                found.append(node.args[0].value)

    assert sorted(found) == sorted(POINTS)


def test_every_kind_of_fault_is_drawn() -> None:
    drawn = {(fault.who, fault.what) for seed in range(1000) for fault in draw(seed).faults}
    assert drawn == {(kind.who, kind.name) for kind in KINDS}
    assert len(BY_NAME) == len(KINDS) + len(ENGINE_KINDS)


def test_every_fault_of_an_engine_is_drawn_with_each_strategy() -> None:
    plans = [draw_with_containers(seed, own_engine=True) for seed in range(400)]
    drawn = {(fault.what, plan.strategy) for plan in plans for fault in plan.faults if fault.who == "engine"}
    assert drawn == {(kind.name, strategy) for kind in ENGINE_KINDS for strategy in STRATEGIES}
    assert {plan.containers for plan in plans} == {SIDES, SIDES[:1], SIDES[1:]}
    for plan in plans:
        assert all(fault.kind.side in (None, *plan.containers) for fault in plan.faults)


def test_an_engine_that_others_need_is_neither_killed_nor_stopped() -> None:
    plans = [draw_with_containers(seed, own_engine=False) for seed in range(400)]
    assert not any(fault.kind.needs_own_engine for plan in plans for fault in plan.faults)


def test_a_plan_is_drawn_again_from_its_seed_and_read_again_from_its_text() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for draws in (draw, partial(draw_with_containers, own_engine=True)):
        for seed in range(200):
            drawn = draws(seed)
            jsonschema.validate(json.loads(drawn.to_json()), schema)
            assert drawn == draws(seed)
            assert Plan.from_json(drawn.to_json()) == drawn


def test_a_plan_without_one_fault_has_the_others() -> None:
    first, second = Fault("source", "noise", "start"), Fault("us", "two_at_once")
    assert plan(first, second).without(0).faults == [second]
    assert plan(first).without(0).rounds == (Round(12),)


@pytest.mark.parametrize("patch", bugs.PATCHES, ids=[path.stem for path in bugs.PATCHES])
def test_the_bugs_that_are_put_in_on_purpose_can_be_put_in(patch: Path) -> None:
    applied = bugs.apply(patch, ROOT, "--check")
    assert applied.returncode == 0, applied.stderr


def test_there_are_ten_bugs() -> None:
    assert len(bugs.PATCHES) >= 10
