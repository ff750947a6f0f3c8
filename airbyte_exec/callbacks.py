"""The callables that a caller may hand to us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

ConfigChangeCallback: TypeAlias = Callable[[dict[str, Any]], None]
"""Called with the new config when a connector changes its own (a CONTROL message, or its config file rewritten).

An exception that it raises fails the operation: a rotated token that nobody stored is lost.
"""
