"""What a user gets who installs the package: the protocol's data is in it, and is found from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# The build fetches its backend from the package index.
pytestmark = [pytest.mark.slow, pytest.mark.real]

ASK = """
import json, sys
from airbyte_exec.protocol import resources
found = {name: resources.schema(name) for name in resources.schema_names()}
print(json.dumps({"folder": str(resources.data_folder()), "schemas": found, "pinned": resources.pinned()}))
"""


def uv(*arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name("uv"), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def build(folder: Path) -> tuple[Path, Path]:
    """Build an sdist of the checkout, and a wheel from nothing but that sdist."""
    uv("build", "--sdist", "--out-dir", folder, ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    uv("build", "--wheel", "--out-dir", folder, sdist)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def install(folder: Path, *what: str | Path) -> Path:
    """Install one thing, without what it depends on, into a bare venv and return its Python."""
    uv("venv", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    uv("pip", "install", "--no-deps", "--python", python, *what)
    return python


def ask(python: Path, *, cwd: Path) -> dict[str, Any]:
    """Ask an installed package for its protocol data, from another folder; -I keeps the checkout out."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-I", "-c", ASK], cwd=cwd, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def source_data() -> dict[str, bytes]:
    files = (path for path in (ROOT / "protocol").rglob("*") if path.is_file())
    return {path.relative_to(ROOT / "protocol").as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.mark.timeout(600)
def test_a_wheel_that_is_built_from_the_sdist_holds_the_protocols_data(built: tuple[Path, Path]) -> None:
    prefix = "airbyte_exec/protocol/_data/"
    with zipfile.ZipFile(built[1]) as wheel:
        names = wheel.namelist()
        shipped = {name.removeprefix(prefix): wheel.read(name) for name in names if name.startswith(prefix)}

    assert shipped == source_data()
    assert "airbyte_exec/py.typed" in names
    assert len(names) == len(set(names))
    assert {name.split("/")[0].split("-")[0] for name in names} == {"airbyte_exec"}


@pytest.mark.timeout(600)
def test_the_sdist_holds_the_data_and_the_hook_that_ships_it(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert {"hatch_build.py", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert {f"protocol/{name}" for name in source_data()} <= names


@pytest.mark.timeout(600)
def test_an_installed_wheel_reads_its_own_data_from_another_folder(built: tuple[Path, Path], tmp_path: Path) -> None:
    python = install(tmp_path / "venv", built[1])
    answer = ask(python, cwd=tmp_path)
    assert Path(answer["folder"]).is_relative_to(tmp_path / "venv")
    assert answer["schemas"]["state"]["title"] == "AirbyteStateMessage"
    assert {f"schema/{name}.json" for name in answer["schemas"]} <= source_data().keys()
    assert answer["pinned"] == json.loads(source_data()["PINNED.json"])


@pytest.mark.timeout(600)
def test_an_editable_install_reads_the_folder_of_the_checkout(tmp_path: Path) -> None:
    python = install(tmp_path / "venv", "--editable", ROOT)
    assert Path(ask(python, cwd=tmp_path)["folder"]) == ROOT / "protocol"
    assert not list(tmp_path.rglob("_data"))
    assert not (ROOT / "airbyte_exec" / "protocol" / "_data").exists()
