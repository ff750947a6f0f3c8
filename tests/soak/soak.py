"""Long and many syncs in one process: what it holds must not grow. `make soak`; the tests run short versions.

`row`: syncs one after the other, every seventh of which fails. `crowd`: many at once. `stream`: one that is long.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio
from mini import DESTINATION_MINI, SOURCE_MINI, after_record, destination_config, source_config, step, stream

import airbyte_exec as ab
from airbyte_exec._state.files import StateFolder
from airbyte_exec.aio import AsyncDestination, AsyncSource
from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.executors.local import PathExecutor

ENDING = 5.0
"""Seconds for a thread that has been told to end."""

SETTLED = 10
"""Syncs after which all is loaded that a sync loads."""

ROW_GROWTH = 4 << 20
"""Bytes that the memory may differ after any number of syncs: what the allocator keeps varies by that much."""

STREAM_GROWTH = 8 << 20
"""Bytes that the memory may differ between a tenth and the end of a long sync."""

EACH_OF_A_CROWD = 4 << 20
"""Bytes that each of many syncs at once may take."""

_SPEC = {
    "connectionSpecification": {
        "type": "object",
        "properties": {"api_key": {"type": "string", "airbyte_secret": True}, "script": {"type": "array"}},
    }
}
_CATALOG = {
    "streams": [
        {
            "name": "users",
            "json_schema": {"type": "object"},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["updated_at"],
            "source_defined_primary_key": [["id"]],
        }
    ]
}


class _Known(PathExecutor):
    """A scripted connector that need not be asked for its spec and its catalog."""

    def known_spec(self) -> dict[str, Any]:
        return _SPEC

    def known_catalog(self, config: Any) -> dict[str, Any]:
        del config
        return _CATALOG


@dataclass(frozen=True)
class Held:
    """What a process holds.

    Parameters:
        descriptors: open files.
        threads: running threads.
        children: child processes.
        files: temporary files.
        memory: bytes.
    """

    descriptors: int
    threads: int
    children: int
    files: int
    memory: int


def held() -> Held:
    """Return what this process holds now."""
    gc.collect()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(ENDING)  # the event loop tells its threads to end, and does not wait for them

    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    temporary = len(list(Path(tempfile.gettempdir()).glob("airbyte-exec-*")))
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), children, temporary, _memory("VmRSS"))


def _descriptors(without: Path) -> int:
    """Count our descriptors, without those of a folder whose files are open for a moment (a commit of a state)."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            count += not os.readlink(link).startswith(str(without))

    return count


def _memory(what: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.partition(f"{what}:")[2].split()[0]) * 1024


def row(syncs: int) -> dict[str, Any]:
    """Run syncs one after the other.

    Raises:
        AssertionError: this process holds more than after the tenth.
    """
    early = held()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        for number in range(1, syncs + 1):
            anyio.run(_sync, Path(name) / str(number % 3), number % 7 == 0)
            if number == SETTLED:
                early = held()

        late = held()

    _assert_same(early, late)
    return {"after_the_tenth": asdict(early), "after_all": asdict(late)}


def _assert_same(early: Held, late: Held) -> None:
    for what in ("descriptors", "threads", "children", "files"):
        assert getattr(late, what) == getattr(early, what), f"{what}: {early} then {late}"

    assert late.memory - early.memory < ROW_GROWTH, f"memory: {early} then {late}"


async def _sync(
    folder: Path, fails: bool = False, records: int = 20, on_progress: Callable[[Any], None] | None = None
) -> None:
    """Sync between connectors of its own; a sync that is to fail must."""
    script = [step("exit", after_record(15), code=3)] if fails else []
    more: dict[str, Any] = {"fast": True, "state_every": 10_000} if records > 1_000 else {}
    config = source_config(streams=[stream(records=records, pad=50)], script=script, **more)
    source = AsyncSource(_Known(path=SOURCE_MINI), "source-mini", config)
    destination = AsyncDestination(_Known(path=DESTINATION_MINI), "destination-mini", destination_config())
    store = StateFolder(folder / "state")
    try:
        result = await destination.write(
            source,
            streams="*",
            cache=False,
            state_cache=store,
            force_full_refresh=True,
            options=ab.WriteOptions(check=False, on_progress=on_progress, limits=ab.TimeLimits(acknowledge=0.1)),
        )
    except AirbyteConnectorError:
        if not fails:
            raise
    else:
        assert not fails
        assert result.processed_records == records


def crowd(syncs: int) -> dict[str, Any]:
    """Run syncs at once.

    Raises:
        AssertionError: one of them takes too much memory, or something is left.
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        for _ in range(2):
            anyio.run(_sync, Path(name) / "one")

        before, alone = held(), _memory("VmHWM")
        anyio.run(_all_at_once, Path(name), syncs)
        peak, after = _memory("VmHWM"), held()

    assert peak - alone < syncs * EACH_OF_A_CROWD, f"{peak - alone} bytes over one"
    for what in ("descriptors", "threads", "children", "files"):
        assert getattr(after, what) <= getattr(before, what), f"{what}: {before} then {after}"

    return {"alone": alone, "peak": peak, "each": (peak - alone) // syncs}


async def _all_at_once(folder: Path, syncs: int) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(syncs):
            tasks.start_soon(_sync, folder / str(number))


def long(records: int) -> dict[str, Any]:
    """Run one long sync.

    Raises:
        AssertionError: memory or descriptors grow on the way.
    """
    seen: list[tuple[int, int]] = []
    looked = 0

    def look(progress: Any) -> None:
        nonlocal looked
        if (tenth := progress.records_read * 10 // records) > looked:
            looked = tenth
            seen.append((_descriptors(without=Path(name, "state")), _memory("VmRSS")))

    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        anyio.run(_sync, Path(name), False, records, look)

    (early_files, early), (late_files, late) = seen[0], seen[-1]
    assert late_files <= early_files, f"descriptors: {early_files} then {late_files}"
    assert late - early < STREAM_GROWTH, f"memory: {early} then {late}"
    return {"records": records, "at_a_tenth": early, "at_the_end": late}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", type=int, default=1_000, help="syncs one after the other")
    parser.add_argument("--crowd", type=int, default=64, help="syncs at once")
    parser.add_argument("--records", type=int, default=50_000_000, help="records of the long sync")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        tempfile.tempdir = os.environ["TMPDIR"] = name
        os.environ |= {"AIRBYTE_LOGGING_ROOT": f"{name}/logs", "AIRBYTE_PROJECT_DIR": name}
        for run, number in ((crowd, given.crowd), (row, given.row), (long, given.records)):
            if number:
                print(run.__name__, number, json.dumps(run(number)), flush=True)

    return 0


if __name__ == "__main__":
    sys.exit(main())
