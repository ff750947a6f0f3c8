"""Uses an installed wheel as a user would, away from the checkout. Run by scripts/wheel-test.

Usage: wheel_check.py PACKAGES_JSON    (what `uv pip list --format json` says of the venv)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

# A fresh install without extras stays below this.
MOST_PACKAGES = 45


def check_import() -> None:
    """Import the package from the venv, and each name that it promises."""
    import airbyte_exec

    home = Path(airbyte_exec.__file__).resolve()
    assert home.is_relative_to(Path(sys.prefix).resolve()), f"imported from {home}"

    for name in airbyte_exec.__all__:
        getattr(airbyte_exec, name)

    assert distribution("airbyte-exec").version == airbyte_exec.get_version()
    assert (files("airbyte_exec") / "py.typed").is_file()
    print(f"airbyte_exec {airbyte_exec.get_version()}: {len(airbyte_exec.__all__)} public names")


def check_protocol_data() -> None:
    """Find the protocol's schema, which lies outside of the package in a checkout."""
    data = files("airbyte_exec.protocol") / "_data"
    pinned = json.loads((data / "PINNED.json").read_text(encoding="utf-8"))
    schemas = [entry.name for entry in (data / "schema").iterdir() if entry.name.endswith(".json")]
    assert schemas, "no JSON Schema in the wheel"
    print(f"protocol data: {len(schemas)} schemas of version {pinned['version']}")


def check_command_line() -> None:
    """Run the console script, and a connector that comes with the package."""
    script = Path(sys.executable).with_name("airbyte-exec")

    def run(*arguments: str) -> str:
        done = subprocess.run([script, *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=120)
        return done.stdout

    assert "sync" in run("--help")
    assert "path" in run("spec", "destination-local")
    print("command line: --help, spec destination-local")


def check_conformance() -> None:
    """Take a connector author's way to a first report, as docs/conformance.md tells it, with an empty home."""
    script = Path(sys.executable).with_name("airbyte-exec")
    home = Path("home")
    home.mkdir()
    connector, config = "path:./source-orders", '{"orders": 100}'
    done = subprocess.run(
        [script, "conformance", connector, "--config", config, "--format", "html", "--report", "json=report.json"],
        env={**os.environ, "HOME": str(home.resolve())},
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
    )
    assert done.stdout.startswith("<!doctype html>")
    assert 'href="#rule.spec.answer"' in done.stdout
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    explain = [script, *report["results"][0]["explain"].split()[1:]]
    told = subprocess.run(explain, check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=120).stdout
    assert report["results"][0]["why"] in " ".join(told.split())
    assert Path(told.partition("All rules: ")[2].strip()).is_file()
    counts = report["counts"]
    print(f"conformance of a program: {counts}")


def check_packages(listing: Path) -> None:
    """Count what a fresh install brings along."""
    packages = json.loads(listing.read_text(encoding="utf-8"))
    assert len(packages) < MOST_PACKAGES, sorted(package["name"] for package in packages)
    print(f"packages in a fresh install: {len(packages)}")


if __name__ == "__main__":
    check_import()
    check_protocol_data()
    check_command_line()
    check_conformance()
    check_packages(Path(sys.argv[1]))
