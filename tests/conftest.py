"""What all tests share: a visible skip where a test's surroundings are missing."""

from __future__ import annotations

import urllib.error
import urllib.request
from functools import cache

import pytest

INDEX = "https://pypi.org/simple/airbyte-source-faker/"


@cache
def why_no_index() -> str | None:
    """Return why connectors cannot be installed here, or None where they can."""
    try:
        with urllib.request.urlopen(INDEX, timeout=20):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"connectors cannot be installed, {INDEX} is not reachable: {error}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs PyPI where there is none; the summary (-ra) shows why."""
    if item.get_closest_marker("real") and (reason := why_no_index()):
        pytest.skip(reason)
