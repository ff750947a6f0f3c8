"""What lies in a virtual environment: read from its files, without running its Python."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

MANIFEST = "installed.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A finished installation. Its file is written last: without it there is none.

    Parameters:
        venv: the name of the virtual environment's folder, beside the file.
        package: the distribution that brings the connector's console script.
        version: that distribution's version.
        python: the version of the environment's Python.
        fingerprint: size and time of the local files that were installed from.
    """

    venv: str
    package: str
    version: str
    python: str
    fingerprint: str = ""

    @classmethod
    def load(cls, folder: Path) -> Installed | None:
        """Return the finished installation of a folder, or None."""
        try:
            document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            return cls(**document) if document.pop("format") == FORMAT else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, folder: Path) -> None:
        """Make this the installation of a folder: all of it or nothing."""
        draft = folder / f"{self.venv}.json"
        draft.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1), encoding="utf-8")
        draft.replace(folder / MANIFEST)


def site_packages(venv: Path) -> list[str]:
    """Return the folders that hold an environment's packages."""
    return [str(path) for path in venv.glob("lib/*/site-packages")]


def python_version(venv: Path) -> str:
    """Return the version of an environment's Python, such as `3.11.7`; empty where its file does not say."""
    lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    said = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    # uv and virtualenv write one, the standard library's venv the other.
    return said.get("version_info") or said.get("version") or ""


def owner_of_script(venv: Path, script: str) -> Distribution | None:
    """Return the distribution that brings a console script."""
    return next((found for found in _distributions(venv) if script in _scripts(found)), None)


def requires_python(distribution: Distribution) -> str | None:
    """Return what a distribution says of the Python that it needs, in its own words."""
    said = distribution.metadata.json.get("requires_python")
    return said if isinstance(said, str) else None


def script_names(venv: Path) -> list[str]:
    """Return the names of all console scripts in an environment, sorted."""
    return sorted({name for found in _distributions(venv) for name in _scripts(found)} - _TOOLS)


def version_of(venv: Path, package: str) -> str | None:
    """Return the version of a distribution in an environment, or None where it is not there."""
    wanted = _canonical(package)
    return next((d.version for d in _distributions(venv) if _canonical(d.name or "") == wanted), None)


def fingerprint(requirements: list[str]) -> str:
    """Return what changes when a local file among the requirements does: its size and time."""
    paths = (Path(word.partition("=")[2] if word.startswith("-") else word) for word in requirements)
    stats = (os.stat(path) for path in paths if os.path.isfile(path))  # noqa: PTH113, PTH116
    return " ".join(f"{found.st_size}-{found.st_mtime_ns}" for found in stats)


_TOOLS = frozenset({"pip", "pip3", "wheel", "uv", "uvx"})


def _distributions(venv: Path) -> list[Distribution]:
    from importlib.metadata import distributions

    return list(distributions(path=site_packages(venv)))


def _scripts(distribution: Distribution) -> set[str]:
    return {entry.name for entry in distribution.entry_points if entry.group == "console_scripts"}


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def sweep(folder: Path, keep: str | None) -> None:
    """Remove what unfinished or replaced installations left in a folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.suffix == ".json" and entry.name != MANIFEST:
            entry.unlink(missing_ok=True)
