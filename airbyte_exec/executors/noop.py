"""A connector that is described and never run: its specification comes from the registry."""

from __future__ import annotations

from typing import Any, NoReturn

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.base import Executor
from airbyte_exec.registry import load_spec


class NoOpExecutor(Executor):
    """Knows a connector's specification, so that a config can be validated without the connector."""

    _spec: dict[str, Any] | None = None

    def launch(self) -> NoReturn:
        """Raise: there is nothing to start."""
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message="This connector was made with `no_executor=True`: it can be described, but not run.",
            connector_name=self.name,
            guidance="Leave `no_executor` out to run it.",
        )

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Do nothing: there is nothing to install."""

    def install(self) -> None:
        """Do nothing: there is nothing to install."""

    def uninstall(self) -> None:
        """Do nothing: nothing was installed."""

    def known_spec(self) -> dict[str, Any] | None:
        """Return the registry's specification of the connector's latest version, or None where it has none.

        Raises:
            AirbyteConnectorRegistryError: the registry cannot be read.
        """
        if self._spec is None:
            self._spec = load_spec(self.name)

        return self._spec
