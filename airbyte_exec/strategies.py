"""How the rows of a stream meet the rows that a cache or a destination already holds."""

from __future__ import annotations

from enum import StrEnum

from airbyte_exec.exceptions import PyAirbyteInputError


class WriteStrategy(StrEnum):
    """What the caller asks for; `AUTO` is decided per stream when the catalog is known."""

    MERGE = "merge"
    """Update rows with an equal primary key, insert the others."""
    APPEND = "append"
    """Add rows, keep all that is there."""
    REPLACE = "replace"
    """Put the new rows in the place of all old ones."""
    AUTO = "auto"
    """Merge with a primary key, else append with a cursor, else replace."""


class WriteMethod(StrEnum):
    """What is done for one stream: a `WriteStrategy` with nothing left to decide."""

    MERGE = "merge"
    APPEND = "append"
    REPLACE = "replace"

    @property
    def destination_sync_mode(self) -> str:
        """The protocol's word for this method: `append_dedup`, `append` or `overwrite`."""
        return _SYNC_MODES[self]


_SYNC_MODES = {
    WriteMethod.MERGE: "append_dedup",
    WriteMethod.APPEND: "append",
    WriteMethod.REPLACE: "overwrite",
}


def parse_strategy(strategy: WriteStrategy | str) -> WriteStrategy:
    """Return the strategy that a caller means.

    Raises:
        PyAirbyteInputError: there is none of that name.
    """
    try:
        return WriteStrategy(strategy.lower() if not isinstance(strategy, WriteStrategy) else strategy)
    except (ValueError, AttributeError):
        raise PyAirbyteInputError(
            message=f"{strategy!r} is no write strategy.",
            input_value=str(strategy),
            guidance=f"It is one of {', '.join(repr(known.value) for known in WriteStrategy)}.",
        ) from None
