"""Connectors from PyPI, a wheel or a folder, each in a virtual environment of its own.

Below the install root lies one folder a connector and choice of packages and Python:

    <root>/<name>/<version>-<digest>.lock          held while somebody installs
    <root>/<name>/<version>-<digest>/installed.json    written last; names the environment that is in use
    <root>/<name>/<version>-<digest>/<random>/         the environment

An environment is built where it will stay, for it cannot be moved, under a new random name. Without
`installed.json` it does not count: an interrupted installation is swept away by the next one. A connector
that runs while its package is installed anew keeps its files until the installation after that.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_exec import constants
from airbyte_exec import exceptions as exc
from airbyte_exec.executors import _installer, _pythons, _site
from airbyte_exec.executors._installation import Wanted, install, shown
from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.executors.local import check_executable

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from airbyte_exec.registry import ConnectorMetadata

logger = logging.getLogger(__name__)

INSTALL_TIMEOUT = 900.0
"""Seconds for one installation; the largest connectors take about one minute from a near index."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PINNED = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?==([A-Za-z0-9.+!_-]+)")
_DIRECT = re.compile(r"[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s+@\s+\S+")
_ARCHIVES = (".whl", ".zip", ".tar.gz")
_PATH_OPTIONS = frozenset(
    {"-e", "--editable", "-r", "--requirement", "-c", "--constraint", "-f", "--find-links", "-b", "--build-constraint"}
)


class VenvExecutor(Executor):
    """Installs a connector with uv and runs its console script.

    Parameters:
        name: the connector's name, and that of its console script.
        metadata: what the registry says of it; names the package on PyPI.
        target_version: the version to install; None for the newest at the time of installation.
        pip_url: what to install instead, as arguments of `pip install`: a requirement, a path, a URL,
            options. Words are split as a shell does: quote a path that holds spaces.
        install_root: the folder for environments; by default `constants.install_root()`.
        use_python: None or True for a Python that fits, a path, or a version such as `3.11`, which uv may
            fetch.
        extra_requirements: further requirements, one a string.
        install_timeout: seconds for an installation.
        lock_timeout: seconds to wait for another process that installs the same; by default as long as that
            may take, and a minute.

    Raises:
        AirbyteConnectorNotPyPiPublishedError: the registry knows of no package.
        PyAirbyteInputError: the name or `use_python` cannot be one.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        metadata: ConnectorMetadata | None = None,
        target_version: str | None = None,
        pip_url: str | None = None,
        install_root: Path | None = None,
        use_python: bool | Path | str | None = None,
        extra_requirements: Sequence[str] = (),
        install_timeout: float = INSTALL_TIMEOUT,
        lock_timeout: float | None = None,
    ) -> None:
        super().__init__(name, metadata=metadata, target_version=target_version)

        if not _NAME.fullmatch(self.name):
            raise exc.PyAirbyteInputError(
                message="A connector's name has letters, digits, dots, dashes and underscores only.",
                input_value=self.name,
            )

        words = _split(pip_url) if pip_url else [self._package()]
        self.requirements = _absolute([*words, *extra_requirements])
        self.install_root = (install_root or constants.install_root()).expanduser().absolute()
        self.use_python = use_python
        self.install_timeout = install_timeout
        self.lock_timeout = install_timeout + 60.0 if lock_timeout is None else lock_timeout
        self._pythons = _pythons.choices(use_python)
        self.folder = self.install_root / self.name / self._label(pip_url)

    def launch(self) -> Launch:
        """Return the command; raises where the connector is not installed."""
        script = self._script(self._require())
        check_executable(script, self.name)
        return Launch(argv=(str(script),), unset_env=_installer.OUR_PYTHON)

    def is_installed(self) -> bool:
        """Return whether a finished installation is there, of the files as they are now."""
        found = _site.Installed.load(self.folder)
        return found is not None and self._is_usable(found)

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Install the connector where it is not, unless `auto_fix` is false: then raise."""
        if self.is_installed():
            return

        if not auto_fix:
            self._require()

        with self._locked():
            # Another process may have installed it while we waited.
            if not self.is_installed():
                self._build()

    def install(self) -> None:
        """Install the connector anew, the newest version that was asked for."""
        with self._locked():
            self._build()

    def uninstall(self) -> None:
        """Remove the connector's environments of this version."""
        with self._locked():
            # First the file that makes it count, so that an interruption leaves nothing half.
            (self.folder / _site.MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def get_installed_version(self, *, raise_on_error: bool = False, recheck: bool = False) -> str | None:
        """Return the installed version; `recheck` reads it from the package's own metadata."""
        found = _site.Installed.load(self.folder)
        version = found.version if found else None

        if found and recheck:
            version = _site.version_of(self.folder / found.venv, found.package)

        if version is None and raise_on_error:
            raise self._not_installed()

        return version

    def _package(self) -> str:
        if self.metadata and not self.metadata.pypi_package_name:
            raise exc.AirbyteConnectorNotPyPiPublishedError(connector_name=self.name)

        # Connectors are published under this prefix; other names on PyPI are held by strangers.
        package = (self.metadata and self.metadata.pypi_package_name) or f"airbyte-{self.name}"
        return f"{package}=={self.target_version}" if self.target_version else package

    def _label(self, pip_url: str | None) -> str:
        pinned = _PINNED.fullmatch(self.requirements[0]) if self.requirements else None
        label = pinned[1] if pinned else ("custom" if pip_url else "latest")
        python = None if self.use_python is True else self.use_python
        key = json.dumps([self.requirements, python and str(python), constants.no_uv()])
        return f"{label}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"

    def _script(self, found: _site.Installed) -> Path:
        return self.folder / found.venv / "bin" / self.name

    def _is_usable(self, found: _site.Installed) -> bool:
        venv = self.folder / found.venv
        # `python` is a link: it leads nowhere when that Python was removed from the machine.
        present = (venv / "bin" / "python").exists() and self._script(found).exists()
        return present and found.fingerprint == _site.fingerprint(self.requirements)

    def _require(self) -> _site.Installed:
        found = _site.Installed.load(self.folder)

        if found is None or not self._is_usable(found):
            raise self._not_installed()

        return found

    def _not_installed(self) -> exc.AirbyteConnectorInstallationError:
        return exc.AirbyteConnectorInstallationError(
            message="The connector is not installed.",
            connector_name=self.name,
            guidance="Call `install()`, or leave `install_if_missing` at its default.",
            context={"requirements": shown(self.requirements), "folder": str(self.folder)},
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise exc.AirbyteConnectorInstallationError(
                message=f"The folder for connectors cannot be made: {error}",
                connector_name=self.name,
                guidance="Choose another one by `install_root` or AIRBYTE_INSTALL_DIR.",
            ) from error

        lock = FileLock(self.folder.with_name(f"{self.folder.name}.lock"))

        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("%s is being installed by another process or thread: waiting for it.", self.name)
            self._wait_for(lock)

        try:
            yield
        finally:
            lock.release()

    def _wait_for(self, lock: BaseFileLock) -> None:
        from filelock import Timeout

        try:
            lock.acquire(timeout=self.lock_timeout)
        except Timeout as error:
            raise exc.AirbyteConnectorInstallationError(
                message=f"Another process has been installing the connector for {self.lock_timeout:g} s.",
                connector_name=self.name,
                context={"lock": str(lock.lock_file)},
            ) from error

    def _build(self) -> None:
        current = _site.Installed.load(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        _site.sweep(self.folder, keep=current.venv if current else None)
        logger.info("Installing %s (%s) into %s", self.name, shown(self.requirements), self.folder)
        done = install(
            Wanted(
                name=self.name,
                requirements=self.requirements,
                folder=self.folder,
                pythons=self._pythons,
                obey=self.use_python not in (None, True),
                timeout=self.install_timeout,
            )
        )
        done.save(self.folder)
        logger.info("Installed %s %s with Python %s", self.name, done.version, done.python)


def _split(pip_url: str) -> list[str]:
    # `name @ URL` is one requirement, though a shell sees three words.
    return [pip_url.strip()] if _DIRECT.fullmatch(pip_url.strip()) else shlex.split(pip_url)


def _absolute(words: list[str]) -> list[str]:
    """Return requirements with local paths made absolute: a later working directory must not change them."""
    before = ["", *words]
    return [_absolute_word(word, after_option=before[index] in _PATH_OPTIONS) for index, word in enumerate(words)]


def _absolute_word(word: str, *, after_option: bool) -> str:
    option, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
    local, bracket, extras = value.partition("[")

    if not local or "://" in value or " @ " in value:
        return word

    is_path = local in {".", ".."} or local.startswith(("./", "../", "~/"))
    may_be_path = after_option or option in _PATH_OPTIONS or "/" in local or local.endswith(_ARCHIVES)

    if is_path or (may_be_path and Path(local).exists()):
        return f"{option}{sign}{Path(local).expanduser().resolve()}{bracket}{extras}"

    return word
