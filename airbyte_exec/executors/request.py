"""The arguments that choose an executor, and which of them do not go together. Looks for no connector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.docker import DockerOptions
from airbyte_exec.executors.venv import INSTALL_TIMEOUT


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments that choose an executor, as the caller gave them."""

    name: str
    version: str | None = None
    use_python: bool | Path | str | None = None
    pip_url: str | None = None
    local_executable: Path | str | bool | None = None
    docker_image: bool | str | None = None
    use_host_network: bool = False
    docker_options: DockerOptions | None = None
    source_manifest: bool | dict[str, Any] | Path | str | None = None
    install_if_missing: bool = True
    install_root: Path | None = None
    no_executor: bool = False
    extra_requirements: Sequence[str] = ()
    install_timeout: float = INSTALL_TIMEOUT

    @property
    def methods(self) -> list[str]:
        """The ways to start a connector that these arguments name."""
        named = {
            "local_executable": self.local_executable,
            "docker_image": self.docker_image,
            "pip_url or use_python": self.pip_url or self.use_python,
            "source_manifest": self.source_manifest,
            "no_executor": self.no_executor,
        }
        return [name for name, value in named.items() if value]


Rule = tuple[Callable[[Request], object], str]

RULES: tuple[Rule, ...] = (
    (lambda r: not r.name.strip(), "A connector needs a name."),
    (
        lambda r: len(r.methods) > 1,
        (
            "Only one of `local_executable`, `docker_image`, `pip_url` or `use_python`, `source_manifest` and "
            "`no_executor` can be given."
        ),
    ),
    (
        lambda r: r.version and r.pip_url,
        "`version` and `pip_url` do not go together: the version belongs into `pip_url`.",
    ),
    (
        lambda r: r.version and r.local_executable,
        "`version` and `local_executable` do not go together: an executable is the version that it is.",
    ),
    (
        lambda r: r.version and isinstance(r.docker_image, str) and has_tag(r.docker_image),
        "`version` and a `docker_image` with a tag do not go together.",
    ),
    (
        lambda r: r.use_python is False and r.pip_url,
        "`use_python=False` asks for an image, and `pip_url` for a Python package.",
    ),
    (
        lambda r: r.use_host_network and r.docker_options and r.docker_options.network not in (None, "host"),
        "`use_host_network` and another `network` in `docker_options` do not go together.",
    ),
)
"""What must not hold of the arguments, and what is said if it does; the first one counts."""


def check_rules(request: Request) -> None:
    """Check that the arguments go together.

    Raises:
        PyAirbyteInputError: they do not; the first broken rule is told.
    """
    for is_broken, message in RULES:
        if is_broken(request):
            raise exc.PyAirbyteInputError(message=message, context={"connector_name": request.name})


def has_tag(image: str) -> bool:
    """Tell whether the name of an image says which one: by a tag or a digest."""
    # What stands before the last slash may be a registry with its port.
    return ":" in image.rpartition("/")[2] or "@" in image
