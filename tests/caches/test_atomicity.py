"""A process that fills a cache is killed at any moment; then the sync is run again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from syncs_into_caches import PAIR, plan, record, replay, state, sync

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.protocol.envelope import Records
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

USERS = StreamId("users")
BATCHES = 12
ROWS = 400

CHILD = """
import sys
from pathlib import Path

import anyio
from syncs_into_caches import plan, record, run_sync, state

from airbyte_exec.caches import DuckDBCache
from airbyte_exec.strategies import WriteMethod

path, method, batches, rows = Path(sys.argv[1]), WriteMethod(sys.argv[2]), *map(int, sys.argv[3:5])
key = [["id"]] if method is WriteMethod.MERGE else None
generation = 7 if method is WriteMethod.REPLACE else 0

def lines(n):
    # A state in the middle: what comes after it in the batch is covered by the next one.
    records = [record({"id": i, "name": "x" * 50}) for i in range(n * rows, (n + 1) * rows)]
    return [*records[: rows // 2], state(n + 0.5), *records[rows // 2 :]]

with DuckDBCache(path) as cache:
    plans = [plan(method=method, primary_key=key, generation=generation)]
    anyio.run(run_sync, cache, plans, [lines(n) for n in range(batches)])
"""


def size_of(file: Path) -> int:
    """Return the size of a file that comes and goes."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def fill_and_kill(path: Path, method: WriteMethod, *, kill_at: int) -> None:
    """Run a child that fills the cache, and kill it when its file has changed `kill_at` times."""
    tests = str(Path(__file__).parent.parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), method.value, str(BATCHES), str(ROWS)],
        env={**os.environ, "PYTHONPATH": tests},
    )
    wal = Path(f"{path}.wal")
    seen, changes = -1, 0
    while child.poll() is None and changes < kill_at:
        size = size_of(wal)
        if size != seen:
            seen, changes = size, changes + 1

    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("method", list(WriteMethod))
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_sync_that_is_run_again_leaves_every_row_once(tmp_path: Path, method: WriteMethod, seed: int) -> None:
    path = tmp_path / "cache.duckdb"
    replacing = method is WriteMethod.REPLACE
    with DuckDBCache(path) as cache:
        sync(cache, [plan()] if replacing else [], [[record({"id": -1})]] if replacing else [])

    fill_and_kill(path, method, kill_at=random.Random(seed).randrange(3, 30))

    with DuckDBCache(path) as cache:
        saved = cache.state_store().load(PAIR)
        known = saved.streams.get(USERS) if saved is not None else None
        at = float(known.state) if known is not None and known.state else None
        finished = known is not None and known.complete and known.generation_id == (7 if replacing else 0)
        ids = sorted(row["id"] for row in cache["users"]) if "users" in cache else []
        if replacing and not finished:
            assert ids == [-1]
        else:
            assert len(ids) == len(set(ids))

        # The source goes on after the last state: its cursor is in the middle of a batch.
        first = 0 if at is None else round(at * ROWS)
        keys = [["id"]] if method is WriteMethod.MERGE else None
        again = plan(method=method, primary_key=keys, generation=7 if replacing else 0)
        if not finished:
            rest = [record({"id": i}) for i in range(first, BATCHES * ROWS)]
            sync(cache, [again], [[*rest, state(BATCHES)]])

        assert sorted(row["id"] for row in cache["users"]) == list(range(BATCHES * ROWS))
        assert sum(len(item) for item in replay(cache) if isinstance(item, Records)) == BATCHES * ROWS
