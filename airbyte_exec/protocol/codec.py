"""Bytes in, items out: the only place that knows newlines, with `blocks`.

A whole block of lines is decoded at once (`blocks`); what a line can be is decided in `classify`, and written down in
`protocol/README.md`.
"""

from __future__ import annotations

from airbyte_exec.protocol.blocks import items_of, run_of
from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.envelope import Item
from airbyte_exec.protocol.lines import RecordLine

MAX_LINE = 256 * 1024 * 1024
"""The default bound of a line's length, in bytes."""

_HEAD_KEPT = 200


class LineTooLongError(ValueError):
    """A line passed the bound (`line.length`). Nothing of it is kept but its beginning, `head`."""

    def __init__(self, line_no: int, max_line: int, head: bytes) -> None:
        super().__init__(f"line {line_no} is longer than {max_line} bytes")
        self.line_no = line_no
        self.max_line = max_line
        self.head = head

    def __reduce__(self) -> tuple[type[LineTooLongError], tuple[int, int, bytes]]:
        return type(self), (self.line_no, self.max_line, self.head)


class LineDecoder:
    """Turns the bytes of one connector's stdout into items, however they are cut.

    Parameters:
        max_line: the longest line that is taken, in bytes, its newline not counted.
    """

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._late: LineTooLongError | None = None  # raised when the items before it have been returned
        self.lines = 0
        """How many lines were seen."""

    def feed(self, chunk: bytes) -> list[Item]:
        """Take the next bytes and return the items that they complete.

        Raises:
            LineTooLongError: a line passed the bound. The items before it were returned first.
        """
        if self._late is not None:
            raise self._late

        end = chunk.rfind(b"\n") + 1
        if not end:
            self._keep(chunk)
            return []

        first = self._pending_size + chunk.find(b"\n")
        if first > self._max_line:
            self._pending.append(chunk)
            raise self._too_long(self.lines + 1, self._pending)

        whole = end == len(chunk) and not self._pending
        block = chunk if whole else b"".join((*self._pending, memoryview(chunk)[:end]))
        self._pending.clear()
        self._pending_size = 0
        long = self._long_line(block) if len(block) > self._max_line else None
        items, number = items_of(block if long is None else block[:long], self.lines)
        self.lines += number
        if long is not None:
            self._late = self._too_long(self.lines + 1, [block[long : long + _HEAD_KEPT]])
        elif end < len(chunk):
            try:
                self._keep(chunk[end:])
            except LineTooLongError as error:
                self._late = error

        if self._late is not None and not items:
            raise self._late

        return items

    def end(self) -> list[Item]:
        """Return what the bytes after the last newline are: a whole message counts, half a message is malformed.

        Raises:
            LineTooLongError: the line before passed the bound.
        """
        if self._late is not None:
            raise self._late

        self._pending.append(b"\n")
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        if line == b"\n":
            return []

        self.lines += 1
        item = classify(line, self.lines, cut_off=True)
        if isinstance(item, RecordLine):
            return [run_of(line, [item.record])]

        return [] if item is None else [item]

    def _keep(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_size += len(piece)
        if self._pending_size > self._max_line:
            raise self._too_long(self.lines + 1, self._pending)

    def _long_line(self, block: bytes) -> int | None:
        """Return where the first line begins that passes the bound."""
        start = 0
        while start < len(block):
            end = block.find(b"\n", start)
            if end - start > self._max_line:
                return start

            start = end + 1

        return None

    def _too_long(self, line_no: int, pieces: list[bytes]) -> LineTooLongError:
        head = b"".join(piece[:_HEAD_KEPT] for piece in pieces[:_HEAD_KEPT])[:_HEAD_KEPT].partition(b"\n")[0]
        self._pending.clear()
        self._pending_size = 0
        return LineTooLongError(line_no, self._max_line, head)


__all__ = ["MAX_LINE", "LineDecoder", "LineTooLongError"]
