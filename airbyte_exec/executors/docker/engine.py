"""Where the engine is, and the two ways to talk to it: the SDK, and the client program, which both go to the same one.

The SDK blocks: what is here is called in worker threads, and every call is bounded.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors.docker.contexts import context_host, context_tls, current_context
from airbyte_exec.executors.docker.errors import engine_errors, missing_client, missing_ssh, no_engine

if TYPE_CHECKING:
    from docker import DockerClient

CALL_LIMIT = 30
"""Seconds for one answer of the engine; the slowest, the removal of a container, takes 0.1 s on an idle machine."""
ENGINE_VARIABLE = "AIRBYTE_EXEC_ENGINE"
_UNIX = "http+docker://"  # what the SDK's addresses begin with where the engine is behind a Unix socket
_SCHEMES = ("unix", "tcp", "http", "https", "ssh", "npipe")
_CLIENT_VARIABLES = (
    "CONTAINER_HOST",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "PATH",
    "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)
"""What the client program reads of the environment: it gets these also where the connector's is narrowed."""


@dataclass(frozen=True)
class Address:
    """Where an engine is.

    Parameters:
        program: the client program.
        url: its address; empty for the SDK's own default.
        context: the name of the docker client's context that says it.
    """

    program: str = "docker"
    url: str = ""
    context: str | None = None

    def __str__(self) -> str:
        return f"the context {self.context!r} ({self.url})" if self.context else self.url

    @property
    def arguments(self) -> tuple[str, ...]:
        """What leads the client program to the engine."""
        if self.context is not None:
            return ("--context", self.context)

        return ("--url" if self.program == "podman" else "--host", self.url)


class Engine:
    """One engine.

    Parameters:
        address: where it is.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.swept = False
        """Whether this process has looked for orphans there."""
        self.left: set[str] = set()
        """Containers of this process that could not be removed when they should have been."""
        self._lock = threading.Lock()
        self._sdk: DockerClient | None = None

    @property
    def sdk(self) -> DockerClient:
        """The SDK's client; made, and the engine asked for its version, at the first use.

        Raises:
            AirbyteConnectorExecutableNotFoundError: the engine cannot be reached.
        """
        with self._lock:
            if self._sdk is None:
                with engine_errors(str(self.address), doing="the first question"):
                    self._sdk = _connect(self.address)

            return self._sdk

    @property
    def api(self) -> Any:
        """The SDK's calls, one a question of the engine's protocol; its types are not complete."""
        return self.sdk.api

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return a command of the client program, with what leads it to this engine.

        Raises:
            AirbyteConnectorExecutableNotFoundError: there is no such program.
        """
        return (self.client, *self.address.arguments, *arguments)

    @cached_property
    def client(self) -> str:
        """The path of the client program."""
        found = shutil.which(self.address.program)
        if found is None:
            raise missing_client(self.address.program)

        return found

    @cached_property
    def platform(self) -> str:
        """What images it runs without emulation, such as `linux/amd64`."""
        with engine_errors(str(self.address), doing="the question for its platform"):
            version = self.sdk.version()

        return f"{version.get('Os', 'linux')}/{version.get('Arch', '')}"

    def errors(self, doing: str, image: str | None = None) -> Any:
        """Return a context that raises what the SDK raises as errors of ours."""
        return engine_errors(str(self.address), doing=doing, image=image)


def _connect(address: Address) -> DockerClient:
    import docker

    from airbyte_exec.executors.docker.sockets import Adapter, connect

    path = address.url.removeprefix("unix://") if address.url.startswith("unix://") else None
    if path is not None:
        connect(path, CALL_LIMIT).close()  # the SDK would hide the system's own words

    settings: dict[str, Any] = {"base_url": address.url or None, "version": "auto", "timeout": CALL_LIMIT}
    if address.context is not None:
        tls = context_tls(address.context)
        settings |= {"tls": tls} if tls is not None else {}
    elif address.url.startswith(("tcp://", "https://")):
        from docker.utils import kwargs_from_env

        settings |= {key: value for key, value in kwargs_from_env().items() if key == "tls"}

    if address.url.startswith("ssh://"):
        if importlib.util.find_spec("paramiko") is None:
            raise missing_ssh()

        settings["use_ssh_client"] = True

    client = docker.DockerClient(**settings)
    if path is not None:
        client.api.get_adapter(_UNIX).close()
        client.api.mount(_UNIX, Adapter(path, CALL_LIMIT))

    return client


def client_environment() -> dict[str, str]:
    """Return what the client program needs of the environment."""
    return {name: os.environ[name] for name in _CLIENT_VARIABLES if name in os.environ}


def find_address(choice: str | None = None) -> Address:
    """Return where the engine is: what was chosen, else what the environment says, else the client's own settings.

    Parameters:
        choice: an address or a context, as in `DockerOptions.engine`.

    Raises:
        PyAirbyteInputError: there is no context of that name.
    """
    said = os.environ.get(ENGINE_VARIABLE, "").strip()
    program = "podman" if said == "podman" else "docker"
    wanted = choice or (said if said not in ("", "docker", "podman") else None)
    if wanted is not None:
        return Address(program, _checked(wanted)) if _is_url(wanted) else _of_context(wanted)

    if program == "podman":
        return Address(program, os.environ.get("CONTAINER_HOST") or os.environ.get("DOCKER_HOST") or _podman_socket())

    if host := os.environ.get("DOCKER_HOST"):
        return Address(program, _checked(host))

    name = os.environ.get("DOCKER_CONTEXT") or current_context()
    return Address(program, "unix:///var/run/docker.sock") if name == "default" else _of_context(name)


def _is_url(text: str) -> bool:
    return text.partition("://")[0] in _SCHEMES and "://" in text


def _checked(url: str) -> str:
    try:
        urlsplit(url).port  # noqa: B018 - it raises
        reason = None if _is_url(url) else f"it begins with none of {', '.join(_SCHEMES)} and ://"
    except ValueError as error:
        reason = str(error)

    if reason is not None:
        raise PyAirbyteInputError(message=f"This is no address of an engine: {reason}.", input_value=url)

    return url


def _of_context(name: str) -> Address:
    return Address("docker", context_host(name), name)


def _podman_socket() -> str:
    folders = [os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "/run"]
    paths = [Path(folder) / "podman" / "podman.sock" for folder in folders]
    for path in paths:
        if path.exists():
            return f"unix://{path}"

    raise no_engine(f"unix://{paths[0]}", "there is no socket")


_engines: dict[Address, Engine] = {}
_lock = threading.Lock()


def find_engine(choice: str | None = None) -> Engine:
    """Return the engine; one object an address and process, so that its connections are shared.

    Raises:
        PyAirbyteInputError: there is no context of that name.
        AirbyteConnectorExecutableNotFoundError: Podman is asked for, and has no socket.
    """
    address = find_address(choice)
    with _lock:
        return _engines.setdefault(address, Engine(address))


def _forget_in_fork() -> None:
    # The connections are the parent's: two processes must not read each other's answers.
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _engines.clear()


os.register_at_fork(after_in_child=_forget_in_fork)
