"""How connectors are installed and started: by executables, virtual environments, images, and what comes with the
package.

An executor starts nothing. It answers with a `Launch`, the description of a child process.
"""

from __future__ import annotations

from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.executors.bundled import BundledExecutor
from airbyte_exec.executors.connector_string import ConnectorRef, parse_connector_string
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions
from airbyte_exec.executors.local import PathExecutor
from airbyte_exec.executors.noop import NoOpExecutor
from airbyte_exec.executors.resolve import resolve_executor
from airbyte_exec.executors.venv import VenvExecutor

__all__ = [
    "BundledExecutor",
    "ConnectorRef",
    "DockerExecutor",
    "DockerOptions",
    "Executor",
    "Launch",
    "NoOpExecutor",
    "PathExecutor",
    "VenvExecutor",
    "parse_connector_string",
    "resolve_executor",
]
