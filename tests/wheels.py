"""Tiny packages for tests that install: wheels, and folders whose build can be held up."""

from __future__ import annotations

import textwrap
import zipfile
from pathlib import Path

MAIN = "import sys\n\n\ndef main():\n    print(*sys.argv[1:])\n"


def wheel_files(
    name: str, version: str, *, script: str | None, requires_python: str | None = None, main: str = MAIN
) -> dict[str, str]:
    """Return the files of a wheel by path."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Python: {requires_python}\n" if requires_python else ""
    files = {
        f"{module}.py": main,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }

    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {module}:main\n"

    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    return {**files, f"{info}/RECORD": record}


def write_wheel(
    folder: Path,
    name: str = "airbyte-source-tiny",
    version: str = "1.0",
    *,
    script: str | None = "source-tiny",
    requires_python: str | None = None,
) -> Path:
    """Write a wheel and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"

    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in wheel_files(name, version, script=script, requires_python=requires_python).items():
            archive.writestr(inner, text)

    return path


def write_slow_project(folder: Path, *, begun: Path, go: Path, main: str = MAIN) -> Path:
    """Write a project whose build opens the FIFO `begun` for writing, says so, and waits on the FIFO `go`.

    Each open end is kept until the build's process ends; without `go` the build does not wait.
    """
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
        '[project]\nname = "airbyte-source-slow"\nversion = "1.0"\n',
        encoding="utf-8",
    )
    files = wheel_files("airbyte-source-slow", "1.0", script="source-slow", main=main)
    backend = f"""
        import os, zipfile
        from pathlib import Path

        FILES = {files!r}

        def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
            if Path({str(go)!r}).exists():
                begun = os.open({str(begun)!r}, os.O_WRONLY)
                os.write(begun, b"begun\\n")
                os.read(os.open({str(go)!r}, os.O_RDONLY), 1)

            name = "airbyte_source_slow-1.0-py3-none-any.whl"
            with zipfile.ZipFile(Path(wheel_directory) / name, "w") as archive:
                for path, text in FILES.items():
                    archive.writestr(path, text)

            return name
    """
    (folder / "slow.py").write_text(textwrap.dedent(backend), encoding="utf-8")
    return folder
