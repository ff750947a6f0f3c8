"""Ships the folder `protocol/` inside the wheel, as `airbyte_exec/protocol/_data`.

Only a standard wheel gets the copy. An editable install reads the folder of its checkout, where a copy would
go stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtocolDataHook(BuildHookInterface[BuilderConfig]):
    """Adds the protocol's data to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the folder that hatchling is to copy, if this is a standard wheel."""
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"][str(Path(self.root, "protocol"))] = "airbyte_exec/protocol/_data"
