"""Runs the harness as tests do: in a process of its own, since it becomes the foster parent of all that is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from plan import Plan

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run(folder: Path, *arguments: str, jobs: int = 1) -> subprocess.CompletedProcess[str]:
    """Run it with a folder for whatever it writes."""
    paths = os.pathsep.join(map(str, (ROOT / "tests", HERE)))
    return subprocess.run(
        [sys.executable, str(HERE / "chaos.py"), "--jobs", str(jobs), "--as-drawn", *arguments],
        env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def plans_in(folder: Path, *plans: Plan) -> str:
    """Write plans to a file, for `--plan`; return its path."""
    path = folder / "plans.jsonl"
    path.write_text("\n".join(plan.to_json() for plan in plans), encoding="utf-8")
    return str(path)
