"""A fixed set of fault plans, one kill at every step of ours, and the harness itself; `make chaos` runs thousands."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import bugs
import jsonschema
import pytest
from faults import BY_NAME, KINDS
from plan import SCHEMA, Fault, Named, Plan, Round, draw

from airbyte_exec._crashpoints import POINTS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MODES = ("full_refresh", "incremental")
SEEDS = range(1, 101, 20)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the harness in a process of its own: it becomes the foster parent of all that is left behind."""
    paths = os.pathsep.join(map(str, (ROOT / "tests", HERE)))
    return subprocess.run(
        [sys.executable, str(HERE / "chaos.py"), "--jobs", "1", "--as-drawn", *arguments],
        env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def plans_in(folder: Path, *plans: Plan) -> str:
    path = folder / "plans.jsonl"
    path.write_text("\n".join(plan.to_json() for plan in plans), encoding="utf-8")
    return str(path)


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
    assert drawn == set(BY_NAME)
    assert len(BY_NAME) == len(KINDS)


def test_a_plan_is_drawn_again_from_its_seed_and_read_again_from_its_text() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for seed in range(200):
        drawn = draw(seed)
        jsonschema.validate(json.loads(drawn.to_json()), schema)
        assert drawn == draw(seed)
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
