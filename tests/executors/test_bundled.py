from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import airbyte_exec
from airbyte_exec import exceptions as exc
from airbyte_exec.executors import BundledExecutor, bundled
from airbyte_exec.version import get_version


def test_a_bundled_connector_runs_as_a_module_of_this_interpreter() -> None:
    executor = BundledExecutor("destination-local")
    argv = executor.launch().argv
    assert argv[0] == sys.executable
    assert argv[-2:] == ("-m", "airbyte_exec.connectors.destination_local")
    assert executor.get_installed_version() == get_version()


def test_a_module_in_the_working_directory_does_not_stand_in_for_ours(tmp_path: Path) -> None:
    (tmp_path / "airbyte_exec").mkdir()
    (tmp_path / "airbyte_exec" / "__init__.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    launch = BundledExecutor("destination-local").launch()
    argv = [*launch.argv[:-2], "-c", "import airbyte_exec; print(airbyte_exec.__path__[0])"]
    told = subprocess.check_output(argv, cwd=tmp_path, env=launch.environment(os.environ), text=True)
    assert told.strip() == airbyte_exec.__path__[0]


def test_a_package_that_is_not_installed_is_still_found_by_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "src"
    shutil.copytree(airbyte_exec.__path__[0], copy / "airbyte_exec")
    monkeypatch.setattr(bundled, "__file__", str(copy / "airbyte_exec" / "executors" / "bundled.py"))
    launch = BundledExecutor("destination-local").launch()
    argv = [*launch.argv[:-2], "-c", "import airbyte_exec; print(airbyte_exec.__path__[0])"]
    told = subprocess.check_output(argv, cwd="/", env=launch.environment(os.environ), text=True)
    assert told.strip() == str(copy / "airbyte_exec")


def test_a_name_that_is_not_bundled_is_refused() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="destination-local"):
        BundledExecutor("destination-other")


def test_a_bundled_connector_whose_module_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = BundledExecutor("destination-local")
    monkeypatch.setattr(executor, "module", "airbyte_exec.connectors.nothing")

    with pytest.raises(exc.AirbyteConnectorInstallationError, match=r"airbyte_exec\.connectors\.nothing"):
        executor.ensure_installation()
