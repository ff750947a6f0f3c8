"""A block of whole lines becomes items.

A whole block is decoded by one call into C, and is passed on as it came. Where that call refuses it, its error tells
where: what stands before and behind the line is decoded by such calls again, and only the line itself is looked at
alone (`classify`). So a line in a thousand that is no message costs little, and a block of nothing else costs no more
than a look at each line.

Every line must hold one message, but the fast decoder takes two values in a line, and one value in two lines. So a
block is first cut at each newline that does not stand between `}` and `{` (a CR may stand before it). Across the
newlines that are left no value can stretch, as no JSON has `}` before `{`: every line of such a piece begins a value,
and as many values as lines means one in each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec

from airbyte_exec.protocol.classify import classify
from airbyte_exec.protocol.envelope import Item, Records
from airbyte_exec.protocol.lines import Line, RecordHead, RecordLine
from airbyte_exec.protocol.tolerant import plain, utf8_error, was_changed
from airbyte_exec.types import StreamId

_decode_lines = msgspec.json.Decoder(Line).decode_lines

_ODD_NEWLINE = re.compile(rb"\n(?:(?!\{)|(?<!\}\n)(?<!\}\r\n))")
_RECORD_BEGINS = {
    text: re.compile(rb"\n(?!" + re.escape(text) + rb")") for text in (b'{"type":"RECORD"', b'{"type": "RECORD"')
}
_STATE_BEGINS = {text: text.replace(b"RECORD", b"STATE") for text in _RECORD_BEGINS}
_BYTE_SAID = re.compile(r"\(byte ([0-9]+)\)$")
_HEAD_LOOKED_AT = 300
_ODD_AT = (b"N", b"I", b"-")  # NaN, Infinity, -Infinity: where the decoder stops at them
_INDEX_SAID = re.compile(r"at `\$\[([0-9]+)\]")

Span = tuple[int, int]


def items_of(block: bytes, before: int) -> tuple[list[Item], int]:
    """Return the items of a block, and the number of its lines.

    Parameters:
        block: whole lines, each ending in a newline.
        before: how many lines came before it.
    """
    number = count_lines(block)
    envelopes = _decoded(block, number)
    if envelopes is None:
        return _Block(block, before).from_pieces(), number

    try:
        heads = [envelope.record for envelope in envelopes]  # type: ignore[union-attr]
    except AttributeError:  # not all of them are records
        return _Block(block, before).from_envelopes(envelopes), number

    return [run_of(block, heads)], number


def count_lines(block: bytes) -> int:
    """Return the number of newlines, four times as fast as `bytes.count` of a single byte."""
    return len(block) - len(block.replace(b"\n", b""))


def _decoded(block: bytes, number: int) -> Sequence[Line] | None:
    """Decode a block at once, or return None where it has to be taken in pieces."""
    if not block.startswith(b"{"):
        return None

    if not _begin_alike(block, number) and _ODD_NEWLINE.search(block, 0, len(block) - 1) is not None:
        return None

    try:
        envelopes = _decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None

    return envelopes if len(envelopes) == number and utf8_error(block) is None else None


def _begin_alike(block: bytes, number: int) -> bool:
    """Return whether all records begin like the first line, up to their `data`, and all else are states: then no
    newline of the block is an odd one.

    Most connectors write each record alike, and that long text is found many times as fast as a short one.
    """
    begins = _record_begins(block)
    data = block.find(b'"data"', 0, min(block.find(b"\n"), _HEAD_LOOKED_AT))
    if begins is None or data < 0:
        return False

    found = block.count(b"}\n" + block[:data])
    if found < number - 1:
        found += block.count(b"}\n" + _STATE_BEGINS[begins])

    return found == number - 1


def _record_begins(block: bytes, start: int = 0) -> bytes | None:
    """Return the text with which a record begins there, if it is one of the usual ones."""
    return next((text for text in _RECORD_BEGINS if block.startswith(text, start)), None)


class _Block:
    """The way through a block that is not one run of records.

    Parameters:
        block: whole lines.
        before: how many lines came before it.
    """

    def __init__(self, block: bytes, before: int) -> None:
        self._block = block
        self._copy: bytes | bytearray | None = None  # what is decoded, once NaN or the like was met
        self._is_utf8 = False
        self._line_no = before
        self._found: list[Item] = []
        self._run: Span = (0, 0)
        self._heads: list[RecordHead] = []

    def from_envelopes(self, envelopes: Sequence[Line]) -> list[Item]:
        """Return the items, given what each line is."""
        self._take_envelopes((0, len(self._block)), envelopes)
        self._end_run()
        return self._found

    def from_pieces(self) -> list[Item]:
        """Return the items, piece by piece."""
        self._is_utf8 = utf8_error(self._block) is None
        todo = self._pieces()
        while todo:
            span = todo.pop()
            if self._block.find(b"\n", *span) + 1 == span[1]:
                self._take_line(span)
            else:
                # The last one is taken first, so they are put there in reverse.
                todo += reversed(self._take(span))

        self._end_run()
        return self._found

    def _pieces(self) -> list[Span]:
        """Return the pieces of the block between its odd newlines, the first one last."""
        cuts = [0, *(found.end() for found in _ODD_NEWLINE.finditer(self._block))]
        if cuts[-1] != len(self._block):
            cuts.append(len(self._block))

        spans = list(pairwise(cuts))
        spans.reverse()
        return spans

    def _take(self, span: Span) -> list[Span]:
        """Take the lines of a piece, or return the parts of it that are to be taken one by one."""
        start, end = span
        if not self._is_utf8:
            bad = utf8_error(memoryview(self._block)[start:end])
            if bad is not None:
                return self._around(span, start + bad)

        try:
            envelopes = _decode_lines(memoryview(self._block if self._copy is None else self._copy)[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._retry(span, error)
        except RecursionError:
            return self._halves(span)

        lines = self._block.count(b"\n", start, end)
        if len(envelopes) != lines or (self._copy is not None and _changed(envelopes)):
            return self._halves(span)

        self._take_envelopes(span, envelopes)
        return []

    def _retry(self, span: Span, error: Exception) -> list[Span]:
        """Return the parts of a refused piece. What the error says of the place saves time, no more rests on it."""
        start, end = span
        said = str(error)
        at = None
        if found := _BYTE_SAID.search(said):
            at = start + int(found[1])
        elif found := _INDEX_SAID.search(said):
            at = start
            for _ in range(int(found[1])):
                at = self._block.find(b"\n", at, end) + 1 or end

        if self._copy is None and (
            at is None or self._block[at : at + 1] in _ODD_AT or "escape" in said or "surrogate" in said
        ):
            self._copy = plain(self._block)
            if self._copy is not self._block:
                return [span]

        return self._halves(span) if at is None else self._around(span, min(at, end - 1))

    def _around(self, span: Span, at: int) -> list[Span]:
        """Cut out the line that holds the byte. A wrong place costs time alone: each part is taken on its own."""
        start, end = span
        line = self._block.rfind(b"\n", start, at) + 1 or start
        rest = self._block.find(b"\n", at) + 1
        return [part for part in ((start, line), (line, rest), (rest, end)) if part[0] < part[1]]

    def _halves(self, span: Span) -> list[Span]:
        start, end = span
        middle = self._block.rfind(b"\n", start, (start + end) // 2) + 1
        middle = middle or self._block.find(b"\n", start, end) + 1
        return [(start, middle), (middle, end)]

    def _take_envelopes(self, span: Span, envelopes: Sequence[Line]) -> None:
        others = [i for i, envelope in enumerate(envelopes) if type(envelope) is not RecordLine]
        if not others:
            self._extend_run(span, [envelope.record for envelope in envelopes])  # type: ignore[union-attr]
            return

        start, taken = span[0], 0
        for this, begin in zip((*others, len(envelopes)), (*self._starts(span, others), span[1]), strict=True):
            if taken < this:
                heads = [envelope.record for envelope in envelopes[taken:this]]  # type: ignore[union-attr]
                self._extend_run((start, begin), heads)

            if this < len(envelopes):
                start = self._block.find(b"\n", begin) + 1
                self._take_line((begin, start))
                taken = this + 1

    def _starts(self, span: Span, others: Sequence[int]) -> list[int]:
        """Return where the lines with these numbers begin, which are no records.

        A line that begins as most connectors begin a record is one: the decoder refuses a second type. So where just as
        many lines begin otherwise, they are those that are meant, and the lines need not be counted one by one.
        """
        begins = _record_begins(self._block, span[0])
        if begins is not None:
            found = list(_each(self._block, b"\n" + _STATE_BEGINS[begins], span))
            if len(found) != len(others):
                found = [found.end() for found in _RECORD_BEGINS[begins].finditer(self._block, span[0], span[1] - 1)]

            if len(found) == len(others):
                return found

        ends = list(accumulate(len(line) + 1 for line in self._block[slice(*span)].split(b"\n")))
        return [span[0] + (ends[number - 1] if number else 0) for number in others]

    def _take_line(self, span: Span) -> None:
        item = classify(self._block[slice(*span)], self._line_no + 1)
        if isinstance(item, RecordLine):
            self._extend_run(span, [item.record])
            return

        self._line_no += 1
        self._end_run()
        if item is not None:
            self._found.append(item)

    def _extend_run(self, span: Span, heads: list[RecordHead]) -> None:
        self._line_no += len(heads)
        if self._heads:
            self._run = (self._run[0], span[1])
            self._heads += heads
        else:
            self._run = span
            self._heads = heads

    def _end_run(self) -> None:
        if self._heads:
            self._found.append(run_of(self._block[slice(*self._run)], self._heads))
            self._heads = []


def _each(block: bytes, begin: bytes, span: Span) -> Iterator[int]:
    """Yield where a line begins with the text that follows the newline of `begin`."""
    at = block.find(begin, *span)
    while at >= 0:
        yield at + 1
        at = block.find(begin, at + 1, span[1])


def _changed(envelopes: Sequence[Line]) -> bool:
    heads = [envelope.record for envelope in envelopes if type(envelope) is RecordLine]
    names = {head.stream for head in heads} | {head.namespace for head in heads}
    return any(was_changed(name) for name in names)


def run_of(data: bytes, heads: Sequence[RecordHead]) -> Records:
    """Make a run of records; the usual one, of a single stream, is found without a loop in Python."""
    number = len(heads)
    name, namespace = heads[0].stream, heads[0].namespace
    if [head.stream for head in heads].count(name) == number and (
        [head.namespace for head in heads].count(namespace) == number
    ):
        return Records(data, {StreamId(name, namespace): number})

    pairs = [(head.stream, head.namespace) for head in heads]
    totals = Counter(pairs)
    streams = {pair: StreamId(*pair) for pair in totals}
    counts = {streams[pair]: count for pair, count in totals.items()}
    return Records(data, counts, tuple(map(streams.__getitem__, pairs)))
