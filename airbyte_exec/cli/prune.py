"""Remove the containers that a killed process left behind.

Only containers that airbyte_exec made are looked at, and none whose owner may still live: one that belongs to another
machine, or to a process that cannot be seen from here, is told and left.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals

_TOLD = (
    ("removed", "removed, its owner is gone"),
    ("alive", "left, its owner lives"),
    ("unknown", "left, its owner cannot be seen from here"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--docker-engine",
        metavar="ADDRESS",
        help="the engine: unix://…, tcp://…, ssh://…, or a context of the docker client",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Sweep, and tell each container; 1 where one could not be removed."""
    del signals
    from airbyte_exec.executors.docker import prune

    report = prune(args.docker_engine)
    lines = [f"{name}: {words}" for kind, words in _TOLD for name in getattr(report, kind)]
    output.report("\n".join(lines) or "No container is left.")
    for failure in report.failed:
        output.warn(f"not removed: {failure}")

    output.succeed(asdict(report))
    return 1 if report.failed else 0
