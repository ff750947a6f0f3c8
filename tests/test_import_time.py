"""`import airbyte_exec` is cheap: proved by what it does not load, since no test may measure time."""

from __future__ import annotations

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


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_import_loads_no_heavy_library() -> None:
    assert modules_after("import airbyte_exec") & HEAVY == set()


@pytest.mark.parametrize("library", ["json", "pydantic"])
def test_a_loaded_library_would_be_seen(library: str) -> None:
    assert library in modules_after(f"import {library}")


def test_import_of_the_version_loads_nothing_else_of_the_package() -> None:
    code = "import airbyte_exec.version\nimport sys\nassert 'airbyte_exec.caches' not in sys.modules"
    assert modules_after(code) & HEAVY == set()
