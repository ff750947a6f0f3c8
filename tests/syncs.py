"""Syncs between the scripted connectors, as tests write them; what is left of a test is looked for after it.

A test reads like this::

    def test_a_destination_that_dies_is_named(lab: Lab) -> None:
        error = lab.failure(lab.source(), lab.destination(script=[step("exit", after_line(5), code=7)]))
        assert error.exit_code == 7
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mini import DESTINATION_MINI, SOURCE_MINI, Run, destination_config, last_run, runs, source_config

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.limits import TimeLimits
from airbyte_exec._state.files import StateFolder
from airbyte_exec._state.store import Saved
from airbyte_exec.aio import AsyncDestination, AsyncSource
from airbyte_exec.destinations import Destination
from airbyte_exec.executors.base import Executor
from airbyte_exec.executors.local import PathExecutor
from airbyte_exec.results import WriteResult
from airbyte_exec.sources import Source

SHORT = TimeLimits(
    spec=20, check=20, discover=20, source_heartbeat=20, destination_write=20, destination_finish=20, exit=10,
    drain=0.5, acknowledge=5, stop=2,
)  # fmt: skip
"""Time limits for failures: long enough for a loaded machine, short where a test has to wait for one to pass."""

SECRET = "kept-to-ourselves-4711"

_PROPERTIES = {"api_key": {"type": "string", "airbyte_secret": True}, "script": {"type": ["array", "object"]}}


def scripted_spec(modes: list[str] | None = None) -> dict[str, Any]:
    """Return the spec of a scripted connector, as far as a sync asks for it."""
    spec: dict[str, Any] = {"connectionSpecification": {"type": "object", "properties": _PROPERTIES}}
    return spec if modes is None else {**spec, "supported_destination_sync_modes": modes}


class Scripted(PathExecutor):
    """Runs a scripted connector whose spec is known, which saves a process."""

    def __init__(self, path: Path, modes: list[str] | None = None) -> None:
        super().__init__(path=path)
        self._modes = modes

    def known_spec(self) -> dict[str, Any]:
        """Return the spec."""
        return scripted_spec(self._modes)


class Lab:
    """A home of its own for the syncs of one test.

    Attributes:
        sent: the folder in which the sources keep how they were called.
        got: the folder in which the destinations keep what came.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent = folder / "sent"
        self.got = folder / "got"
        self.state = folder / "project" / ".cache" / "state"

    def source_executor(self) -> Executor:
        return Scripted(SOURCE_MINI)

    def destination_executor(self, modes: list[str] | None = None) -> Executor:
        return Scripted(DESTINATION_MINI, modes)

    def async_source(self, *, made_with: dict[str, Any] | None = None, **config: Any) -> AsyncSource:
        given = source_config(**{"path": self.sent, **config})
        return AsyncSource(self.source_executor(), "source-mini", given, **(made_with or {}))

    def async_destination(
        self, *, modes: list[str] | None = None, made_with: dict[str, Any] | None = None, **config: Any
    ) -> AsyncDestination:
        given = destination_config(**{"path": self.got, **config})
        return AsyncDestination(self.destination_executor(modes), "destination-mini", given, **(made_with or {}))

    def source(self, *, made_with: dict[str, Any] | None = None, **config: Any) -> Source:
        """Return a source-mini; the keys of its config, and what `Source` itself takes."""
        given = source_config(**{"path": self.sent, **config})
        return Source(self.source_executor(), "source-mini", given, **(made_with or {}))

    def destination(
        self, *, modes: list[str] | None = None, made_with: dict[str, Any] | None = None, **config: Any
    ) -> Destination:
        """Return a destination-mini; the keys of its config, and what `Destination` itself takes."""
        given = destination_config(**{"path": self.got, **config})
        return Destination(self.destination_executor(modes), "destination-mini", given, **(made_with or {}))

    def write(self, source: Source | None = None, destination: Destination | None = None, **how: Any) -> WriteResult:
        """Write straight, without a check."""
        told = {"cache": False, "check": False, "limits": SHORT, **how}
        return (destination or self.destination()).write(source or self.source(), **told)

    def failure(
        self, source: Source | None = None, destination: Destination | None = None, **how: Any
    ) -> exc.AirbyteConnectorError:
        """Write, and return the error that must come."""
        with pytest.raises(exc.AirbyteConnectorError) as caught:
            self.write(source, destination, **how)

        return caught.value

    @property
    def read(self) -> Run:
        """The last `read` of a source."""
        return last_run(self.sent, "read")

    @property
    def written(self) -> Run:
        """The last `write` of a destination."""
        return last_run(self.got, "write")

    def saved(self) -> Saved:
        """Return what the default store knows of the one pair that it knows."""
        store = StateFolder(self.state)
        (pair,) = store.pairs()
        found = store.load(pair)
        assert found is not None
        return found

    def cursor(self, stream: str = "users") -> int | None:
        """Return the `id` in the saved state of a stream; None where there is no state."""
        found = [known.state for name, known in self.saved().streams.items() if name.name == stream]
        return json.loads(found[0])["id"] if found and found[0] is not None else None

    def leftovers(self) -> list[Path]:
        """Return what is left: calls whose process runs, and folders of runs."""
        calls = [
            run
            for path in (self.sent, self.got)
            for command in ("spec", "check", "discover", "read", "write")
            for run in runs(path, command)
        ]
        running = [run.folder for run in calls if is_running(run.pid)]
        return running + list((self.folder / "tmp").glob("airbyte-exec-*"))

    def hang_up(self) -> None:
        """Close connections that this process may keep for the next sync."""

    def await_nothing_left(self) -> None:
        """Wait until the guardian of a process that was killed has done its work."""
        for _ in range(1500):
            if not self.leftovers():
                return

            threading.Event().wait(0.02)  # another process does it: there is no event to wait for


def is_running(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def open_files() -> int:
    """Return how many file descriptors this process has open."""
    return psutil.Process().num_fds()


@contextmanager
def opened_lab(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Lab] | None = None
) -> Iterator[Lab]:
    """Give a lab, with state, logs and temporary files in the folder; afterwards nothing may be left."""
    temporary = folder / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("AIRBYTE_PROJECT_DIR", str(folder / "project"))
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(folder / "logs"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    lab = (make or Lab)(folder)
    lab.hang_up()
    before = open_files()
    yield lab
    assert lab.leftovers() == []
    lab.hang_up()
    assert open_files() <= before, "file descriptors are left open"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with opened_lab(tmp_path, monkeypatch) as opened:
        yield opened
