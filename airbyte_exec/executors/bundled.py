"""Connectors that are part of this package: modules that run as a child process."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.version import get_version

BUNDLED: Mapping[str, str] = MappingProxyType(
    {"destination-local": "airbyte_exec.connectors.destination_local"},
)
"""Connector name -> the module that is run."""


class BundledExecutor(Executor):
    """Runs a connector of this package with the interpreter of this process."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

        if name not in BUNDLED:
            raise exc.PyAirbyteInputError(
                message=f"No connector {name!r} comes with airbyte_exec.",
                guidance=f"One of: {', '.join(BUNDLED)}.",
                input_value=name,
            )

        self.module = BUNDLED[name]

    def launch(self) -> Launch:
        """Return the command; `-P` keeps modules of the working directory from standing in for ours."""
        if not sys.executable:
            raise exc.PyAirbyteInternalError(message="This Python does not know the path of its executable.")

        return Launch(argv=(sys.executable, "-P", "-m", self.module), env=_import_path())

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Check that the module is there."""
        del auto_fix

        if importlib.util.find_spec(self.module) is None:
            raise exc.AirbyteConnectorInstallationError(
                message=f"The module {self.module} is missing from this installation of airbyte_exec.",
                connector_name=self.name,
            )

    def get_installed_version(self, *, raise_on_error: bool = False, recheck: bool = False) -> str | None:
        """Return the version of this package."""
        del raise_on_error, recheck
        return get_version()


def _import_path() -> dict[str, str]:
    """Let the child import the same airbyte_exec as we did, also where no installation made it known."""
    root = Path(__file__).parents[2]

    # site-packages in PYTHONPATH would come before the standard library.
    if root in {Path(sysconfig.get_path(key)) for key in ("purelib", "platlib")}:
        return {}

    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(root), *([inherited] if inherited else [])])}
