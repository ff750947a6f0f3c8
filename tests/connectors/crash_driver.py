"""Kills a write of destination-local at every step that it takes on disk, one after the other, and tries again.

Run as a program of its own, which forks: `crash_driver.py FOLDER FORMAT MODE KIND`. For each step n it begins with a
fresh copy of the same store, lets a write die by SIGKILL before its n-th change on disk, looks at what a reader sees,
lets a second write do what a source would do (send what was not acknowledged), and looks again. It says one JSON line a
step.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from local_destination import Local, records, state, status, stream
from local_forks import load_once

from airbyte_exec.connectors.destination_local.command import main

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "open")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def run(local: Local, catalog: list[dict[str, Any]], lines: bytes, die_at: int | None) -> tuple[int, bytes]:
    """Run a write in a fork; return its status and what it said."""
    arguments = local.arguments(*catalog)
    said = local.folder / "said"
    stdin = local.folder / "lines"
    stdin.write_bytes(lines)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        if die_at is not None:
            die_before(die_at, str(local.path))

        os._exit(main(arguments[arguments.index("write") :]))

    _, wait_status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(wait_status), said.read_bytes()


def die_before(step: int, below: str) -> None:
    steps = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event not in CHANGES or not str(arguments[0]).startswith(below):
            return

        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
            return

        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def drive(folder: Path, chosen: str, mode: str, replaces: bool) -> None:
    base = Local(folder / "base", chosen)
    base.folder.mkdir(parents=True)
    old = [stream(generation=1), stream("pets", generation=1)]
    code, _ = run(base, old, records(range(3)) + status() + records([7], "pets") + status("pets"), None)
    assert code == 0

    minimum = 2 if replaces else 0
    catalog = [stream(mode=mode, generation=2, minimum=minimum), stream("pets", mode, generation=2, minimum=minimum)]
    rows, more = records([10, 11]) + records([17], "pets"), records([12])
    tail = status() + status("pets")
    step, code = 0, -9
    while code != 0:
        step += 1
        local = Local(folder / str(step), chosen)
        shutil.copytree(base.folder, local.folder)
        code, said = run(local, catalog, rows + state(1) + more + state(2) + tail, step)
        seen = local.ids()
        echoed = said.count(b'"STATE"')
        rest = (rows if echoed == 0 else b"") + (more if echoed < 2 else b"") + state(3)
        retried, _ = run(local, catalog, rest + tail, None)
        hidden = sorted(str(p.relative_to(local.path)) for p in local.path.rglob("*") if p.is_file() and is_hidden(p))
        line = {"step": step, "code": code, "echoed": echoed, "seen": seen, "retried": retried}
        line |= {"end": local.ids(), "pets": local.ids("pets"), "hidden": hidden}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        shutil.rmtree(local.folder)


def is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


if __name__ == "__main__":
    load_once()
    drive(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "replace")
