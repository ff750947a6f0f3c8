"""Connectors that are images: run by a Docker engine, or by Podman through its Docker-compatible socket."""

from __future__ import annotations

from airbyte_exec.executors.docker.answers import clear_answers
from airbyte_exec.executors.docker.executor import DockerExecutor
from airbyte_exec.executors.docker.options import DEFAULT_DOCKER_OPTIONS, DockerOptions, PullPolicy
from airbyte_exec.executors.docker.prune import PruneReport, prune

__all__ = [
    "DEFAULT_DOCKER_OPTIONS",
    "DockerExecutor",
    "DockerOptions",
    "PruneReport",
    "PullPolicy",
    "clear_answers",
    "prune",
]
