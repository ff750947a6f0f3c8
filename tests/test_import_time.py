"""`import airbyte_exec` and naming a connector are cheap: proved by what is not loaded, as no test may measure time."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "docker",
        "duckdb",
        "duckdb_engine",
        "jsonschema",
        "pandas",
        "psutil",
        "pyarrow",
        "pydantic",
        "requests",
        "rich",
        "sqlalchemy",
        "typer",
        "uv",
        "yaml",
    }
)


UNUSED_BY_A_NAMED_CONNECTOR = frozenset(
    {
        "airbyte_exec._connector.opening",
        "airbyte_exec._connector.session",
        "airbyte_exec._engine.pump",
        "airbyte_exec.aio._flows",
        "airbyte_exec.aio._read",
        "airbyte_exec.caches",
        "airbyte_exec.cli",
        "airbyte_exec.datasets",
        "airbyte_exec.protocol.catalog",
        "airbyte_exec.protocol.models",
        "airbyte_exec.protocol.selection",
        "airbyte_exec.registry.models",
        "airbyte_exec.results",
    }
)
"""What a source or destination needs only when something is done with it."""


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return set(json.loads(done.stdout))


def test_import_loads_no_heavy_library() -> None:
    assert modules_after("import airbyte_exec") & HEAVY == set()


def test_import_loads_no_other_module_of_the_package() -> None:
    assert {name for name in modules_after("import airbyte_exec") if name.startswith("airbyte_exec.")} == set()


@pytest.mark.parametrize("name", ["get_source", "get_destination", "Source", "Destination"])
def test_naming_a_connector_loads_neither_a_heavy_library_nor_what_runs_it(name: str) -> None:
    code = f"import airbyte_exec as ab\nab.{name}"
    assert modules_after(code) & (HEAVY | UNUSED_BY_A_NAMED_CONNECTOR) == set()


@pytest.mark.parametrize("package", ["registry", "sources", "executors"])
def test_the_packages_beside_them_load_no_heavy_library(package: str) -> None:
    assert modules_after(f"import airbyte_exec.{package}") & HEAVY == set()


@pytest.mark.parametrize("options", [("--help",), ("sync", "--help"), ("--version",)])
def test_the_help_of_the_command_line_loads_neither_a_heavy_library_nor_what_runs_a_connector(
    options: tuple[str, ...],
) -> None:
    code = f"""
import contextlib, os
from airbyte_exec.cli import main
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.suppress(SystemExit):
    main({list(options)!r})
"""
    unused = UNUSED_BY_A_NAMED_CONNECTOR - {"airbyte_exec.cli"}
    assert modules_after(code) & (HEAVY | unused) == set()


@pytest.mark.parametrize("name", ["json", "pydantic", "airbyte_exec.protocol.models"])
def test_a_loaded_module_would_be_seen(name: str) -> None:
    assert name in modules_after(f"import {name}")


def test_every_name_that_the_tests_forbid_is_a_module() -> None:
    found = {name for name in UNUSED_BY_A_NAMED_CONNECTOR if importlib.util.find_spec(name)}
    assert found == UNUSED_BY_A_NAMED_CONNECTOR


def test_the_models_of_the_registry_are_had_where_they_are_named() -> None:
    code = """
from airbyte_exec import registry, sources
from airbyte_exec.registry import ApiDocsUrl, ConnectorMetadata
assert sources.ConnectorMetadata is registry.ConnectorMetadata is ConnectorMetadata
assert not hasattr(registry, "Nothing") and not hasattr(sources, "Nothing")
"""
    assert "airbyte_exec.registry.models" in modules_after(code)


def test_import_of_the_version_loads_nothing_else_of_the_package() -> None:
    code = "import airbyte_exec.version\nimport sys\nassert 'airbyte_exec.caches' not in sys.modules"
    assert modules_after(code) & HEAVY == set()
