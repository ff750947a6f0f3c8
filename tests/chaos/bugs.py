"""Puts bugs into our own code, one at a time, and shows that the harness finds each of them: `make chaos-bugs`.

Each `bugs/*.patch` is applied in a temporary clone of the last commit; plans are run there until one breaks something.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATCHES = sorted(Path(__file__).with_name("bugs").glob("*.patch"))
OF_CONTAINERS = "docker_"
"""How the names of those begin that only plans with containers find."""


def apply(patch: Path, clone: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Apply a patch; a line of context is enough, so that a change nearby does not make it useless."""
    return subprocess.run(
        ["git", "apply", "-C1", *options, str(patch)], cwd=clone, capture_output=True, text=True, check=False
    )


def find(patch: Path, *, number: int, seed: int, jobs: int) -> str | None:
    """Return what the first plan that finds the bug says, None where none does."""
    with tempfile.TemporaryDirectory(prefix="chaos-bug-", ignore_cleanup_errors=True) as name:
        clone = Path(name) / "clone"
        subprocess.run(["git", "clone", "-q", "--local", str(ROOT), str(clone)], check=True)
        applied = apply(patch, clone)
        if applied.returncode:
            raise SystemExit(f"{patch.name} does not apply: {applied.stderr}")

        paths = [clone, clone / "tests", clone / "tests" / "chaos"]
        told = ["--number", str(number), "--seed", str(seed), "--jobs", str(jobs), "--stop", "--as-drawn"]
        told += ["--docker"] if patch.stem.startswith(OF_CONTAINERS) else []
        ran = subprocess.run(
            [sys.executable, str(clone / "tests" / "chaos" / "chaos.py"), *told],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "TMPDIR": name},
            cwd=name,
            capture_output=True,
            text=True,
            check=False,
        )

    found = re.search(r"^seed (\d+) breaks:\n +(.*)", ran.stdout, re.MULTILINE)
    plans = re.search(r"^(\d+) plans", ran.stdout, re.MULTILINE)
    if found is None and plans is None:
        raise SystemExit(f"{patch.name}: the harness itself failed: {ran.stderr[-2000:]}")

    return None if found is None else f"seed {found[1]}, after {plans[1] if plans else '?'} plans: {found[2][:120]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", default="", help="parts of the names of patches, with commas between")
    parser.add_argument("--docker", action="store_true", help="the bugs that only plans with containers find")
    given = parser.parse_args()
    missed = 0
    patches = [patch for patch in PATCHES if given.docker == patch.stem.startswith(OF_CONTAINERS)]
    for patch in patches:
        if any(part in patch.stem for part in given.only.split(",")):
            found = find(patch, number=given.number, seed=given.seed, jobs=given.jobs)
            missed += found is None
            print(f"{patch.stem:40} {found or 'NOT FOUND'}", flush=True)

    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
