"""What the tests of executors share: no registry, no network, no PATH of the developer's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", "0")

    for variable in ("AIRBYTE_INSTALL_DIR", "AIRBYTE_PROJECT_DIR", "AIRBYTE_NO_UV", "AIRBYTE_OFFLINE_MODE"):
        monkeypatch.delenv(variable, raising=False)

    if request.node.get_closest_marker("real") is None:
        monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"
