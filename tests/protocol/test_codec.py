from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_lines import LOG, ODD, RECORD, STATE, bytes_of, fed, joined, one_by_one, outputs, streams_of

from airbyte_exec.protocol.codec import LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Malformed, Noise, Records, State
from airbyte_exec.types import StreamId

USERS = StreamId("users")
MIB = 1024 * 1024


@given(lines=outputs(), cuts=st.lists(st.integers(min_value=0, max_value=5000), max_size=6))
@settings(max_examples=400)
def test_the_items_do_not_depend_on_where_the_bytes_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    output = b"".join(lines)
    places = sorted({0, len(output), *(cut % (len(output) + 1) for cut in cuts)})
    pieces = [output[start:end] for start, end in itertools.pairwise(places)]

    assert joined(fed(pieces)) == one_by_one(lines)


@given(lines=outputs())
@settings(max_examples=200)
def test_a_block_is_what_its_lines_are_one_by_one(lines: list[bytes]) -> None:
    assert joined(fed([b"".join(lines)])) == one_by_one(lines)


@pytest.mark.parametrize("first", ODD, ids=range(len(ODD)))
def test_no_two_lines_make_up_for_each_other(first: bytes) -> None:
    for second in ODD:
        lines = [RECORD + b"\n", first + b"\n", second + b"\n", first + b"\r\n", RECORD + b"\n"]

        assert joined(fed([b"".join(lines)])) == one_by_one(lines), second


def test_two_values_in_a_line_do_not_make_up_for_a_value_in_two_lines() -> None:
    half = RECORD.index(b'"data"')
    lines = [RECORD + RECORD + b"\n", RECORD[:half] + b"\n", RECORD[half:] + b"\n"]

    items = fed([b"".join(lines)])

    assert [type(item) for item in items] == [Malformed] * 3
    assert [item.line for item in items if isinstance(item, Malformed)] == lines


@given(lines=outputs(), last=st.sampled_from([b"", *ODD, RECORD, STATE, RECORD[:30]]))
@settings(max_examples=200)
def test_nothing_is_lost(lines: list[bytes], last: bytes) -> None:
    output = b"".join((*lines, last))

    kept = b"".join(line for line in [*lines, last + b"\n"] if not line.isspace())

    assert b"".join(bytes_of(item) for item in fed([output])) == kept


@given(lines=outputs())
@settings(max_examples=200)
def test_the_counts_of_a_run_are_those_of_its_lines(lines: list[bytes]) -> None:
    for item in fed([b"".join(lines)]):
        if isinstance(item, Records):
            assert len(item.lines()) == len(item) == len(streams_of(item))
            assert (item.order is None) == (len(item.counts) == 1)
            assert {s: streams_of(item).count(s) for s in item.counts} == item.counts
            assert b"".join(item.lines()) == item.data
            assert sum(count for _, _, count in item.by_stream()) == len(item)


def test_records_stay_as_they_came() -> None:
    odd = [
        RECORD.replace(b"1}", value + b"}", 1)
        for value in (
            b"NaN",
            b"1.10",
            b"1e2",
            b"12345678901234567.123456789",
            b"7" * 5000,
            b'"\\ud800"',
            b'1 , \r"a" : [ ]',
        )
    ]
    output = b"\n".join([RECORD, *odd, RECORD, b""])

    assert fed([output]) == [Records(output, {USERS: len(odd) + 2})]


def test_a_plain_block_is_passed_on_as_the_same_bytes() -> None:
    block = (RECORD + b"\n") * 100

    (run,) = LineDecoder().feed(block)

    assert isinstance(run, Records)
    assert run.data is block


def test_a_malformed_line_knows_its_number() -> None:
    decoder = LineDecoder()
    blanks_and_text = b"\ntext\r\n" + (RECORD + b"\n") * 3

    items = decoder.feed(
        blanks_and_text + RECORD[:-1] + b"\n" + (RECORD + b"\n") * 5 + b'{"type":"RECORD"}\n' + RECORD[:9]
    )
    items += decoder.end()

    assert [item.line_no for item in items if isinstance(item, Malformed)] == [6, 12, 13]
    assert decoder.lines == 13


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_state_knows_its_number(size: int) -> None:
    odd = STATE.replace(b"{", b'{"nan": NaN, ', 1)
    lines = [RECORD, RECORD, STATE, b"", LOG, b"noise", odd, RECORD, STATE]
    output = b"\n".join(lines) + b"\n"
    items = fed([output[at : at + size] for at in range(0, len(output), size)])

    assert [item.line_no for item in items if isinstance(item, State)] == [3, 7, 9]


def test_a_state_parts_the_runs() -> None:
    orders = RECORD.replace(b"users", b"orders")
    output = b"\n".join([RECORD, orders, STATE, RECORD, LOG, RECORD, b""])

    kinds = [item.counts if isinstance(item, Records) else type(item).__name__ for item in fed([output])]

    assert kinds == [{USERS: 1, StreamId("orders"): 1}, "State", {USERS: 1}, "Message", {USERS: 1}]


def test_a_run_gives_the_lines_of_the_streams_that_are_wanted() -> None:
    orders = RECORD.replace(b"users", b"orders")
    (run,) = fed([b"\n".join([RECORD, orders, orders, RECORD, b""])])
    assert isinstance(run, Records)

    only = run.only(frozenset([StreamId("orders")]))

    assert only == Records((orders + b"\n") * 2, {StreamId("orders"): 2})
    assert run.only(frozenset([StreamId("others")])) is None
    assert run.only(frozenset(run.counts)) is run
    assert list(run.by_stream()) == [
        (USERS, (RECORD + b"\n") * 2, 2),
        (StreamId("orders"), (orders + b"\n") * 2, 2),
    ]


def test_the_end_may_be_asked_for_twice() -> None:
    decoder = LineDecoder()
    decoder.feed(STATE)

    assert [type(item) for item in decoder.end()] == [State]
    assert decoder.end() == []
    assert decoder.lines == 1


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_line_past_the_bound_is_an_error_however_it_comes(size: int) -> None:
    output = b"a\nb\n" + b"c" * 50 + b"\n" + b"d\n"

    with pytest.raises(LineTooLongError) as error:
        fed([output[start : start + size] for start in range(0, len(output), size)], max_line=20)

    assert (error.value.line_no, error.value.max_line) == (3, 20)
    assert error.value.head == b"c" * len(error.value.head) != b""
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


@pytest.mark.parametrize("size", [1, 3, 11, 1000])
@pytest.mark.parametrize("rest", [b"c" * 50 + b"\nd\n", b"c" * 50])
def test_what_came_before_a_line_past_the_bound_is_taken(size: int, rest: bytes) -> None:
    output = b"a\nb\n" + rest
    decoder = LineDecoder(max_line=20)
    found = []

    def take() -> None:
        for start in range(0, len(output), size):
            found.extend(decoder.feed(output[start : start + size]))

        found.extend(decoder.end())

    with pytest.raises(LineTooLongError, match="line 3 "):
        take()

    assert found == [Noise(b"a\n", "line.text"), Noise(b"b\n", "line.text")]


def test_many_lines_at_the_bound_are_taken_in_one_chunk() -> None:
    decoder = LineDecoder(max_line=5)

    assert len(decoder.feed(b"hello\n" * 100 + b"hello")) == 100
    assert decoder.end() == [Noise(b"hello\n", "line.text")]


def test_an_error_keeps_no_more_than_the_beginning_of_a_line() -> None:
    decoder = LineDecoder(max_line=MIB)

    with pytest.raises(LineTooLongError) as error:
        decoder.feed(b"x" * (2 * MIB))

    assert len(error.value.head) <= 200
    assert decoder.end() == []


HUGE = 64 * MIB


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"' + b"x" * HUGE + b'"', Records),
        (b'"' + "é\U0001f600".encode() * (HUGE // 6) + b'"', Records),
        (b'"' + b"x" * HUGE + b'",NaN', Malformed),
        (b'["' + b"x" * HUGE + b'",NaN]', Records),
        (b"[" + b"[]," * (HUGE // 3) + b"NaN]", Records),
        (b"[" + b"[]," * (HUGE // 3) + b"-]", Malformed),
        (b"[" * 2000 + b'"' + b"x" * HUGE + b'"' + b"]" * 2000, Records),
        (b'"' + b'\\"' * (HUGE // 2), Malformed),
        (b'"' + b"x" * HUGE + b'\xff"', Malformed),
    ],
    ids=[
        "ascii",
        "emoji",
        "broken",
        "NaN",
        "many values and NaN",
        "many values, broken",
        "deep",
        "open string",
        "not UTF-8",
    ],
)
@pytest.mark.parametrize("piece", [64 * 1024, HUGE * 2])
def test_a_huge_line_needs_no_more_than_a_few_times_its_size(value: bytes, expected: type, piece: int) -> None:
    line = RECORD.replace(b"1}", value + b"}", 1) + b"\n"
    pieces = [line[start : start + piece] for start in range(0, len(line), piece)]
    decoder = LineDecoder()

    tracemalloc.start()
    try:
        items = [type(item) for one in pieces for item in decoder.feed(one)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert items == [expected]
    assert peak < 2.5 * len(line)  # the pieces themselves are not among it


def test_a_name_that_never_ends_needs_no_more_than_a_few_times_its_size() -> None:
    line = RECORD[: RECORD.index(b"users")] + b"\\" * (2 * MIB) + b"\n"
    decoder = LineDecoder()
    tracemalloc.start()
    try:
        (item,) = decoder.feed(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(item, Malformed)
    assert peak < 8 * len(line)


PEAK = """
import resource, sys
from airbyte_exec.protocol.codec import LineDecoder
head = b'{"type":"RECORD","record":{"stream":"users","emitted_at":1,"data":{"x":"'
decoder, size, before = LineDecoder(), 64 << 20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decoder.feed(head)
for _ in range(size >> 16):
    decoder.feed(b"x" * 65536)
items = decoder.feed(b'"}}}\\n')
print(len(items[0]), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / size)
"""


@pytest.mark.slow
def test_a_huge_line_in_pieces_takes_little_of_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, check=True, timeout=60, encoding="utf-8")
    records, times = done.stdout.split()

    assert records == "1"
    assert float(times) < 2.6
