"""Where sources come from."""

from __future__ import annotations

import warnings
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors import resolve_executor
from airbyte_exec.executors.docker.options import DockerOptions
from airbyte_exec.sources.base import Source


def get_source(
    name: str,
    config: dict[str, Any] | None = None,
    *,
    config_change_callback: ConfigChangeCallback | None = None,
    streams: str | list[str] | None = None,
    version: str | None = None,
    use_python: bool | Path | str | None = None,
    pip_url: str | None = None,
    local_executable: Path | str | None = None,
    docker_image: bool | str | None = None,
    use_host_network: bool = False,
    docker_options: DockerOptions | None = None,
    source_manifest: bool | dict[str, Any] | Path | str | None = None,
    install_if_missing: bool = True,
    install_root: Path | None = None,
    no_executor: bool = False,
    **more: Any,
) -> Source:
    """Return a source by name.

    Parameters:
        name: the connector's name, such as `source-faker`.
        config: its config; it is checked when it is first used.
        config_change_callback: called with each config that the connector makes by itself.
        streams: the streams to select; `"*"` for all.
        version: the version to install, or the tag of the image.
        use_python: install from PyPI with this Python: True for one that fits, a path, or a version such as `3.11`.
        pip_url: what to install in the place of the package of that name.
        local_executable: a program to run: a path, or a name on PATH.
        docker_image: an image to run, with or without its tag; True for `airbyte/NAME`.
        use_host_network: let the image use this machine's network.
        docker_options: how the containers of the image are made.
        source_manifest: a manifest to run.
        install_if_missing: install it now where it is not there.
        install_root: where to install it.
        no_executor: describe the connector only.
        more: further arguments of `airbyte_exec.executors.resolve_executor`, or `options` for `Source`.

    Raises:
        PyAirbyteInputError: the arguments do not go together.
        AirbyteConnectorExecutableNotFoundError: the program is missing or cannot be run.
        AirbyteConnectorInstallationError: it cannot be installed.
    """
    own = {key: more.pop(key) for key in ("options", "cursor_key_overrides", "primary_key_overrides") if key in more}
    executor = resolve_executor(
        name,
        version=version,
        use_python=use_python,
        pip_url=pip_url,
        local_executable=local_executable,
        docker_image=docker_image,
        use_host_network=use_host_network,
        docker_options=docker_options,
        source_manifest=source_manifest,
        install_if_missing=install_if_missing,
        install_root=install_root,
        no_executor=no_executor,
        **more,
    )
    return Source(executor, name, config, config_change_callback=config_change_callback, streams=streams, **own)


def get_benchmark_source(num_records: int | str = "5e5", *, install_if_missing: bool = True) -> Source:
    """Return a source that makes up records of five texts each: the image `airbyte/source-e2e-test`.

    Parameters:
        num_records: how many, also as a text such as `5e5` or `500_000`.
        install_if_missing: pull the image now where it is not there.

    Raises:
        PyAirbyteInputError: `num_records` is no whole number above 0.
        AirbyteConnectorInstallationError: it cannot be pulled.
        AirbyteConnectorExecutableNotFoundError: there is no engine that could run it.
    """
    return get_source(
        "source-e2e-test",
        {
            "type": "BENCHMARK",
            "schema": "FIVE_STRING_COLUMNS",
            "terminationCondition": {"type": "MAX_RECORDS", "max": _count(num_records)},
        },
        docker_image=True,
        streams="*",
        install_if_missing=install_if_missing,
    )


def _count(number: int | str) -> int:
    try:
        exact = Decimal(str(number).replace("_", ""))
        if exact == exact.to_integral_value() and exact > 0:
            return int(exact)
    except InvalidOperation:
        pass

    raise PyAirbyteInputError(message="The number of records is a whole number above 0.", input_value=str(number))


def get_connector(name: str, config: dict[str, Any] | None = None, **kwargs: Any) -> Source:
    """Return a source by name: the old name of `get_source`."""
    warnings.warn("get_connector is the old name of get_source.", DeprecationWarning, stacklevel=2)
    return get_source(name, config, **kwargs)
