"""The version of this package: the one place that states it."""

from __future__ import annotations

__version__ = "0.1.0"


def get_version() -> str:
    """Return the version of the installed package, such as `0.1.0`."""
    return __version__
