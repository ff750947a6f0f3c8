"""An engine as tests see it: through the docker client, and never through the package that is tested."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

REQUIRED = "AIRBYTE_EXEC_REQUIRE_DOCKER"
"""The variable under which a missing engine or image is a failure and no reason to leave tests out."""

IMAGES = {
    "source_mini_image": "airbyte-exec/source-mini:dev",
    "destination_mini_image": "airbyte-exec/destination-mini:dev",
    "destination_local_image": "airbyte-exec/destination-local:dev",
    "source_faker_image": "airbyte/source-faker:7.2.1",
    "hardcoded_image": "airbyte/source-hardcoded-records:0.0.48",
}
"""The images of `make docker-images`, by the fixture that gives them."""

RUN_LABEL = "airbyte-exec.run"
PID_LABEL = "airbyte-exec.owner-pid"
CLIENT_TIMEOUT = 60.0
_NAMES = ("--format", "{{.Names}}")


@cache
def why_no_engine() -> str | None:
    """Return why no engine can be used here, in one line; None where one answers."""
    try:
        asked = _client("version", "--format", "{{.Server.Version}}", timeout=20)
    except FileNotFoundError:
        return "there is no docker client"
    except subprocess.TimeoutExpired:
        return "the engine does not answer"

    said = " ".join(asked.stderr.split())[:200]
    return None if asked.returncode == 0 else said


def is_required() -> bool:
    """Return whether the tests must run here."""
    return os.environ.get(REQUIRED, "") not in {"", "0"}


@dataclass(frozen=True)
class Engine:
    """The engine that the docker client of this environment speaks to.

    Attributes:
        label: marks the containers of one test, where they are made with it.
        address: another engine's address; None for the environment's.
    """

    label: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    address: str | None = None

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run the docker client; return what it printed."""
        where = () if self.address is None else ("--host", self.address)
        done = _client(*where, *arguments)
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def lines(self, *arguments: str) -> list[str]:
        return self.run(*arguments).splitlines()

    def inspect(self, thing: str) -> dict[str, Any]:
        (found,) = json.loads(self.run("inspect", thing))
        return found

    def has_image(self, image: str) -> bool:
        return bool(self.run("image", "ls", "--quiet", image))

    @property
    def labels(self) -> dict[str, str]:
        """The labels that mark the containers of this test."""
        return {"test": self.label}

    def containers(self, *filters: str, running: bool = False) -> list[str]:
        """Return the ids of containers: of this test, or those that a filter of `docker ps` finds."""
        wanted = filters or (f"label=test={self.label}",)
        flags = ["--quiet", "--no-trunc", *(() if running else ("--all",))]
        return self.lines("ps", *flags, *(word for item in wanted for word in ("--filter", item)))

    def ours(self) -> list[dict[str, Any]]:
        """Return every container that the package made, as `docker inspect` shows it."""
        ids = self.containers(f"label={RUN_LABEL}")
        return [json.loads(line) for line in self._inspect_each(ids)]

    def left_by(self, pid: int) -> list[str]:
        """Return what is left of this test, and of the runs of a process: names of containers and volumes."""
        filters = (f"label=test={self.label}", f"label={PID_LABEL}={pid}")
        containers = [name for item in filters for name in self.lines("ps", "--all", "--filter", item, *_NAMES)]
        return containers + self.lines("volume", "ls", "--filter", filters[0], *_NAMES[:1], "{{.Name}}")

    def _inspect_each(self, ids: list[str]) -> list[str]:
        if not ids:
            return []

        # One that ended meanwhile is no failure: the others are printed all the same.
        return self.run("inspect", "--format", "{{json .}}", *ids, check=False).splitlines()


def _client(*arguments: str, timeout: float = CLIENT_TIMEOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
