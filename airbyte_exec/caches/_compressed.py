"""Entries of the journal as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airbyte_exec.caches._batch import Entry

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Compressed:
    """Entries as they are stored."""

    entries: Sequence[Entry]
    blobs: Sequence[bytes]


def compress(entries: Sequence[Entry]) -> Compressed:
    """Compress entries, in a thread beside the one that feeds DuckDB: zstandard releases the GIL."""
    from zstandard import ZstdCompressor

    compressor = ZstdCompressor(level=_LEVEL)
    return Compressed(entries, [_compress(compressor, entry) for entry in entries])


def _compress(compressor: ZstdCompressor, entry: Entry) -> bytes:
    return compressor.compress(entry.chunks[0] if len(entry.chunks) == 1 else b"".join(entry.chunks))
