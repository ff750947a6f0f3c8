"""The asynchronous classes: the implementation. The blocking ones call these."""

from __future__ import annotations

from airbyte_exec.aio.destination import AsyncDestination
from airbyte_exec.aio.source import AsyncSource

__all__ = ["AsyncDestination", "AsyncSource"]
