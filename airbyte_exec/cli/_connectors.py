"""From a string on the command line to a source or a destination, installed and with its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airbyte_exec.cli._docker import docker_options, expect_image

if TYPE_CHECKING:
    from airbyte_exec._connector.options import SessionOptions
    from airbyte_exec.aio import AsyncDestination, AsyncSource
    from airbyte_exec.cli._output import Output
    from airbyte_exec.executors.base import Executor


def make_source(
    connector: str,
    config: Mapping[str, Any] | None,
    output: Output,
    *,
    python: str | None = None,
    docker: Mapping[str, Any] | None = None,
    options: SessionOptions | None = None,
    cursors: Mapping[str, str] | None = None,
    primary_keys: Mapping[str, list[str]] | None = None,
) -> AsyncSource:
    """Return a source; it is installed where that is needed.

    Parameters:
        connector: the connector string.
        config: its config.
        output: learns what the connector is.
        python: the Python to install it with.
        docker: how its containers are made, where it is an image: fields of `DockerOptions`.
        options: how it is run.
        cursors: the cursor of a stream, by name.
        primary_keys: the primary key of a stream, by name.

    Raises:
        PyAirbyteInputError: the string names no connector.
        AirbyteConnectorError: it is not there, or cannot be installed.
    """
    from airbyte_exec._connector.options import DEFAULT_OPTIONS
    from airbyte_exec.aio import AsyncSource

    executor = _executor(connector, python, docker)
    output.roles[executor.name] = "source"
    return AsyncSource(
        executor,
        executor.name,
        config,
        options=options or DEFAULT_OPTIONS,
        cursor_key_overrides=cursors,
        primary_key_overrides=primary_keys,
    )


def make_destination(
    connector: str,
    config: Mapping[str, Any] | None,
    output: Output,
    *,
    python: str | None = None,
    docker: Mapping[str, Any] | None = None,
    options: SessionOptions | None = None,
) -> AsyncDestination:
    """Return a destination; it is installed where that is needed. See `make_source`."""
    from airbyte_exec._connector.options import DEFAULT_OPTIONS
    from airbyte_exec.aio import AsyncDestination

    executor = _executor(connector, python, docker)
    output.roles[executor.name] = "destination"
    return AsyncDestination(executor, executor.name, config, options=options or DEFAULT_OPTIONS)


def make_connector(
    connector: str, config: Mapping[str, Any] | None, output: Output, **how: Any
) -> AsyncSource | AsyncDestination:
    """Return a source or a destination, by its name; see `make_source`."""
    from airbyte_exec.executors import parse_connector_string

    is_destination = parse_connector_string(connector).name.startswith("destination-")
    make = make_destination if is_destination else make_source
    made = make(connector, config, output, **how)
    expect_image(how.get("docker", {}), made)
    return made


def _executor(connector: str, python: str | None, docker: Mapping[str, Any] | None) -> Executor:
    from airbyte_exec.executors import parse_connector_string, resolve_executor

    ref = parse_connector_string(connector)
    return resolve_executor(ref.name, **ref.kwargs, use_python=python, docker_options=docker_options(docker or {}))
