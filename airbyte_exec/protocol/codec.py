"""Bytes in, items out: the only place that knows newlines.

A whole block of lines is decoded by one call into C, and is passed on as it came. Where that call refuses the block,
or where its lines are not one message each, the block is looked at line by line (`classify`), and a line that the fast
decoder refuses gets a second, tolerant look. What a line can be is written down in `protocol/README.md`.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.envelope import Item, Line, Malformed, RecordLine, Records, StreamId

MAX_LINE = 256 * 1024 * 1024
"""The default bound of a line's length, in bytes."""

_UTF8_SLICE = 1024 * 1024  # decoding a 64 MiB line at once would need up to 256 MiB beside it

_decode_lines = msgspec.json.Decoder(Line).decode_lines


class LineTooLongError(ValueError):
    """A line passed the bound. Nothing of it is kept beyond that."""

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
        max_line: the longest line that is taken, in bytes.
    """

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._pending: list[bytes] = []
        self._pending_size = 0
        self.lines = 0
        """How many lines were seen."""

    def feed(self, chunk: bytes) -> list[Item]:
        """Take the next bytes and return the items that they complete.

        Raises:
            LineTooLongError: a line passed the bound.
        """
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            self._keep(chunk)
            return []

        if not self._pending:
            block = chunk if cut == len(chunk) else chunk[:cut]
        else:
            self._check(self._pending_size + chunk.find(b"\n"), self._pending[0])
            block = b"".join((*self._pending, chunk[:cut]))
            self._pending.clear()
            self._pending_size = 0

        if cut < len(chunk):
            self._keep(chunk[cut:])

        if len(block) > self._max_line:
            self._check(max(map(len, block.split(b"\n"))), block)

        return self._decode(block)

    def end(self) -> list[Item]:
        """Return what the bytes after the last newline are: a whole message counts, half a message is malformed."""
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        if not line.strip():
            return []

        self.lines += 1
        item = classify(line + b"\n", self.lines, cut_off=True)
        if isinstance(item, RecordLine):
            stream = StreamId(item.record.stream, item.record.namespace)
            return [Records(line + b"\n", {stream: 1})]

        return [] if item is None else [item]

    def _keep(self, piece: bytes) -> None:
        self._pending.append(piece)
        self._pending_size += len(piece)
        self._check(self._pending_size, self._pending[0])

    def _check(self, size: int, head: bytes) -> None:
        if size > self._max_line:
            raise LineTooLongError(self.lines + 1, self._max_line, head[:200])

    def _decode(self, block: bytes) -> list[Item]:
        number = len(block) - len(block.replace(b"\n", b""))  # four times as fast as `count` of a single byte
        before, self.lines = self.lines, self.lines + number
        envelopes = _decode_block(block, number)
        if envelopes is not None:
            return _items_of_block(block, envelopes, before)

        lines = block.split(b"\n")
        lines.pop()
        return _items_of_lines([line + b"\n" for line in lines], before)


def _decode_block(block: bytes, number: int) -> Sequence[Line] | None:
    """Decode a block at once, or return None where it must be looked at line by line.

    Every line must hold one message. The decoder takes two values in a line, and one value in two lines. Where each
    newline stands between `}` and `{`, no value can span lines (no JSON has `}` before `{`), and then an equal count
    means one value a line.
    """
    if not (block.startswith(b"{") and block.endswith(b"}\n")):
        return None

    # Counting a longer needle is faster, and most lines of a connector begin alike.
    if block.count(b"}\n" + block[:9]) != number - 1 and block.count(b"}\n{") != number - 1:
        return None

    try:
        envelopes = _decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None

    return envelopes if len(envelopes) == number and is_utf8(block) else None


def is_utf8(data: bytes) -> bool:
    """Say whether the bytes are valid UTF-8, with little memory of its own."""
    if data.isascii():
        return True

    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _UTF8_SLICE):
            decoder.decode(view[start : start + _UTF8_SLICE])

        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False

    return True


def _items_of_block(block: bytes, envelopes: Sequence[Line], before: int) -> list[Item]:
    others = [i for i, line in enumerate(envelopes) if type(line) is not RecordLine]
    if not others:
        return [_run(block, envelopes)]

    lines = block.split(b"\n")
    lines[-1:] = []
    items: list[Item] = []
    for last, this in pairwise((-1, *others, len(envelopes))):
        if this - last > 1:
            run = lines[last + 1 : this]
            run.append(b"")
            items.append(_run(b"\n".join(run), envelopes[last + 1 : this]))

        if this < len(envelopes):
            item = classify(lines[this] + b"\n", before + this + 1, known=True)
            if item is not None and not isinstance(item, RecordLine):
                items.append(item)

    return items


def _items_of_lines(lines: Sequence[bytes], before: int) -> list[Item]:
    items: list[Item] = []
    run: list[bytes] = []
    heads: list[Line] = []
    for line_no, line in enumerate(lines, before + 1):
        item = classify(line, line_no)
        if isinstance(item, RecordLine):
            run.append(line)
            heads.append(item)
        elif item is not None:
            if run:
                items.append(_run(b"".join(run), heads))
                run, heads = [], []

            items.append(item)

    if run:
        items.append(_run(b"".join(run), heads))

    return items


def _run(data: bytes, envelopes: Sequence[Line]) -> Records:
    """Make a run of records; the usual one, of a single stream, is found without a loop in Python."""
    heads = [line.record for line in envelopes]  # type: ignore[union-attr]  # all of them are RecordLine
    number = len(heads)
    name, namespace = heads[0].stream, heads[0].namespace
    if [head.stream for head in heads].count(name) == number and (
        [head.namespace for head in heads].count(namespace) == number
    ):
        return Records(data, {StreamId(name, namespace): number})

    order = tuple(StreamId(head.stream, head.namespace) for head in heads)
    counts: dict[StreamId, int] = {}
    for stream in order:
        counts[stream] = counts.get(stream, 0) + 1

    return Records(data, counts, order)


__all__ = ["MAX_LINE", "LineDecoder", "LineTooLongError", "Malformed", "is_utf8"]
