"""Errors about names that nobody knows, with the names that are near."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from airbyte_exec.exceptions import PyAirbyteInputError


def unknown(kind: str, wrong: Iterable[str], known: Iterable[str], *, where: str = "") -> PyAirbyteInputError:
    """Return an error about names.

    Parameters:
        kind: what the names are names of.
        wrong: the names that are not known.
        known: the names that are.
        where: where they stand.
    """
    wrong, known = list(wrong), list(known)
    near = list(dict.fromkeys(match for name in wrong for match in get_close_matches(name, known)))
    place = f" in {where}" if where else ""
    return PyAirbyteInputError(
        message=f"There is no {kind} {' or '.join(map(repr, wrong))}{place}.",
        guidance=f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(known)}.",
    )
