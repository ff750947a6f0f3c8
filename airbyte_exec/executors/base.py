"""What an executor is, and what it answers with. Starts no connector itself."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.placement import Job, LocalPlacement, Placement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airbyte_exec.registry import ConnectorMetadata


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to start a connector, and how to end it for sure.

    Parameters:
        argv: the connector's command, without the protocol's arguments.
        env: environment variables that are set on top of what a child inherits.
        unset_env: environment variables that this child must not inherit.
        show_path: how a local path appears to the connector.
        take_stdin: gives a file descriptor that leads to its stdin, where the child's own stdin does not.
        take_stdout: gives one that its stdout comes over, in an engine's frames, where it is not the child's own.
        stop_argv: a command that asks it to end, in the place of SIGTERM to its process group.
        kill_argv: a command that ends it for sure, beside the signals to its process group.
        orphan_argv: a command that ends it and leaves nothing of it, for when we have died; by default `kill_argv`.
        stop_grace: the most seconds between SIGTERM and what ends it for sure; None for the session's own limit.
        cleanup: called once, after the child is reaped.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    unset_env: frozenset[str] = frozenset()
    show_path: Callable[[Path], str] = str
    take_stdin: Callable[[], int] | None = None
    take_stdout: Callable[[], int] | None = None
    stop_argv: tuple[str, ...] | None = None
    kill_argv: tuple[str, ...] | None = None
    orphan_argv: tuple[str, ...] | None = None
    stop_grace: float | None = None
    cleanup: Callable[[], None] | None = None

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the child's whole environment: `inherited` without `unset_env`, then `env` on top."""
        kept = {name: value for name, value in inherited.items() if name not in self.unset_env}
        return {**kept, **self.env}


class Executor(abc.ABC):
    """Knows where one connector is and how it is started.

    Parameters:
        name: the connector's name, `source-…` or `destination-…`.
        metadata: what the registry says of it, where the registry was asked.
        target_version: the version that was asked for; None or `latest` for any.
    """

    may_be_abandoned: ClassVar[bool] = False
    """Whether a call may be left to itself when nobody waits for it any more, as one that waits for a network."""

    def __init__(
        self,
        name: str | None = None,
        *,
        metadata: ConnectorMetadata | None = None,
        target_version: str | None = None,
    ) -> None:
        known = name or (metadata.name if metadata else None)

        if not known:
            raise exc.PyAirbyteInputError(message="A connector needs a name.")

        self.name: str = known
        self.metadata = metadata
        self.target_version = None if target_version == "latest" else target_version

    @abc.abstractmethod
    def launch(self) -> Launch:
        """Return how the connector is started.

        Raises:
            AirbyteConnectorInstallationError: it is not installed.
            AirbyteConnectorExecutableNotFoundError: its executable is missing or cannot be run.
        """

    def place(self, job: Job) -> Placement:
        """Return one command of the connector, to be prepared and started.

        Raises:
            AirbyteConnectorInstallationError: it is not installed.
            AirbyteConnectorExecutableNotFoundError: its executable is missing or cannot be run.
        """
        return LocalPlacement(self.launch(), job)

    @abc.abstractmethod
    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Make sure that the connector can be started; install it where it is not and `auto_fix` is true.

        Raises:
            AirbyteConnectorInstallationError: it is not installed, or cannot be.
            AirbyteConnectorExecutableNotFoundError: its executable is missing or cannot be run.
        """

    def install(self) -> None:
        """Install the connector anew.

        Raises:
            AirbyteConnectorInstallationError: it cannot be installed, or it is not ours to install.
        """
        raise self._not_managed("installed")

    def uninstall(self) -> None:
        """Remove the connector.

        Raises:
            AirbyteConnectorInstallationError: it is not ours to remove.
        """
        raise self._not_managed("uninstalled")

    def get_installed_version(self, *, raise_on_error: bool = False, recheck: bool = False) -> str | None:
        """Return the installed version, or None where it cannot be told.

        Parameters:
            raise_on_error: raise where the version cannot be told.
            recheck: look again, also where the version is known already.

        Raises:
            AirbyteConnectorInstallationError: the version cannot be told and `raise_on_error` is true.
        """
        del recheck

        if raise_on_error:
            raise exc.AirbyteConnectorInstallationError(
                message="The connector's version cannot be told.", connector_name=self.name
            )

        return None

    def known_spec(self) -> dict[str, Any] | None:
        """Return the connector's specification where it is known without running it, else None."""
        return None

    def known_catalog(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the source has, where it is known without running it, else None.

        Parameters:
            config: the config with its secrets resolved.
        """
        del config
        return None

    def remember_spec(self, spec: str) -> None:
        """Take note of the connector's answer to `spec`, a JSON object."""
        del spec

    def remember_catalog(self, config: Mapping[str, Any], catalog: str) -> None:
        """Take note of the connector's answer to `discover`, a JSON object.

        Parameters:
            config: the config with its secrets resolved.
            catalog: the answer.
        """
        del config, catalog

    def _not_managed(self, action: str) -> exc.AirbyteConnectorInstallationError:
        return exc.AirbyteConnectorInstallationError(
            message=f"The connector cannot be {action}: it is not managed by airbyte_exec.",
            connector_name=self.name,
        )
