"""The blocking face of a connector: what `Source` and `Destination` have in common, a line each into the portal."""

from __future__ import annotations

import abc
import json
import sys
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from airbyte_exec import _portal
from airbyte_exec._connector.core import ConnectorCore
from airbyte_exec._state.store import config_digest
from airbyte_exec.callbacks import ConfigChangeCallback
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors.base import Executor

Core = TypeVar("Core", bound=ConnectorCore)


class ConnectorBase(abc.ABC, Generic[Core]):
    """A connector that can be called."""

    connector_type: ClassVar[Literal["destination", "source"]]
    _core: Core

    @property
    def name(self) -> str:
        """The connector's name."""
        return self._core.name

    @property
    def executor(self) -> Executor:
        """What starts the connector."""
        return self._core.executor

    @property
    def config_change_callback(self) -> ConfigChangeCallback | None:
        """Called with each config that the connector makes by itself."""
        return self._core.config_change_callback

    @config_change_callback.setter
    def config_change_callback(self, callback: ConfigChangeCallback | None) -> None:
        self._core.config_change_callback = callback

    def set_config(self, config: dict[str, Any], *, validate: bool = True) -> None:
        """Set the config of the connector.

        Parameters:
            config: the config; `secret_reference::NAME` stands for a secret that is looked up at each launch.
            validate: check it against the connector's spec first.

        Raises:
            AirbyteConnectorValidationFailedError: it does not fit; then the old config stays.
        """
        if validate:
            self.validate_config(config)

        self._core.set_config(config)

    def get_config(self) -> dict[str, Any]:
        """Return the config: the one that was set, or what the connector has made of it since.

        Raises:
            AirbyteConnectorConfigurationMissingError: there is none yet.
        """
        return self._core.config

    @property
    def config_hash(self) -> str | None:
        """A digest of the config, None without one. Equal configs have equal digests."""
        return config_digest(b"airbyte_exec", self._core.config) if self._core.has_config else None

    def validate_config(self, config: dict[str, Any] | None = None) -> None:
        """Check a config, or the one that is set, against the connector's spec.

        Raises:
            AirbyteConnectorValidationFailedError: it does not fit. The values of secrets are not said.
            AirbyteConnectorSpecFailedError: the spec cannot be had.
        """
        _portal.run(self._core.validate_config, config)

    @property
    def config_spec(self) -> dict[str, Any]:
        """The JSON Schema of the config. The connector is asked once.

        Raises:
            AirbyteConnectorSpecFailedError: it cannot be had.
        """
        return dict(_portal.run(self._core.spec).connectionSpecification)

    def print_config_spec(
        self,
        format: Literal["yaml", "json"] = "yaml",  # noqa: A002 - PyAirbyte's name
        *,
        output_file: Path | str | None = None,
        stderr: bool = False,
    ) -> None:
        """Write the JSON Schema of the config to stdout, to stderr, or to a file.

        Parameters:
            format: `yaml` or `json`.
            output_file: write there.
            stderr: write to stderr; not together with `output_file`.

        Raises:
            PyAirbyteInputError: the format is unknown, or both places were given.
        """
        if format not in ("yaml", "json"):
            raise PyAirbyteInputError(message="The format is 'yaml' or 'json'.", input_value=format)

        if output_file and stderr:
            raise PyAirbyteInputError(message="Give `output_file` or `stderr`, not both.")

        text = self._spec_text(format)
        if output_file:
            Path(output_file).write_text(text, encoding="utf-8")
        else:
            (sys.stderr if stderr else sys.stdout).write(text)

    def _spec_text(self, kind: str) -> str:
        if kind == "json":
            return json.dumps(self.config_spec, indent=2) + "\n"

        import yaml

        return str(yaml.safe_dump(self.config_spec, sort_keys=False))

    @property
    def docs_url(self) -> str:
        """The address of the connector's documentation."""
        kind, _, name = self.name.partition("-")
        return f"https://docs.airbyte.com/integrations/{kind}s/{name}"

    @property
    def connector_version(self) -> str | None:
        """The installed version, None where it cannot be told."""
        return self.executor.get_installed_version()

    def check(self) -> None:
        """Let the connector check its config and its connection.

        Raises:
            AirbyteConnectorCheckFailedError: it failed; the connector's own message is in it.
        """
        _portal.run(self._core.check)

    def install(self) -> None:
        """Install the connector anew.

        Raises:
            AirbyteConnectorInstallationError: it cannot be installed, or is not managed here.
        """
        self.executor.install()

    def uninstall(self) -> None:
        """Remove the connector.

        Raises:
            AirbyteConnectorInstallationError: it is not managed here.
        """
        self.executor.uninstall()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
