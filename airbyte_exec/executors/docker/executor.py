"""A connector that is an image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.base import Executor
from airbyte_exec.executors.docker.answers import Answers
from airbyte_exec.executors.docker.container import ContainerPlacement
from airbyte_exec.executors.docker.engine import Engine, find_engine
from airbyte_exec.executors.docker.errors import naming
from airbyte_exec.executors.docker.image import Image, find_image, pull_image
from airbyte_exec.executors.docker.options import DEFAULT_DOCKER_OPTIONS, DockerOptions
from airbyte_exec.executors.placement import Job, Placement

if TYPE_CHECKING:
    from airbyte_exec.registry import ConnectorMetadata

Answer = TypeVar("Answer")


class DockerExecutor(Executor):
    """Runs a connector's image, each command in a container of its own.

    Parameters:
        name: the connector's name.
        image: the image, with its tag.
        metadata: what the registry says of it.
        options: how its containers are made.
    """

    may_be_abandoned: ClassVar[bool] = True

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
        self._found: Image | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine that runs it."""
        return find_engine(self.options.engine)

    def launch(self) -> NoReturn:
        """Raise: a container is made for one command. See `place`."""
        raise exc.PyAirbyteInternalError(message="An image is started by `place`, a container a command.")

    def place(self, job: Job) -> Placement:
        """Return a container that will run one command; nothing is made yet."""
        return ContainerPlacement(self.engine, self.found(), self.options, connector=self.name, job=job)

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Make sure that the engine has the image; it is looked for once.

        Raises:
            AirbyteConnectorInstallationError: it is not there, and cannot be pulled.
            AirbyteConnectorExecutableNotFoundError: there is no engine, or no client.
        """
        with self._lock:
            if self._found is None:
                self._found = self._named(lambda: self._find(auto_fix=auto_fix))

    def _find(self, *, auto_fix: bool) -> Image:
        engine, policy, platform = self.engine, self.options.pull_policy, self.options.platform
        _ = engine.client
        found = find_image(engine, self.image)
        may_pull = auto_fix and policy != "never"
        if may_pull and (policy == "always" or found is None or not _fits(found, platform)):
            pull_image(engine, self.image, platform=platform)
            found = find_image(engine, self.image)

        guidance = (
            None if may_pull else "`pull_policy='never'` and `install_if_missing=False` keep it from being pulled."
        )
        if found is None:
            raise exc.AirbyteConnectorInstallationError(
                message=f"The engine does not have the image {self.image}.",
                guidance=guidance,
                context={"reason": "image_not_found"},
            )

        if not _fits(found, platform):
            raise exc.AirbyteConnectorInstallationError(
                message=f"The image {self.image} is made for {found.platform}, and {platform} is asked for.",
                guidance=guidance,
                context={"reason": "wrong_platform"},
            )

        return found

    def _named(self, function: Callable[[], Answer]) -> Answer:
        with naming(self.name):
            return function()

    def found(self) -> Image:
        """Return what the image says of itself.

        Raises:
            AirbyteConnectorInstallationError: the engine does not have it.
        """
        self.ensure_installation(auto_fix=False)
        assert self._found is not None
        return self._found

    def install(self) -> None:
        """Pull the image anew.

        Raises:
            AirbyteConnectorInstallationError: it cannot be pulled.
        """
        with self._lock:
            self._named(lambda: pull_image(self.engine, self.image, platform=self.options.platform))
            self._found = None

        self.ensure_installation(auto_fix=False)

    def uninstall(self) -> None:
        """Remove the image, and what is remembered of it.

        Raises:
            AirbyteConnectorInstallationError: a container uses it, or the engine refused.
        """
        import docker.errors

        def remove() -> None:
            if (found := find_image(self.engine, self.image)) is not None:
                Answers(found.digest).forget()

            with self.engine.errors("removing the image", self.image):
                try:
                    self.engine.api.remove_image(self.image)
                except docker.errors.ImageNotFound:
                    return

        with self._lock:
            self._named(remove)
            self._found = None

    def get_installed_version(self, *, raise_on_error: bool = False, recheck: bool = False) -> str | None:
        """Return the version that the image's label says."""
        if recheck:
            self._found = None

        try:
            version = self.found().version
        except exc.AirbyteConnectorError:
            if raise_on_error:
                raise

            return None

        return version or super().get_installed_version(raise_on_error=raise_on_error)

    def known_spec(self) -> dict[str, Any] | None:
        """Return what the image answered to `spec`, now or in the past: it is the same for an image."""
        self.ensure_installation()
        return Answers(self.found().digest).spec()

    def known_catalog(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the image answered to `discover` with this config, not long ago."""
        self.ensure_installation()
        return Answers(self.found().digest).catalog(self._told(config))

    def remember_spec(self, spec: str) -> None:
        """Keep an answer to `spec`."""
        Answers(self.found().digest).keep_spec(spec)

    def remember_catalog(self, config: Mapping[str, Any], catalog: str) -> None:
        """Keep an answer to `discover`."""
        Answers(self.found().digest).keep_catalog(self._told(config), catalog)

    def _told(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that a catalog may depend on."""
        options = self.options
        return {"config": config, "seen": [repr(options), dict(options.env), repr(options.create_kwargs)]}


def _fits(image: Image, platform: str | None) -> bool:
    # A variant (`linux/arm64/v8`) is not always said by an image that has it.
    return platform is None or image.platform == "/".join(platform.split("/")[:2])
