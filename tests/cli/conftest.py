"""Runs the command line as a user does: in a folder of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mini
import pytest
from forks import Forks

SOURCE = f"path:{mini.SOURCE_MINI}"
DESTINATION = f"path:{mini.DESTINATION_MINI}"
FORKS = Forks(
    "airbyte_exec.cli:main",
    (
        "duckdb",
        "jsonschema",
        "orjson",
        "yaml",
        "zoneinfo",
        "airbyte_exec.aio._flows",
        "airbyte_exec.aio._items",
        "airbyte_exec.aio._lines",
        "airbyte_exec.caches.duckdb",
        "airbyte_exec.cli._connectors",
        "airbyte_exec.executors",
    ),
)
"""What runs commands to their end; the others are started as a user starts them."""
TIMEOUT = 100  # seconds; far more than a run takes on a busy machine


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def json(self) -> dict[str, Any]:
        """The one object that stdout holds: anything beside it is an error here."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


@dataclass(frozen=True)
class CommandLine:
    """`airbyte-exec` in a folder."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        home = str(self.folder / "home")
        unset = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("AIRBYTE") and name not in unset
        }
        return {**kept, "HOME": home, "XDG_STATE_HOME": home, "AIRBYTE_PROJECT_DIR": str(self.folder)}

    def run(self, *args: object, stdin: bytes | None = None, env: dict[str, str] | None = None) -> Done:
        """Run a command to its end."""
        ran = FORKS.run(self.argv(args)[3:], stdin, cwd=self.folder, env={**self.env, **(env or {})})
        return Done(ran.code, ran.stdout, ran.stderr.decode())

    @contextmanager
    def started(self, *args: object, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command beside the test; it is killed if the test leaves it running."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process = subprocess.Popen(self.argv(args), cwd=self.folder, env=self.env, process_group=0, **how)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

            process.wait(TIMEOUT)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def argv(self, args: Sequence[object]) -> list[str]:
        if args and args[0] == "sync" and "--retries" not in args:
            args = [*args, "--retries", 0]  # a failure is told at once

        return [sys.executable, "-m", "airbyte_exec", *map(str, args)]

    def config(self, name: str, content: Any) -> Path:
        """Write a JSON file into the folder."""
        return mini.write_config(self.folder, content, name)

    def sync(self, source: mini.Json, destination: mini.Json | None = None, *more: object, **how: Any) -> Done:
        """Sync source-mini into destination-mini."""
        return self.run(*self.sync_args(source, destination), *more, **how)

    def sync_args(self, source: mini.Json, destination: mini.Json | None = None) -> list[object]:
        stored = destination or mini.destination_config(path=self.folder / "out")
        configs = (self.config("source.json", source), self.config("destination.json", stored))
        return ["sync", SOURCE, DESTINATION, "--source-config", configs[0], "--destination-config", configs[1]]


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    (tmp_path / "home").mkdir()
    return CommandLine(tmp_path)


@pytest.fixture
def users() -> Callable[..., mini.Json]:
    """A config of source-mini with one incremental stream."""

    def make(records: int = 50, **how: Any) -> mini.Json:
        streams = how.pop("streams", None) or [mini.stream(records=records)]
        return mini.source_config(streams=streams, **how)

    return make
