"""What all tests share: a visible skip where a test's surroundings are missing."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One commit, one outcome: the suite takes the same examples each time, `make test-long` looks for new ones. How long
# an example takes says something of the machine's load, nothing of us.
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("searching"), derandomize=True)
settings.load_profile("repeatable")

CONNECTOR = "airbyte-source-faker==7.2.1"


@cache
def why_no_index() -> str | None:
    """Return why connectors cannot be installed here, or None where they can: uv is asked, as in a test."""
    with tempfile.TemporaryDirectory() as target:
        uv = Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--dry-run", "--no-deps", "--target", target, CONNECTOR]

        try:
            asked = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"connectors cannot be installed: {error}"

    return None if asked.returncode == 0 else f"connectors cannot be installed: {asked.stderr.strip()[-300:]}"


def pytest_configure() -> None:
    """Hear signals that a shell in the background, or nohup, has us ignore: children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs the package index where there is none; the summary (-ra) shows why."""
    if item.get_closest_marker("real") and (reason := why_no_index()):
        pytest.skip(reason)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """A command line that is called in this process sets loggers up for good."""
    loggers = [logging.getLogger(name) for name in ("airbyte_exec", "airbyte_exec.connector")]
    before = [(logger, logger.level, logger.propagate, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, propagates, handlers in before:
        logger.setLevel(level)
        logger.propagate = propagates
        logger.handlers[:] = handlers
