"""RECORD lines into DuckDB: typed rows, and a second look at the lines that DuckDB takes for no JSON."""

# ruff: noqa: S608 - every name in SQL text is quoted by `ident` or `literal`

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airbyte_exec.caches._arrow import Piece, Pieces
from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._tolerant import readable
from airbyte_exec.caches._transform import PIECES, parsed
from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.columns import select_of
from airbyte_exec.connectors.destination_local.messages import log

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PIECE_BYTES = 2 * 1024 * 1024
"""DuckDB's threads share the pieces: a few for each thread, and not so small that their number costs."""


class Loader:
    """Runs statements over RECORD lines."""

    def __init__(self, database: DuckDBPyConnection) -> None:
        self._database = database
        self._token = secrets.token_hex(8)
        self._pieces = 0

    def load(
        self, stream: ConfiguredStream, columns: Sequence[Column], lines: Sequence[bytes], into: str, again: str = ""
    ) -> None:
        """Put the rows of lines where `into` says.

        Parameters:
            stream: whose lines they are.
            columns: from `columns_for`.
            lines: whole lines, in blocks.
            into: what stands before the SELECT, such as `INSERT INTO …`.
            again: the same for the second time, where that is another statement.
        """
        pieces = [Piece(block, self._prefix()) for block in _pieces(lines)]
        rows = self._run(pieces, f"{into} {select_of(stream, columns)}")
        if rows == sum(piece.text.count(b"\n") for piece in pieces):
            return

        unparsed = self._unparsed(pieces)
        log("WARN", f"Stream {str(stream.id)!r}: {len(unparsed)} records are stored in part: see `_airbyte_meta`.")
        self._run(unparsed, f"{again or into} {select_of(stream, columns)}")

    def _unparsed(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the lines that DuckDB takes for no JSON, as near to what they were as it can read."""
        self._database.register(PIECES, Pieces(pieces))
        odd = self._database.execute(f"SELECT prefix || n, line FROM ({parsed([])}) WHERE r IS NULL").fetchall()
        self._database.unregister(PIECES)
        return [Piece(readable(line.encode()), f"{prefix}-") for prefix, line in odd]

    def _run(self, pieces: Sequence[Piece], statement: str) -> int:
        self._database.register(PIECES, Pieces(pieces))
        row = self._database.execute(statement).fetchone()
        self._database.unregister(PIECES)
        return int(row[0]) if row else 0

    def _prefix(self) -> str:
        self._pieces += 1
        return f"{self._token}-{self._pieces:x}-"


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Cut and join blocks to pieces of about the same size."""
    held: list[bytes] = []
    size = 0
    for block in lines:
        start = 0
        while len(block) - start > _PIECE_BYTES * 2:
            end = block.find(b"\n", start + _PIECE_BYTES) + 1
            yield block[start:end]
            start = end

        held.append(block[start:] if start else block)
        size += len(block) - start
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0

    if held:
        yield b"".join(held)
