"""What the tests of secrets share: each begins with the default sources, in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_exec.secrets import config, util


@pytest.fixture(autouse=True)
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(util, "_fetched", {})
    config.restore_secret_sources()
    yield
    config.restore_secret_sources()
