"""Child processes: opened, served from the first byte, and ended with everything they started, whatever happens to us.

Knows bytes and exit codes, nothing of Airbyte.
"""

from __future__ import annotations

from airbyte_exec._process.child import Child
from airbyte_exec._process.errors import ExitStatusLost, LaunchFailedError, StdinClosed
from airbyte_exec._process.guardian import Guard, kept_guardian, open_guard
from airbyte_exec._process.opening import open_child

__all__ = [
    "Child",
    "ExitStatusLost",
    "Guard",
    "LaunchFailedError",
    "StdinClosed",
    "kept_guardian",
    "open_child",
    "open_guard",
]
