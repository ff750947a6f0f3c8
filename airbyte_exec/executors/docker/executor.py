"""A connector that is an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.executors.docker.options import DEFAULT_DOCKER_OPTIONS, DockerOptions

if TYPE_CHECKING:
    from airbyte_exec.registry import ConnectorMetadata


class DockerExecutor(Executor):
    """Runs a connector's image, each command in a container of its own.

    Parameters:
        name: the connector's name.
        image: the image, with its tag.
        options: how its containers are made.
    """

    def __init__(
        self,
        name: str,
        image: str,
        *,
        metadata: ConnectorMetadata | None = None,
        options: DockerOptions = DEFAULT_DOCKER_OPTIONS,
    ) -> None:
        super().__init__(name, metadata=metadata)
        self.image = image
        self.options = options

    def launch(self) -> Launch:
        """Not built yet."""
        raise NotImplementedError

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Not built yet."""
        raise NotImplementedError
