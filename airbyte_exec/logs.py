"""Loggers and log files. The library never prints: a program that embeds it decides what is shown."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import warnings
from pathlib import Path

from airbyte_exec.constants import is_set

KEPT_LOGS = 50
"""How many log files are kept of one connector; older ones are removed when a new one is begun."""

_warned: set[str] = set()
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text without escape sequences, and with any other control character made visible; lines stay lines.

    What a connector says passes here before it is logged or becomes an error: it may be shown on a terminal, which
    would obey it.
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


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


def new_passthrough_file_logger(connector_name: str) -> logging.Logger:
    """Return a logger that writes what it is given, as it is, into a new log file of a connector.

    Raises:
        OSError: the file cannot be made.
    """
    return _file_logger(f"airbyte_exec.file.{connector_name}", new_log_file(connector_name, "messages"), "%(message)s")


def get_global_file_logger() -> logging.Logger:
    """Return the logger that writes into the day's log file, `<date>/airbyte-log.log` in the log folder.

    Raises:
        OSError: the file cannot be made.
    """
    folder = get_logging_root() / time.strftime("%Y-%m-%d")
    name = "airbyte_exec.file"
    if is_set("AIRBYTE_STRUCTURED_LOGGING"):
        return _file_logger(
            name, folder / "airbyte-log.log", '{"level":"%(levelname)s","at":%(created)f,"text":%(json)s}'
        )

    return _file_logger(name, folder / "airbyte-log.log", "%(asctime)s %(levelname)s %(message)s")


def get_global_stats_log_path() -> Path:
    """Return the path of the log of figures: `airbyte-stats.log` in the log folder."""
    return get_logging_root() / "airbyte-stats.log"


def get_global_stats_logger() -> logging.Logger:
    """Return the logger that writes one line a message into the log of figures.

    Raises:
        OSError: the file cannot be made.
    """
    return _file_logger("airbyte_exec.stats", get_global_stats_log_path(), "%(message)s")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.json = json.dumps(record.getMessage())
        return super().format(record)


def _file_logger(name: str, path: Path, form: str) -> logging.Logger:
    logger = logging.getLogger(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(getattr(handler, "baseFilename", None) == str(path) for handler in logger.handlers):
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()

        path.touch(mode=0o600)
        handler = logging.FileHandler(path, encoding="utf-8")
        handler.setFormatter(_Formatter(form))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False

    return logger


def __getattr__(name: str) -> Path | bool:
    if name == "AIRBYTE_LOGGING_ROOT":
        return get_logging_root()

    if name == "AIRBYTE_STRUCTURED_LOGGING":
        return is_set(name)

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
