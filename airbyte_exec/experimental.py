"""Names that PyAirbyte keeps here: its users find them where they were."""

from __future__ import annotations

from airbyte_exec.sources.util import get_source

__all__ = ["get_source"]
