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

from airbyte_exec.exceptions import PyAirbyteInputError


class ConnectorFiles:
    """Writes files into a private folder and remembers the config.

    Parameters:
        folder: an existing folder that only the user can enter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: str | None = None

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
        """Write the config as `config.json` and return its path.

        Raises:
            PyAirbyteInputError: it holds something that JSON does not know.
        """
        self._seen = same_text(config)
        return self.add("config.json", json.dumps(config).encode())

    def rewritten_config(self) -> dict[str, Any] | None:
        """Return the config where the connector has changed it since the last look, else None.

        A file that is gone or is no JSON object is no config: it changes nothing.
        """
        if self._seen is None:
            return None

        try:
            found = json.loads((self._folder / "config.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

        if not isinstance(found, dict) or (text := same_text(found)) == self._seen:
            return None

        self._seen = text
        return found


def same_text(config: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal configs, also where they hold NaN, or tuples in the place of lists.

    Raises:
        PyAirbyteInputError: the config holds something that JSON does not know.
    """
    try:
        return json.dumps(config, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise PyAirbyteInputError(
            message=f"The config cannot be written as JSON: {error}",
            guidance="A config holds texts, numbers, booleans, None, lists and dicts.",
        ) from error
