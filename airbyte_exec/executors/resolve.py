"""From the arguments of `get_source` and `get_destination` to an executor.

Two ordered lists decide: the rules of `request`, which arguments do not go together, and `METHODS`, which way of
starting the connector the arguments choose. Without a method the name decides: a connector of this package, an
executable on PATH, an environment that was installed before, the registry.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.base import Executor
from airbyte_exec.executors.bundled import BUNDLED, BundledExecutor
from airbyte_exec.executors.docker import DEFAULT_DOCKER_OPTIONS, DockerExecutor, DockerOptions
from airbyte_exec.executors.local import PathExecutor, find_executable
from airbyte_exec.executors.noop import NoOpExecutor
from airbyte_exec.executors.request import Request, check_rules, has_tag
from airbyte_exec.executors.venv import INSTALL_TIMEOUT, VenvExecutor
from airbyte_exec.registry import InstallType, get_connector_metadata

if TYPE_CHECKING:
    from airbyte_exec.registry import ConnectorMetadata

logger = logging.getLogger(__name__)

_CONNECTOR_NAME = re.compile(r"(source|destination)-[a-z0-9][a-z0-9-]*")


def resolve_executor(
    name: str,
    *,
    version: str | None = None,
    use_python: bool | Path | str | None = None,
    pip_url: str | None = None,
    local_executable: Path | str | bool | None = None,
    docker_image: bool | str | None = None,
    use_host_network: bool = False,
    docker_options: DockerOptions | None = None,
    source_manifest: bool | dict[str, Any] | Path | str | None = None,
    install_if_missing: bool = True,
    install_root: Path | None = None,
    no_executor: bool = False,
    extra_requirements: Sequence[str] = (),
    install_timeout: float = INSTALL_TIMEOUT,
) -> Executor:
    """Return the executor that the arguments choose; it is installed where that is possible and wanted.

    Parameters:
        name: the connector's name, `source-…` or `destination-…`.
        version: the version to install from PyPI, or the tag of the image.
        use_python: install from PyPI with this Python: True for one that fits, a path, or a version such as
            `3.11`. False asks for an image.
        pip_url: what to install, as arguments of `pip install`.
        local_executable: a path, the name of a program on PATH, or True for the program called `name`.
        docker_image: an image, with or without its tag; True for `airbyte/NAME`.
        use_host_network: for images; a process of this machine uses its network anyway.
        docker_options: for images: how their containers are made.
        source_manifest: a manifest; not available in this version.
        install_if_missing: install a Python connector, or pull an image, now; else it must be there when it is started.
        install_root: the folder for the environments of Python connectors.
        no_executor: the connector is described and never run.
        extra_requirements: further requirements for the environment of a Python connector, one a string.
        install_timeout: seconds for an installation.

    Raises:
        PyAirbyteInputError: the arguments do not go together, or ask for what is not available in this
            version.
        AirbyteConnectorExecutableNotFoundError: the local executable is missing or cannot be run.
        AirbyteConnectorInstallationError: the connector cannot be installed.
        AirbyteConnectorNotRegisteredError: the registry does not know the name, and nothing else does.
        AirbyteConnectorRegistryError: the registry is needed and cannot be read.
    """
    request = Request(
        name=name,
        version=None if version == "latest" else version,
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
        extra_requirements=extra_requirements,
        install_timeout=install_timeout,
    )
    check_rules(request)
    executor = next(found for method in METHODS if (found := method(request)) is not None)

    if install_if_missing:
        executor.ensure_installation()

    return executor


def _local(request: Request) -> Executor | None:
    if not request.local_executable:
        return None

    wanted = request.name if isinstance(request.local_executable, bool) else request.local_executable
    path = find_executable(wanted, request.name)
    logger.info("Using the executable %s for %s", path, request.name)
    return PathExecutor(request.name, path=path)


def _noop(request: Request) -> Executor | None:
    if not request.no_executor:
        return None

    return NoOpExecutor(request.name, metadata=_ask_registry(request.name), target_version=request.version)


def _docker(request: Request) -> Executor | None:
    if not request.docker_image and request.use_python is not False:
        return None

    repository = request.docker_image if isinstance(request.docker_image, str) else f"airbyte/{request.name}"
    return _image(request, repository)


def _image(request: Request, repository: str, *, metadata: ConnectorMetadata | None = None) -> DockerExecutor:
    tag = request.version or (metadata.latest_available_version if metadata else None) or "latest"
    options = request.docker_options or DEFAULT_DOCKER_OPTIONS
    return DockerExecutor(
        request.name,
        repository if has_tag(repository) else f"{repository}:{tag}",
        metadata=metadata,
        options=replace(options, network="host") if request.use_host_network else options,
    )


def _manifest(request: Request) -> Executor | None:
    if request.source_manifest:
        raise _not_available(request.name, "Running a connector from a manifest")

    return None


def _python(request: Request) -> Executor | None:
    if request.pip_url:
        return _venv(request, None)

    return _venv(request, _ask_registry(request.name)) if request.use_python else None


def _bundled(request: Request) -> Executor | None:
    if request.name not in BUNDLED:
        return None

    if request.version:
        raise exc.PyAirbyteInputError(
            message=f"{request.name} comes with airbyte_exec and has its version: `version` cannot be chosen.",
            input_value=request.version,
        )

    return BundledExecutor(request.name)


def _on_path(request: Request) -> Executor | None:
    # A program on PATH has a version of its own.
    if request.version or (found := shutil.which(request.name)) is None:
        return None

    path = find_executable(Path(found), request.name)
    logger.info("Using the executable %s for %s", path, request.name)
    return PathExecutor(request.name, path=path)


def _installed_before(request: Request) -> Executor | None:
    if not _CONNECTOR_NAME.fullmatch(request.name):
        return None

    executor = _venv(request, None)
    return executor if executor.is_installed() else None


def _registered(request: Request) -> Executor:
    metadata = _ask_registry(request.name)

    if metadata is None or metadata.default_install_type is InstallType.PYTHON:
        return _venv(request, metadata)

    # The registry has an image of every connector, also of one that is a manifest and nothing else.
    return _image(request, metadata.docker_repository or f"airbyte/{request.name}", metadata=metadata)


def _venv(request: Request, metadata: ConnectorMetadata | None) -> VenvExecutor:
    return VenvExecutor(
        request.name,
        metadata=metadata,
        target_version=request.version,
        pip_url=request.pip_url,
        install_root=request.install_root,
        use_python=request.use_python,
        extra_requirements=request.extra_requirements,
        install_timeout=request.install_timeout,
    )


def _ask_registry(name: str) -> ConnectorMetadata | None:
    """Return what the registry says, or None where it is silent and the naming of connectors tells the package."""
    is_usual_name = _CONNECTOR_NAME.fullmatch(name) is not None

    try:
        metadata = get_connector_metadata(name)
    except exc.AirbyteConnectorNotRegisteredError:
        raise
    except exc.AirbyteConnectorRegistryError as error:
        if not is_usual_name:
            raise

        logger.warning("%s; airbyte-%s is taken from PyPI.", error.get_message(), name)
        return None

    if metadata is None and not is_usual_name:
        raise exc.PyAirbyteInputError(
            message=f"Nothing is known of a connector {name!r}: the registry is turned off.",
            guidance="Say what to install by `pip_url`, or what to run by `local_executable`.",
            input_value=name,
        )

    return metadata


def _not_available(name: str, what: str) -> exc.PyAirbyteInputError:
    return exc.PyAirbyteInputError(
        message=f"{what} is not available in this version.",
        guidance="Use its image (`docker_image=True`), a connector from PyPI, or an executable (`local_executable`).",
        context={"connector_name": name},
    )


METHODS: tuple[Callable[[Request], Executor | None], ...] = (
    _local,
    _docker,
    _manifest,
    _noop,
    _python,
    _bundled,
    _on_path,
    _installed_before,
    _registered,
)
"""Asked in this order; the first that answers decides. The last always answers or raises."""
