"""What the format of a folder must do: write parts, and merge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.settings import Settings


class PartWriter(Protocol):
    """Writes the files of one format. None of them is synced here."""

    suffix: str

    def write(self, stream: ConfiguredStream, lines: Sequence[bytes], path: Path) -> None:
        """Write one part from RECORD lines."""

    def write_empty(self, stream: ConfiguredStream, path: Path) -> None:
        """Write a part without rows, for the folder of a stream that has none."""

    def merge(self, stream: ConfiguredStream, parts: Sequence[Path], path: Path) -> bool:
        """Write what is left of the parts, oldest first, when each key keeps its newest row; False: nothing is."""
        ...

    def close(self) -> None:
        """Let go of what is held."""


def part_writer(settings: Settings, scratch: Path) -> PartWriter:
    """Return the writer of the config's format."""
    if settings.format == "jsonl":
        from airbyte_exec.connectors.destination_local.lines import LinesWriter

        return LinesWriter(scratch)

    from airbyte_exec.connectors.destination_local.typed import TypedWriter

    return TypedWriter(settings.format, scratch)
