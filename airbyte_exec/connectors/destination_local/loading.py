"""RECORD lines into DuckDB tables, by the writer of the caches."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airbyte_exec.caches._arrow import Piece, Pieces
from airbyte_exec.caches._schema import Column
from airbyte_exec.caches._tables import TablePlan, names_of
from airbyte_exec.caches._transform import PIECES
from airbyte_exec.caches._writer import TableWriter
from airbyte_exec.connectors.destination_local.columns import WHOLE, select_whole
from airbyte_exec.connectors.destination_local.messages import log
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PIECE_BYTES = 1024 * 1024
"""DuckDB's threads share the pieces: a few for each thread, and not so small that their number costs."""


class Loader(TableWriter):
    """The writer of the caches, told by its caller where to write: no table is looked up, made or changed.

    It writes all columns but the generation, which is the default of its column.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        super().__init__(connection, schema="main", on_unparsed=_say_unparsed)
        self._token = secrets.token_hex(8)
        self._count_of_pieces = 0

    def load(self, stream: StreamId, table: str, columns: Sequence[Column], lines: Sequence[bytes]) -> None:
        """Insert the rows of RECORD lines.

        Parameters:
            stream: whose lines they are.
            table: the table, quoted.
            columns: its columns, with the types that they have there.
            lines: whole lines, in blocks.
        """
        self._plans[stream] = TablePlan(stream=stream, table=table, columns=tuple(columns))
        self.insert(stream, [Piece(block, self._prefix()) for block in _pieces(lines)])

    def _target(self, plan: TablePlan) -> str:
        return plan.table

    def _append(self, plan: TablePlan, pieces: Sequence[Piece]) -> int:
        if plan.columns != (WHOLE,):
            return super()._append(plan, pieces)

        shown = Pieces(pieces)
        self._connection.register(PIECES, shown)
        rows = self._count(f"INSERT INTO {plan.table} ({names_of(plan)}) {select_whole()}")
        self._connection.unregister(PIECES)
        return rows

    def _prefix(self) -> str:
        self._count_of_pieces += 1
        return f"{self._token}-{self._count_of_pieces:x}-"


def _say_unparsed(stream: StreamId, count: int) -> None:
    log("WARN", f"Stream {str(stream)!r}: {count} records are stored in part: `_airbyte_meta` of their rows tells.")


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

        if start == len(block):
            continue

        held.append(block[start:] if start else block)
        size += len(block) - start
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0

    if held:
        yield b"".join(held)
