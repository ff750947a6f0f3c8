"""The ledger against a simple model, and each of its rules by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airbyte_exec._state.ledger import Ledger, UnknownStateError, join
from airbyte_exec._state.store import Changes, Saved, StreamSaved, merge_changes
from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.types import StreamId

A, B = StreamId("a"), StreamId("b", "n")


def state(stream: StreamId, value: Any, *, count: float | None = None) -> State:
    """Return a STREAM state as a source writes it."""
    descriptor = {"name": stream.name} if stream.namespace is None else stream._asdict()
    body: dict[str, Any] = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": value}}
    if count is not None:
        body["sourceStats"] = {"recordCount": count}

    return parse_state(json.dumps({"type": "STATE", "state": body}).encode() + b"\n")


def global_state(value: Any, *streams: StreamId) -> State:
    """Return a GLOBAL state in which all streams have the value."""
    states = [{"stream_descriptor": stream._asdict(), "stream_state": {"v": value}} for stream in streams or (A, B)]
    body = {"type": "GLOBAL", "global": {"shared_state": {"v": value}, "stream_states": states}}
    return parse_state(json.dumps({"type": "STATE", "state": body}).encode() + b"\n")


def echo_of(sent: State, *, stats: dict[str, float] | None = None, spaces: bool = True) -> State:
    """Return a state as a destination writes it anew."""
    message = json.loads(sent.line)
    if stats is not None:
        message["state"]["destinationStats"] = stats

    text = json.dumps(message, sort_keys=True, indent=None if spaces else 0).replace("\n", "")
    return parse_state(text.encode() + b"\n")


def records(count: int, stream: StreamId = A) -> Records:
    return Records(b"{}\n" * count, {stream: count})


def ledger(**saved: StreamSaved) -> Ledger:
    return Ledger({A: saved.get("a", StreamSaved(generation_id=7, sync_id=9)), B: StreamSaved(generation_id=8)})


def saved_after(*changes: Changes | None) -> Saved:
    found: Saved | None = None
    for change in changes:
        if change is not None:
            found = merge_changes(found, change, now=0)

    return found or Saved()


class Model:
    """What the rules say, written down as slowly and plainly as can be: values only."""

    def __init__(self) -> None:
        self.pending: dict[StreamId, list[int]] = {A: [], B: []}
        self.committed: dict[StreamId, int | None] = {A: None, B: None}
        self.done: set[tuple[StreamId, int]] = set()

    def echo(self, stream: StreamId, value: int) -> str:
        waiting = self.pending[stream]
        if value in waiting:
            until = waiting.index(value) + 1
            self.done.update((stream, passed) for passed in waiting[:until])
            self.pending[stream] = waiting[until:]
            self.committed[stream] = value
            return "committed"

        return "late" if (stream, value) in self.done else "unknown"


steps = st.lists(
    st.tuples(st.sampled_from(["send", "echo", "records"]), st.sampled_from([A, B]), st.integers(0, 4)), max_size=60
)


@given(steps)
@settings(max_examples=150)
def test_any_order_of_states_commits_what_the_model_says(
    steps: list[tuple[str, StreamId, int]],
) -> None:
    model, under_test = Model(), ledger()
    saved: Saved | None = None
    for kind, stream, value in steps:
        sent = state(stream, {"v": value})
        if kind == "records":
            under_test.saw_records(records(value + 1, stream))
        elif kind == "send":
            model.pending[stream].append(value)
            under_test.saw_state(sent)
        else:
            expected = model.echo(stream, value)
            if expected == "unknown":
                with pytest.raises(UnknownStateError):
                    under_test.echoed(echo_of(sent))
            else:
                echo = under_test.echoed(echo_of(sent))
                assert echo.late == (expected == "late")
                if echo.changes is not None:
                    saved = merge_changes(saved, echo.changes, now=0)

    known = saved.streams if saved is not None else {}
    found = {s: json.loads(entry.state)["v"] for s, entry in known.items() if entry.state is not None}
    assert found == {s: value for s, value in model.committed.items() if value is not None}
    assert len(under_test.unconfirmed()) == sum(map(len, model.pending.values()))
    assert under_test.committed_states + len(under_test.unconfirmed()) == under_test.sent_states


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_records_are_confirmed_exactly_once(counts: list[int], data: st.DataObject) -> None:
    under_test = ledger()
    sent = []
    for number, count in enumerate(counts):
        under_test.saw_records(records(count)) if count else None
        sent.append(state(A, {"v": number}))
        under_test.saw_state(sent[-1])

    confirmed = 0
    while sent:
        index = data.draw(st.integers(0, len(sent) - 1))
        confirmed += sum(under_test.echoed(sent[index]).records.values())
        del sent[: index + 1]

    assert confirmed == sum(counts)


def test_a_state_is_not_committed_before_it_comes_back() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}))

    assert under_test.committed_states == 0
    assert len(under_test.unconfirmed()) == 1


def test_the_bytes_of_the_source_are_committed() -> None:
    under_test = ledger()
    line = state(A, {"n": 5}).line.replace(b"5", b"1e2")
    under_test.saw_state(parse_state(line))

    changes = under_test.echoed(parse_state(line.replace(b"1e2", b"100.0"))).changes

    assert changes is not None
    assert changes.streams[A].state == b'{"n": 1e2}'


def test_an_echo_commits_the_states_of_its_stream_before_it_and_no_other() -> None:
    under_test = ledger()
    for stream, value in [(A, 1), (B, 1), (A, 2), (B, 2)]:
        under_test.saw_state(state(stream, {"v": value}))

    echo = under_test.echoed(state(A, {"v": 2}))

    assert echo.committed == 2
    assert echo.changes is not None
    assert echo.changes.streams.keys() == {A}
    assert [found.streams[0][0] for found in under_test.unconfirmed()] == [B, B]


def test_an_echo_of_a_global_state_commits_all_before_it() -> None:
    under_test = ledger()
    under_test.saw_records(records(3, A))
    under_test.saw_state(global_state(1))
    under_test.saw_records(records(4, B))
    under_test.saw_state(global_state(2))

    echo = under_test.echoed(echo_of(global_state(2)))

    assert echo.committed == 2
    assert echo.records == {A: 3, B: 4}
    assert echo.changes is not None
    assert echo.changes.document == global_state(2).body


def test_the_order_of_streams_in_a_global_state_means_nothing() -> None:
    under_test = ledger()
    under_test.saw_state(global_state(1, A, B))

    assert under_test.echoed(global_state(1, B, A)).committed == 1


def test_the_earliest_equal_state_is_the_one_that_came_back() -> None:
    under_test = ledger()
    for value in (1, 2, 1):
        under_test.saw_state(state(A, {"v": value}))

    assert under_test.echoed(state(A, {"v": 1})).committed == 1
    assert len(under_test.unconfirmed()) == 2


def test_a_state_that_is_equal_to_the_digit_goes_before_one_that_a_double_confuses() -> None:
    under_test = ledger()
    big = [{"v": 12345678901234567890123}, {"v": 12345678901234567890124}]
    for value in big:
        under_test.saw_state(state(A, value))

    assert under_test.echoed(state(A, big[1])).committed == 2


def test_a_state_that_lost_digits_is_known_again() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 12345678901234567890123}))

    assert under_test.echoed(state(A, {"v": 1.2345678901234568e22})).committed == 1


@pytest.mark.parametrize("echo", [state(A, {"v": 2}), state(StreamId("a", "n"), {"v": 1}), global_state(1)])
def test_a_state_that_was_never_sent_is_an_error(echo: State) -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}))

    with pytest.raises(UnknownStateError):
        under_test.echoed(echo)

    assert len(under_test.unconfirmed()) == 1


def test_states_of_mapped_names_come_back_under_the_names_of_the_wire() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}), state(StreamId("raw_a"), {"v": 1}))
    under_test.saw_state(state(B, {"v": 1}), state(StreamId("raw_b"), {"v": 1}))

    changes = under_test.echoed(state(StreamId("raw_b"), {"v": 1})).changes

    assert changes is not None
    assert changes.streams.keys() == {B}


def test_the_counts_of_the_source_are_those_since_its_last_state() -> None:
    under_test = ledger()
    under_test.saw_records(records(3))

    assert under_test.saw_state(state(A, {"v": 1}, count=3.0)) is None
    under_test.saw_records(records(2))
    mismatch = under_test.saw_state(state(A, {"v": 2}, count=3.0))
    assert mismatch is not None
    assert (mismatch.side, mismatch.stream, mismatch.counted, mismatch.claimed) == ("source", A, 2, 3.0)


@pytest.mark.parametrize(
    ("stats", "differs"),
    [
        ({"recordCount": 3.0}, False),
        ({"recordCount": 2.0, "rejectedRecordCount": 1.0}, False),
        ({"recordCount": 2.0}, True),
        ({"recordCount": 4.0}, True),
    ],
)
def test_stored_and_rejected_records_are_the_counts_of_the_destination(stats: dict[str, float], differs: bool) -> None:
    under_test = ledger()
    under_test.saw_records(records(3))
    under_test.saw_state(state(A, {"v": 1}))

    mismatch = under_test.echoed(echo_of(state(A, {"v": 1}), stats=stats)).mismatch

    assert (mismatch is not None) == differs


def test_a_repeated_state_without_records_between_needs_no_echo_at_the_end() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}))
    under_test.saw_state(state(A, {"v": 1.0}))
    under_test.echoed(state(A, {"v": 1}))

    assert under_test.finish() is not None
    assert under_test.unconfirmed() == []


def test_a_repeated_state_with_records_between_needs_one() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}))
    under_test.saw_records(records(1))
    under_test.saw_state(state(A, {"v": 1}))
    under_test.echoed(state(A, {"v": 1}))

    assert under_test.finish() is None
    assert len(under_test.unconfirmed()) == 1


def test_the_state_that_was_saved_before_needs_no_echo_either() -> None:
    under_test = ledger(a=StreamSaved(state=b'{"v":1}'))
    under_test.saw_state(state(A, {"v": 1}))

    assert under_test.finish() is not None


@pytest.mark.parametrize(
    ("line", "needs_one"),
    [
        (b'{"type":"STATE","state":{"data":{"a": {"v":1}}}}\n', False),
        (b'{"type":"STATE","state":{"data":{"a":{"v":2}}}}\n', True),
        (
            b'{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{"a":{"v":1}},"stream_states":[]}}}\n',
            True,
        ),
    ],
    ids=["the same", "another", "another kind"],
)
def test_the_state_of_all_streams_that_was_saved_before_needs_no_echo_either(line: bytes, needs_one: bool) -> None:
    under_test = Ledger({A: StreamSaved()}, State(b"", "LEGACY", (), b'{"a":{"v":1}}'))
    under_test.saw_state(parse_state(line))

    assert (under_test.finish() is None) == needs_one


def test_another_state_than_the_saved_one_needs_one() -> None:
    under_test = ledger(a=StreamSaved(state=b'{"v":1}'))
    under_test.saw_state(state(A, {"v": 2}))

    assert under_test.finish() is None


def test_a_commit_writes_the_generation_with_the_state() -> None:
    under_test = ledger()
    under_test.saw_state(state(A, {"v": 1}))

    changes = under_test.echoed(state(A, {"v": 1})).changes

    assert changes is not None
    assert (changes.streams[A].generation_id, changes.streams[A].sync_id) == (7, 9)
    assert under_test.template(A, complete=True) == StreamSaved(
        state=b'{"v": 1}', generation_id=7, sync_id=9, complete=True
    )


def test_changes_that_are_joined_are_those_that_are_made_one_after_the_other() -> None:
    first = Changes("STREAM", {A: StreamSaved(b"1"), B: StreamSaved(b"1")}, aliases=frozenset("x"))
    second = Changes("STREAM", {A: StreamSaved(b"2")}, aliases=frozenset("y"))

    assert saved_after(join(first, second)) == saved_after(first, second)


def test_a_state_of_another_kind_puts_the_old_ones_away() -> None:
    streams = {A: StreamSaved(b"1", generation_id=3)}

    saved = saved_after(Changes("STREAM", streams), Changes("GLOBAL", streams, b"{}"))
    assert (saved.kind, saved.document) == ("GLOBAL", b"{}")
    assert saved.streams[A] == StreamSaved(None, generation_id=3)

    saved = saved_after(Changes("LEGACY", streams, b"{}"), Changes("STREAM", streams))
    assert (saved.kind, saved.document) == ("STREAM", None)
    assert saved.streams[A].state == b"1"


def test_an_empty_document_is_none() -> None:
    saved = saved_after(Changes("GLOBAL", {}, b"{}"), Changes(None, {A: StreamSaved()}, b""))

    assert (saved.kind, saved.document) == ("GLOBAL", None)
