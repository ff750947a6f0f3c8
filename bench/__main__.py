"""The command line of the bench: runs the cases that were asked for and prints the tables."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import cases, images, report
from bench.cases import OURS, THEIRS
from bench.data import make_data
from bench.runs import PYAIRBYTE, ROOT, Bench, make_venv, packages, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def main() -> None:
    """Measure, and print a table after each part."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the limits and PyAirbyte.")
    parser.add_argument("--case", action="append", choices=cases.NAMES, help="only this one; may be given again")
    parser.add_argument("--records", type=int, default=500_000, help="records of the input (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs a case, of which the median counts")
    parser.add_argument("--only-ours", action="store_true", help="leave PyAirbyte out")
    parser.add_argument("--write", type=Path, help="also write the report to this Markdown file")
    options = parser.parse_args()
    bench = Bench(ROOT / ".bench")
    contestants = {OURS} if options.only_ours else {OURS, THEIRS}
    bench.prepare(contestants)
    parts = [about(options.records, options.repeat)]

    for measure in (throughput, imports, installs, checkpoints, containers):
        if part := measure(bench, set(options.case or cases.NAMES), contestants, options):
            sys.stderr.write("\n")
            sys.stdout.write(part + "\n")
            sys.stdout.flush()
            parts.append(part)

    if options.write:
        options.write.write_text("\n".join(parts), encoding="utf-8")


def about(records: int, repeat: int) -> str:
    """Say what was measured on what."""
    return report.ABOUT.format(
        cpus=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        theirs=PYAIRBYTE,
        records=f"{records:,}",
        repeat=repeat,
    )


def throughput(bench: Bench, names: set[str], who: Collection[str], options: argparse.Namespace) -> str:
    """Measure the cases that move records."""
    rows = []

    for case in cases.THROUGHPUT:
        if case.name in names and (found := tuple(name for name in case.contestants if name in who)):
            progress(case.name)
            data = make_data(bench.folder / "data", options.records * case.scale)
            chosen = cases.Case(**{**vars(case), "contestants": found})
            rows.append((case, data.records, take_turns(bench, chosen, data, options.repeat)))

    return report.throughput(rows) if rows else ""


def imports(bench: Bench, names: set[str], who: Collection[str], options: argparse.Namespace) -> str:
    """Measure the import, and a whole process that moves a few records."""
    few = make_data(bench.folder / "data", cases.FEW)
    watches: dict[str, Callable[[str], float]] = {
        cases.IMPORT: bench.import_seconds,
        cases.START: lambda name: bench.start_seconds(name, few),
    }
    found: dict[tuple[str, str], list[float]] = {}

    for watch in watches.keys() & names:
        progress(watch)

        for _ in range(options.repeat + 1):
            for name in sorted(who, reverse=True):
                found.setdefault((watch, name), []).append(watches[watch](name))

    # The first run in an environment reads cold files: it does not count.
    return report.imports({key: statistics.median(taken[1:]) for key, taken in found.items()}) if found else ""


def installs(bench: Bench, names: set[str], who: Collection[str], _: argparse.Namespace) -> str:
    """Count the packages of a fresh install, without extras."""
    if cases.INSTALL not in names:
        return ""

    progress("install")
    fresh = bench.folder / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    counts = {OURS: packages(make_venv(fresh, str(ROOT), (platform.python_version().rpartition(".")[0],)))}

    if THEIRS in who:
        counts[THEIRS] = packages(bench.pythons[THEIRS])

    return report.installs(counts)


def checkpoints(bench: Bench, names: set[str], who: Collection[str], options: argparse.Namespace) -> str:
    """Kill a read at half-way and look at what is kept."""
    if cases.CHECKPOINTS not in names:
        return ""

    progress("checkpoints")
    data = make_data(bench.folder / "data", options.records)
    return report.checkpoints({name: bench.kill_half_way(name, data) for name in sorted(who, reverse=True)})


def containers(bench: Bench, names: set[str], who: Collection[str], options: argparse.Namespace) -> str:
    """Measure connectors that are images, where there is an engine."""
    wanted = names & {cases.IMAGE, cases.IMAGES_START}
    if not wanted:
        return ""

    if reason := images.why_not():
        return f"## Images\n\nNot measured: {reason}.\n"

    progress("images")
    watch = images.Images(bench, options.repeat)
    rates = watch.throughput(options.records, who) if cases.IMAGE in wanted else {}
    starts = watch.starts(who) if cases.IMAGES_START in wanted else {}
    return report.images(rates, starts, watch.call_seconds())


progress: Callable[[str], object] = lambda name: sys.stderr.write(f"\rbench: {name:<20}")  # noqa: E731

if __name__ == "__main__":
    main()
