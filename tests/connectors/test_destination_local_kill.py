"""Kill -9 at any moment: nothing that was acknowledged is lost, a replace is all or nothing, a key has one row."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from local_destination import FORMATS, MODES, Live, Local, record, records, state, status, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVER = Path(__file__).with_name("crash_driver.py")
KINDS = [
    ("append", "add"),
    pytest.param("append_dedup", "add", marks=pytest.mark.slow),
    ("overwrite", "replace"),
    pytest.param("append_dedup", "replace", marks=pytest.mark.wide),
]
OLD = [0, 1, 2]
ROWS, STATE_EVERY = 400, 20
SEEDS = range(4)


def crash_at_every_step(folder: Path, chosen: str, mode: str, kind: str) -> list[dict[str, Any]]:
    env = {**os.environ, "PYTHONPATH": str(DRIVER.parent.parent)}
    command = [sys.executable, str(DRIVER), str(folder), chosen, mode, kind]
    out = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("mode", "kind"), KINDS)
@pytest.mark.parametrize("chosen", ["jsonl", pytest.param("csv", marks=pytest.mark.wide)])
def test_a_kill_before_any_change_on_disk_leaves_the_store_right(
    tmp_path: Path, chosen: str, mode: str, kind: str
) -> None:
    steps = crash_at_every_step(tmp_path, chosen, mode, kind)

    assert len(steps) >= 8
    assert [s["code"] for s in steps] == [-9] * (len(steps) - 1) + [0]
    new, pets = ([10, 11, 12], [17]) if kind == "replace" else ([0, 1, 2, 10, 11, 12], [7, 17])
    for step in steps:
        assert step["retried"] == 0, step
        assert (sorted(set(step["end"])), sorted(set(step["pets"]))) == (new, pets), step
        assert {Path(name).name for name in step["hidden"]} == {"lock", ".airbyte.json"}, step
        if mode == "append":
            assert set(OLD) <= set(step["seen"]) <= set(new), step
        else:
            assert set(step["seen"]) in ({*OLD}, {*new}), step

        if mode == "append_dedup":
            assert (step["end"], step["pets"]) == (new, pets), step


def send(process: Live, ids: Iterator[int], dice: random.Random) -> None:
    """Send rows with their states; the process is killed behind a random one of them."""
    echoes = dice.randint(0, 4)
    try:
        for i in ids:
            process.send(record(i), *([state(i)] if (i + 1) % STATE_EVERY == 0 else []))
            if dice.random() < 0.02:
                if not echoes:
                    return

                echoes -= 1
    except BrokenPipeError:
        raise AssertionError(process.end()) from None


def last_echo(process: Live, before: int) -> int:
    """Kill the process and return the last row that it acknowledged."""
    process.process.kill()
    out, _ = process.process.communicate()
    echoed = [
        json.loads(line)["state"] for line in out.splitlines(keepends=True) if b'"STATE"' in line and line[-1:] == b"\n"
    ]
    return max([before, *(s["stream"]["stream_state"]["at"] for s in echoed)])


@pytest.mark.parametrize("seed", [seed if seed < 1 else pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chosen", FORMATS)
def test_after_kills_at_random_moments_no_row_is_missing_and_no_key_is_there_twice(
    tmp_path: Path, chosen: str, mode: str, seed: int
) -> None:
    local, dice = Local(tmp_path, chosen), random.Random(f"{chosen} {mode} {seed}")
    local.write([stream(generation=1)], records(range(-3, 0)), status())
    catalog = [stream(mode=mode, generation=2, minimum=2 if mode == "overwrite" else 0)]
    done = -1
    for _ in range(3):
        process = local.start(catalog)
        send(process, iter(range(done + 1, ROWS)), dice)
        done = last_echo(process, done)
        seen = local.ids() or []
        if mode == "overwrite":
            assert seen == [-3, -2, -1]
        else:
            assert {-3, -2, -1} <= set(seen) <= set(range(-3, ROWS))
            assert mode == "append_dedup" or set(range(done + 1)) <= set(seen)

    end = local.write(catalog, records(range(done + 1, ROWS)), state(ROWS), status())

    assert end.exit_code == 0
    ids = local.ids() or []
    assert sorted(set(ids)) == list(range(0 if mode == "overwrite" else -3, ROWS))
    assert mode != "append_dedup" or len(ids) == len(set(ids))
