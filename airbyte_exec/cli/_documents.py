"""What stands after an option: a file, the JSON text itself, or `-` for stdin."""

from __future__ import annotations

import sys
from typing import Any

from airbyte_exec import _documents
from airbyte_exec.exceptions import PyAirbyteInputError


def read_config(text: str | None, option: str) -> dict[str, Any]:
    """Return a config.

    Parameters:
        text: what stands after the option: a file, `-`, or the JSON text itself; None for an empty config.
        option: its name, for errors.

    Raises:
        PyAirbyteInputError: there is no such file, or it holds no object.
    """
    return {} if text is None else _documents.read_object(text, option, read=read_bytes)


def read_document(text: str, option: str) -> Any:
    """Return what a JSON or YAML document holds: a file, `-` for stdin, or the JSON text itself.

    Raises:
        PyAirbyteInputError: there is no such file, or it holds neither.
    """
    return _documents.read_document(text, option, read=read_bytes)


def read_bytes(name: str, option: str) -> bytes:
    """Return what a file holds, or what comes on stdin (`-`).

    Raises:
        PyAirbyteInputError: it cannot be read.
    """
    if name != "-":
        return _documents.read_bytes(name, option)

    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise PyAirbyteInputError(message=f"{option}: - cannot be read: {error.strerror}.") from None
