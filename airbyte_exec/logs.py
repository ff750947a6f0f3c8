"""Loggers and log files. The library never prints: a program that embeds it decides what is shown."""

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path

KEPT_LOGS = 50
"""How many log files are kept of one connector; older ones are removed when a new one is begun."""

_warned: set[str] = set()


def get_logger(connector_name: str) -> logging.Logger:
    """Return the logger that a connector's own messages go to: `airbyte_exec.connector.<name>`."""
    return logging.getLogger(f"airbyte_exec.connector.{connector_name}")


def get_logging_root() -> Path:
    """Return the folder of the log files: `AIRBYTE_LOGGING_ROOT`, or `airbyte_exec/logs` in the user's state folder."""
    if root := os.environ.get("AIRBYTE_LOGGING_ROOT"):
        return Path(root)

    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "airbyte_exec" / "logs"


def new_log_file(connector_name: str, command: str) -> Path:
    """Return a path for what a connector writes on stderr, in a folder that only the user can read.

    Raises:
        OSError: the folder cannot be made.
    """
    folder = get_logging_root() / connector_name.replace("/", "_")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = sorted(folder.glob("*.log"))
    for path in old[: max(0, len(old) - KEPT_LOGS + 1)]:
        path.unlink(missing_ok=True)

    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return folder / f"{stamp}-{os.getpid()}-{time.monotonic_ns() % 1_000_000_000:09d}-{command}.log"


def warn_once(message: str, logger: logging.Logger | None = None, *, with_stack: int | bool = False) -> None:
    """Warn of something once a process: as a log line, or as a Python warning where no logger is given.

    Parameters:
        message: what to say; the same text is said once.
        logger: where to say it.
        with_stack: kept for callers of PyAirbyte; the place of the warning is told by `warnings` itself.
    """
    if message in _warned:
        return

    _warned.add(message)
    if logger is None:
        warnings.warn(message, stacklevel=3 + int(with_stack))
    else:
        logger.warning(message)
