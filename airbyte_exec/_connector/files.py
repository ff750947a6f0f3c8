"""What a connector makes of its config: some migrate it in place, and what they wrote is read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airbyte_exec.exceptions import PyAirbyteInputError


class ConfigFile:
    """Remembers the config that a connector was given, and sees when it has changed.

    Parameters:
        config: what it was given; None where it was given none.
        read: returns what the file holds now, None where there is none.
    """

    def __init__(self, config: Mapping[str, Any] | None, read: Callable[[], bytes | None]) -> None:
        self._seen = None if config is None else same_text(config)
        self._read = read

    def rewritten(self) -> dict[str, Any] | None:
        """Return the config where the connector has changed it since the last look, else None.

        A file that is gone or is no JSON object is no config: it changes nothing.
        """
        content = None if self._seen is None else self._read()
        if content is None:
            return None

        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
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
