"""The table of faults names tests that are there, and none of its faults is without one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
NEED_DOCKER = {34, 35, 36}
TABLE = {int(number): tests for number, _, tests in ROW.findall((ROOT / "docs/faults.md").read_text(encoding="utf-8"))}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_fault_has_a_row() -> None:
    assert list(TABLE) == list(range(1, 50))


@pytest.mark.parametrize("number", sorted(set(range(1, 50)) - NEED_DOCKER))
def test_a_fault_names_tests_that_are_there(number: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE[number])

    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


@pytest.mark.parametrize("number", sorted(NEED_DOCKER))
def test_only_faults_of_docker_may_wait(number: int) -> None:
    assert TABLE[number] == "Docker: later"
