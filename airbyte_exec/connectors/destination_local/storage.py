"""What a format must do, and which format does it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.settings import Settings
from airbyte_exec.types import StreamId


class Store(Protocol):
    """A place where rows become durable. One process at a time has it open."""

    def open(self, streams: Sequence[ConfiguredStream]) -> None:
        """Take the place, mend what a killed run left behind, and decide the route of each stream.

        Raises:
            DestinationFailure: another process has it, it is not ours, or two streams would share a place.
        """

    def write(self, batches: Mapping[StreamId, Sequence[bytes]]) -> None:
        """Store the RECORD lines of each stream. They are durable when this returns."""

    def finish(self, streams: Collection[StreamId]) -> None:
        """End these streams: what waits to replace or to be merged becomes what a reader sees. Durable likewise."""

    def close(self) -> None:
        """Let the place go."""


def store_of(settings: Settings) -> Store:
    """Return the store of the config's format."""
    if settings.format == "duckdb":
        from airbyte_exec.connectors.destination_local.tables import TableStore

        return TableStore(settings)

    from airbyte_exec.connectors.destination_local.folders import FolderStore

    return FolderStore(settings)


def check(settings: Settings) -> None:
    """Find out whether the store can be written to; nothing is left behind.

    Raises:
        DestinationFailure: it cannot.
    """
    if settings.format == "duckdb":
        from airbyte_exec.connectors.destination_local import database

        database.check(settings)
    else:
        from airbyte_exec.connectors.destination_local import folders

        folders.check(settings)
