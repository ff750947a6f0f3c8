"""Which Python a connector gets.

The interpreter that runs this process, where the connector supports it; else another one of this machine.
Most connectors say that they need 3.10 to 3.12, and Airbyte's own image of a Python connector is a 3.11.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_exec import exceptions as exc
from airbyte_exec.constants import offline_mode

OTHER_VERSIONS = ("3.11", "3.12", "3.10", "3.13", "3.14")
"""Looked for in this order."""


@dataclass(frozen=True)
class Python:
    """One interpreter to try.

    Parameters:
        spec: a path or a version, as `uv venv --python` takes it.
        version: its version as far as it is known before it runs, such as `3.11`.
        download: uv may fetch it.
    """

    spec: str
    version: str | None = None
    download: bool = False


def choices(use_python: bool | Path | str | None) -> list[Python]:
    """Return the interpreters to try, best first.

    Parameters:
        use_python: None or True for any that fits, a path, or a version such as `3.11`, which uv may fetch.

    Raises:
        PyAirbyteInputError: `use_python` is a path where nothing is, or none of these.
    """
    if use_python is None or use_python is True:
        return list(_any())

    if isinstance(use_python, Path) or (isinstance(use_python, str) and "/" in use_python):
        return [Python(_existing(Path(use_python)))]

    if not isinstance(use_python, str) or not use_python.strip():
        raise exc.PyAirbyteInputError(
            message="`use_python` must be True, a path, or a version such as '3.11'.",
            input_value=repr(use_python),
        )

    version = use_python.strip()
    found = list(_of_version(version))
    return found if offline_mode() else [*found, Python(version, version, download=True)]


def fits(version: str, requires: str | None) -> bool:
    """Return whether a Python version meets a package's `Requires-Python`.

    Parameters:
        version: such as `3.11.7`; `3.11` stands for any 3.11.
        requires: the package's own words; what cannot be read forbids nothing.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        allowed = SpecifierSet(requires or "")
        full = version if version.count(".") > 1 else f"{version}.99"
        return allowed.contains(full, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _any() -> Iterator[Python]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"

    if sys.executable:
        yield Python(sys.executable, own)

    for version in OTHER_VERSIONS:
        if version != own:
            yield from _of_version(version)


def _of_version(version: str) -> Iterator[Python]:
    yield Python(version, version)

    # pyenv's shims on PATH refuse a version that is not switched on, though it is installed.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"

    for folder in sorted([*root.glob(version), *root.glob(f"{version}.*")], reverse=True):
        if (folder / "bin" / "python").exists():
            yield Python(str(folder / "bin" / "python"), version)


def _existing(path: Path) -> str:
    full = path.expanduser().absolute()

    if full.exists():
        return str(full)

    if len(path.parts) == 1:
        # A command's name, such as Path("python3.11").
        return str(path)

    raise exc.PyAirbyteInputError(message="`use_python` names a path where there is no Python.", input_value=str(path))
