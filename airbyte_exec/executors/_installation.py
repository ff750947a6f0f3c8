"""Fills a folder with a virtual environment that holds a connector: one Python after the other until one
fits."""

from __future__ import annotations

import logging
import secrets
import shlex
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from airbyte_exec import constants
from airbyte_exec import exceptions as exc
from airbyte_exec._process.guardian import Guard, open_guard
from airbyte_exec.executors import _installer, _pythons, _site

logger = logging.getLogger(__name__)

_LOG_LINES = 200
"""Of an installer's output, in an exception."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to install, and where.

    Parameters:
        name: the connector's name and console script.
        requirements: arguments of `pip install`.
        folder: where the environment's folder is made.
        pythons: the interpreters to try, in this order.
        obey: install with the first Python that exists, also where the connector says that it does not fit.
        timeout: seconds for all of it.
    """

    name: str
    requirements: list[str]
    folder: Path
    pythons: list[_pythons.Python]
    obey: bool
    timeout: float

    def error(
        self, message: str, *, guidance: str | None = None, log_text: str | None = None, exit_code: int | None = None
    ) -> exc.AirbyteConnectorInstallationError:
        """Return an error that names the connector and its requirements."""
        return exc.AirbyteConnectorInstallationError(
            message=message,
            connector_name=self.name,
            exit_code=exit_code,
            log_text="\n".join(log_text.splitlines()[-_LOG_LINES:]) if log_text else None,
            guidance=guidance,
            context={"requirements": shown(self.requirements)},
        )


def install(wanted: Wanted) -> _site.Installed:
    """Install a connector; what is left behind by a failure is removed.

    Raises:
        AirbyteConnectorInstallationError: it did not work; `log_text` holds what the installer said.
    """
    # Also when this process is killed, its installer ends: the guardian sees to it.
    with open_guard() as guard:
        return _Installation(wanted, guard, time.monotonic() + wanted.timeout).run()


def shown(requirements: list[str]) -> str:
    """Return requirements as one text for people, without the credentials of their URLs."""
    return _installer.mask_credentials(shlex.join(requirements))


class _PythonRefused(Exception):  # noqa: N818 - a turn of the search, not an error
    """This Python is not there, or the connector does not support it."""

    def __init__(self, reason: str, requires: str | None = None) -> None:
        super().__init__(reason)
        self.requires = requires


@dataclass
class _Installation:
    wanted: Wanted
    guard: Guard
    deadline: float

    def run(self) -> _site.Installed:
        refused: list[str] = []
        requires: str | None = None

        for python in self.wanted.pythons:
            if python.version and not self.wanted.obey and not _pythons.fits(python.version, requires):
                continue

            try:
                return self._try(python)
            except _PythonRefused as refusal:
                refused.append(f"{python.spec}: {refusal}")
                requires = refusal.requires or requires

        need = f" The connector needs Python {requires}." if requires else ""
        raise self.wanted.error(
            "No Python was found that the connector supports.",
            log_text="\n".join(refused),
            guidance=f"Name one by `use_python`: a path, or a version such as '3.11', which uv can fetch.{need}",
        )

    def _try(self, python: _pythons.Python) -> _site.Installed:
        venv = self.wanted.folder / secrets.token_hex(4)

        with ExitStack() as undo:
            undo.callback(shutil.rmtree, venv, ignore_errors=True)
            done = self._fill(venv, python)
            undo.pop_all()

        return done

    def _fill(self, venv: Path, python: _pythons.Python) -> _site.Installed:
        tool = _installer.Pip() if constants.no_uv() else _installer.Uv()
        requirements = self.wanted.requirements
        files = _site.fingerprint(requirements)
        made = self._run(tool.make_venv(venv, python.spec, download=python.download))

        if made.exit_code != 0:
            raise _PythonRefused(made.text)

        version = _site.python_version(venv)
        # The connector alone comes in a second, and says what it needs before its dependencies take a minute.
        self._install(tool.install(venv, requirements, dependencies=False))
        self._check_connector(venv, version)
        self._install(tool.install(venv, requirements, dependencies=True))
        package, installed = self._check_connector(venv, version)
        return _site.Installed(venv=venv.name, package=package, version=installed, python=version, fingerprint=files)

    def _install(self, argv: list[str]) -> None:
        outcome = self._run(argv)

        if outcome.wants_other_python:
            raise _PythonRefused(outcome.text)

        if outcome.exit_code != 0:
            raise self.wanted.error(
                "The installer failed.",
                exit_code=outcome.exit_code,
                log_text=outcome.text,
                guidance="Is the name right? On PyPI a connector is called `airbyte-NAME`."
                if outcome.not_found
                else None,
            )

    def _run(self, argv: list[str]) -> _installer.Outcome:
        marks = self.guard.marks(self.guard.new_token())
        env = {**marks, "TMPDIR": str(self.guard.folder)}
        outcome = _installer.run(argv, env=env, cwd=self.wanted.folder, timeout=self.deadline - time.monotonic())

        if outcome.exit_code is None:
            raise self.wanted.error(
                f"The installation did not end within {self.wanted.timeout:g} s.",
                log_text=outcome.text,
                guidance="Is the package index reachable? `install_timeout` allows more time.",
            )

        return outcome

    def _check_connector(self, venv: Path, version: str) -> tuple[str, str]:
        """Return package and version of the connector, after its word on this Python was heard."""
        owner = _site.owner_of_script(venv, self.wanted.name)

        if owner is None:
            names = _site.script_names(venv)
            raise self.wanted.error(
                f"What was installed has no console script {self.wanted.name!r}.",
                guidance=f"It has: {', '.join(names)}." if names else "It has none at all.",
            )

        requires = _site.requires_python(owner)

        # uv disregards upper bounds.
        if not _pythons.fits(version, requires):
            if not self.wanted.obey:
                raise _PythonRefused(f"{owner.name} needs Python {requires}, this is {version}", requires)

            logger.warning("%s says that it needs Python %s; it gets %s.", owner.name, requires, version)

        return owner.name, owner.version
