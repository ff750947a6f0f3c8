"""What is done with the states that a sink gives back, without any process."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from airbyte_exec._engine.confirming import Confirming
from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec._state.ledger import Ledger
from airbyte_exec._state.store import Changes, StreamSaved
from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.types import StreamId

USERS = StreamId("users")


class SinkError(Exception):
    pass


def state(number: int, **stats: float) -> State:
    stream = {"stream_descriptor": {"name": "users"}, "stream_state": {"n": number}}
    body: dict[str, Any] = {"type": "STREAM", "stream": stream}
    if stats:
        body["destinationStats"] = stats

    return parse_state(json.dumps({"type": "STATE", "state": body}).encode() + b"\n")


class Desk:
    """A ledger with three sent states of ten records each, and what was committed of them."""

    def __init__(self, on_count_mismatch: Any = "warn") -> None:
        self.committed: list[bytes | None] = []
        self.progress = Progress({USERS: StreamProgress()})
        self.ledger = Ledger({USERS: StreamSaved()})
        for number in (1, 2, 3):
            self.ledger.saw_records(Records(b"{}\n" * 10, {USERS: 10}))
            self.ledger.saw_state(state(number))

        self.confirming = Confirming(self.ledger, self.commit, self.progress, on_count_mismatch=on_count_mismatch)

    async def commit(self, changes: Changes) -> None:
        await anyio.lowlevel.checkpoint()
        self.committed.append(changes.streams[USERS].state)

    def take(self, *states: State) -> None:
        anyio.run(self.confirming.take, states, SinkError)


def test_states_that_come_together_are_committed_together() -> None:
    desk = Desk()

    desk.take(state(1), state(2))

    assert desk.committed == [b'{"n": 2}']
    assert desk.progress.states_committed == 2
    assert desk.progress.streams[USERS].committed == 20


def test_what_was_confirmed_before_a_state_that_nobody_sent_is_committed() -> None:
    desk = Desk()

    with pytest.raises(SinkError, match="never sent"):
        desk.take(state(1), state(7), state(2))

    assert desk.committed == [b'{"n": 1}']
    assert desk.progress.states_committed == 1


def test_a_state_whose_count_is_an_error_is_not_committed_and_those_before_it_are() -> None:
    desk = Desk("fail")

    with pytest.raises(SinkError, match="9 records"):
        desk.take(state(1, recordCount=10.0), state(2, recordCount=9.0))

    assert desk.committed == [b'{"n": 1}']


def test_what_is_confirmed_is_committed_also_where_the_run_ends_at_that_moment() -> None:
    desk = Desk()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await desk.confirming.take([state(3)], SinkError)

    anyio.run(main)

    assert desk.committed == [b'{"n": 3}']
    assert desk.progress.states_committed == 3


def test_a_commit_that_fails_counts_nothing() -> None:
    desk = Desk()

    async def fail(changes: Changes) -> None:
        raise OSError(28, "No space left on device")

    desk.confirming = Confirming(desk.ledger, fail, desk.progress, on_count_mismatch="warn")
    with pytest.raises(OSError, match="No space left"):
        desk.take(state(1))

    assert desk.progress.states_committed == 0
    assert desk.progress.streams[USERS].committed == 0


def test_a_late_state_is_warned_of_once() -> None:
    desk = Desk()

    desk.take(state(1), state(1), state(1))

    assert desk.confirming.warnings == ["The destination confirmed a state again that it had confirmed before."]
    assert desk.progress.states_committed == 1


def test_a_sink_that_counts_is_known_by_its_counts() -> None:
    desk = Desk()
    desk.take(state(1))
    assert not desk.confirming.sink_counts

    desk.take(state(2, recordCount=10.0))
    assert desk.confirming.sink_counts
