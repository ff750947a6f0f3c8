"""The files that a connector gets: config, catalog and state, in a folder of their own, gone afterwards.

They are the user's alone (0600 in a 0700 folder) and writable: some connectors migrate their config in place. What a
connector made of its config is read back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson


class ConnectorFiles:
    """Writes files into a private folder and remembers the config.

    Parameters:
        folder: an existing folder that only the user can enter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config: Mapping[str, Any] | None = None

    def add(self, name: str, content: bytes) -> Path:
        """Write a file and return its path.

        Raises:
            FileExistsError: there is one of that name.
        """
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

        return path

    def add_config(self, config: Mapping[str, Any]) -> Path:
        """Write the config as `config.json` and return its path."""
        self._config = config
        return self.add("config.json", json.dumps(config).encode())

    def rewritten_config(self) -> dict[str, Any] | None:
        """Return the config where the connector has changed it, else None.

        A file that is gone or is no JSON object is no config: it changes nothing.
        """
        if self._config is None:
            return None

        try:
            found = orjson.loads((self._folder / "config.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None

        changed = isinstance(found, dict) and found != self._config
        return found if changed else None
