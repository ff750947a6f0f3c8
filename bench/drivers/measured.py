"""The stopwatch of a driver: wall time, CPU time and memory of this process."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(call: Callable[[], dict[str, Any]]) -> None:
    """Run `call` and print what it cost, beside the figures that it returns."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    figures = call()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write("\n" + json.dumps({"wall_s": wall, "cpu_s": cpu, "rss_mb": peak_rss_mb(), **figures}) + "\n")


def peak_rss_mb() -> float:
    """Return the most memory that this process has held, in MB of 1,000,000 bytes; children do not count."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:  # macOS counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")
