"""destination-local in forks of a process that has loaded it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from forks import Forks

LOADED_ONCE = (
    "argparse",
    "duckdb",
    "zoneinfo",
    "airbyte_exec.connectors.destination_local.folders",
    "airbyte_exec.connectors.destination_local.intake",
    "airbyte_exec.connectors.destination_local.tables",
    "airbyte_exec.connectors.destination_local.typed",
    "airbyte_exec.protocol.models",
)
"""What a write loads when it first needs it; `main` itself loads none of it."""

_FORKS = Forks("airbyte_exec.connectors.destination_local.command:main", LOADED_ONCE)


def load_once() -> None:
    """Load it here and now, and so for every fork of this process."""
    for name in LOADED_ONCE:
        importlib.import_module(name)


def run(arguments: Sequence[str], lines: bytes) -> tuple[int, bytes]:
    """Run the connector to its end; return its exit code (or the negative number of a signal) and its output."""
    ran = _FORKS.run(arguments, lines)
    sys.stderr.write(ran.stderr.decode(errors="replace"))
    return ran.code, ran.stdout
