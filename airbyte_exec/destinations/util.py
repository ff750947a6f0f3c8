"""Where destinations come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.destinations.base import Destination
from airbyte_exec.executors import resolve_executor
from airbyte_exec.executors.docker.options import DockerOptions


def get_destination(
    name: str,
    config: dict[str, Any] | None = None,
    *,
    config_change_callback: ConfigChangeCallback | None = None,
    version: str | None = None,
    use_python: bool | Path | str | None = None,
    pip_url: str | None = None,
    local_executable: Path | str | None = None,
    docker_image: bool | str | None = None,
    use_host_network: bool = False,
    docker_options: DockerOptions | None = None,
    install_if_missing: bool = True,
    install_root: Path | None = None,
    no_executor: bool = False,
    **more: Any,
) -> Destination:
    """Return a destination by name.

    Parameters:
        name: the connector's name, such as `destination-local`.
        config: its config; it is checked when it is first used.
        config_change_callback: called with each config that the connector makes by itself.
        version: the version to install, or the tag of the image.
        use_python: install from PyPI with this Python: True for one that fits, a path, or a version such as `3.11`.
        pip_url: what to install in the place of the package of that name.
        local_executable: a program to run: a path, or a name on PATH.
        docker_image: an image to run, with or without its tag; True for `airbyte/NAME`.
        use_host_network: let the image use this machine's network.
        docker_options: how the containers of the image are made.
        install_if_missing: install it now where it is not there.
        install_root: where to install it.
        no_executor: describe the connector only.
        more: further arguments of `airbyte_exec.executors.resolve_executor`, or `options` for `Destination`.

    Raises:
        PyAirbyteInputError: the arguments do not go together.
        AirbyteConnectorExecutableNotFoundError: the program is missing or cannot be run.
        AirbyteConnectorInstallationError: it cannot be installed.
    """
    own = {key: more.pop(key) for key in ("options",) if key in more}
    executor = resolve_executor(
        name,
        version=version,
        use_python=use_python,
        pip_url=pip_url,
        local_executable=local_executable,
        docker_image=docker_image,
        use_host_network=use_host_network,
        docker_options=docker_options,
        install_if_missing=install_if_missing,
        install_root=install_root,
        no_executor=no_executor,
        **more,
    )
    return Destination(executor, name, config, config_change_callback=config_change_callback, **own)


def get_noop_destination(*, install_if_missing: bool = True) -> Destination:
    """Return a destination that takes everything and keeps nothing: the image `airbyte/destination-dev-null`.

    Parameters:
        install_if_missing: pull the image now where it is not there.

    Raises:
        AirbyteConnectorInstallationError: it cannot be pulled.
        AirbyteConnectorExecutableNotFoundError: there is no engine that could run it.
    """
    return get_destination(
        "destination-dev-null",
        {"test_destination": {"test_destination_type": "SILENT"}},
        docker_image=True,
        install_if_missing=install_if_missing,
    )
