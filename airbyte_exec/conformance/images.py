"""What an engine says of an image, beyond what is needed to run it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from airbyte_exec.conformance.subject import Subject
from airbyte_exec.executors.docker import DockerExecutor

PROBE_LIMIT = 60.0  # seconds for a container that writes one file


def inspect(subject: Subject) -> dict[str, Any]:
    """Return the engine's answer, and under `Probe` who the image's user is, and whether he can write to /airbyte.

    Raises:
        AirbyteConnectorError: the engine cannot be reached.
    """
    executor = subject.executor
    assert isinstance(executor, DockerExecutor)
    engine = executor.engine
    with engine.errors("looking at the image", executor.image):
        found: dict[str, Any] = engine.api.inspect_image(executor.image)

    argv = engine.command(
        "run", "--rm", "--pull", "never", "--network", "none", "--entrypoint", "/bin/sh", executor.image, "-c",
        "echo uid=$(id -u) name=$(id -un 2>/dev/null) && test -w /airbyte && echo writable",
    )  # fmt: skip
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=PROBE_LIMIT)
    except (OSError, subprocess.SubprocessError) as error:
        return {**found, "Probe": {"problem": str(error)}}

    words = done.stdout.decode(errors="replace").split()
    told = {name: value or None for name, equals, value in (word.partition("=") for word in words) if equals}
    return {**found, "Probe": {"uid": None, "name": None, **told, "writable": "writable" in words}}


def shown(image: dict[str, Any]) -> str:
    """Return what matters of it, as evidence."""
    config = image.get("Config") or {}
    kept = {name: config.get(name) for name in ("Entrypoint", "Env", "Labels", "User")}
    return json.dumps({**kept, "Os": image.get("Os"), "Architecture": image.get("Architecture")})
