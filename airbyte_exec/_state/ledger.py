"""Which STATE may be committed, and when. Pure bookkeeping: it awaits nothing and writes nothing.

The rules (protocol: `state.ack-order`, `state.at-least-once`):

- a state is committed when the destination gives it back, never earlier;
- a state that comes back commits those before it in its scope (its stream for STREAM, everything for GLOBAL and
  LEGACY): it says that all that was sent before it is durable;
- it matches the earliest equal state that waits: a later one would commit too much;
- a state that was never sent is an error; one that was committed already is a warning;
- a state equal to the last committed one, with no record between, needs no echo of its own when the sync ends well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airbyte_exec._state import value
from airbyte_exec._state.store import Changes, StateKind, StreamSaved
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId

Scope = StreamId | None  # a stream, or everything

REMEMBERED = 1000
"""How many committed states are remembered, to tell one that comes back late from one that was never sent."""


class UnknownStateError(ValueError):
    """The destination gave back a state that was never sent."""

    def __init__(self, state: State) -> None:
        super().__init__("the destination gave back a state that was never sent to it")
        self.state = state

    def __reduce__(self) -> tuple[type[UnknownStateError], tuple[State]]:
        return type(self), (self.state,)


@dataclass(slots=True)
class _Pending:
    """A state on its way: as the source wrote it, and as it went over the wire (its names may be mapped)."""

    state: State
    wire: State
    records: dict[StreamId, int]
    digests: dict[bool, bytes] = field(default_factory=dict)

    def digest(self, *, exact: bool) -> bytes:
        if exact not in self.digests:
            self.digests[exact] = value.exactly(self.wire) if exact else value.loosely(self.wire)

        return self.digests[exact]


@dataclass(frozen=True, slots=True)
class CountMismatch:
    """A connector's own count differs from ours.

    Parameters:
        side: `source` (its `sourceStats`) or `destination` (its `destinationStats`).
        stream: the stream; None for a GLOBAL state.
        counted: the records that we saw since the last state (source), or since the last echoed one (destination).
        claimed: what the connector said.
    """

    side: str
    stream: StreamId | None
    counted: int
    claimed: float


@dataclass(slots=True)
class Echo:
    """What a state that came back means: what to commit, and what is odd about it."""

    changes: Changes | None
    committed: int = 0
    records: dict[StreamId, int] = field(default_factory=dict)
    mismatch: CountMismatch | None = None
    late: bool = False


class Ledger:
    """Keeps the states that were sent and have not come back.

    Parameters:
        streams: what a commit writes of each stream beside the state itself (generation, sync id, …).
        kept: the GLOBAL or LEGACY state that is committed already.
    """

    def __init__(self, streams: Mapping[StreamId, StreamSaved], kept: State | None = None) -> None:
        self._templates = dict(streams)
        self._kept = kept
        self._pending: dict[Scope, deque[_Pending]] = {}
        self._since_state: dict[Scope, dict[StreamId, int]] = {}
        self._all_since_state: dict[StreamId, int] = {}
        self._done: deque[_Pending] = deque(maxlen=REMEMBERED)
        self._last: dict[Scope, _Pending] = {}
        self.kind: StateKind | None = None
        self.sent_states = 0
        self.committed_states = 0

    def saw_records(self, records: Records) -> None:
        """Note records that are about to be sent."""
        for stream, count in records.counts.items():
            self._all_since_state[stream] = self._all_since_state.get(stream, 0) + count
            since = self._since_state.setdefault(stream, {})
            since[stream] = since.get(stream, 0) + count

    def saw_state(self, state: State, wire: State | None = None) -> CountMismatch | None:
        """Note a state that is about to be sent, and say whether the source's own count differs from ours.

        Parameters:
            state: the state as the source wrote it.
            wire: the state as it is sent, where names are mapped.
        """
        scope = _scope(state)
        self.kind = state.kind
        self.sent_states += 1
        if scope is None:
            records, self._all_since_state = self._all_since_state, {}
            self._since_state.clear()
        else:
            records = self._since_state.pop(scope, {})

        self._pending.setdefault(scope, deque()).append(_Pending(state, wire or state, records))
        counted = sum(records.values())
        if state.source_count is None or state.source_count == counted:
            return None

        return CountMismatch("source", scope, counted, state.source_count)

    def withdraw(self, state: State) -> None:
        """Forget the state that was noted last: it was not sent."""
        self._pending[_scope(state)].pop()
        self.sent_states -= 1

    def echoed(self, echo: State) -> Echo:
        """Take a state that the destination gave back.

        Raises:
            UnknownStateError: it was never sent.
        """
        wire_scope = _scope(echo)
        for exact in (True, False):
            found = self._find(echo, wire_scope, exact=exact)
            if found is not None:
                return self._commit(*found, echo)

        digest = value.loosely(echo)
        if any(done.digest(exact=False) == digest for done in self._done):
            return Echo(None, late=True)

        raise UnknownStateError(echo)

    def finish(self) -> Changes | None:
        """Commit what needs no echo: the sync has ended well. See the last rule of this module."""
        changes: Changes | None = None
        for scope, queue in self._pending.items():
            while queue and (last := self._last_state(scope)) is not None:
                same = value.exactly(queue[0].state) == value.exactly(last)
                if not same or any(queue[0].records.values()):
                    break

                changes = self._take(scope, 1, changes).changes

        return changes

    def unconfirmed(self) -> list[State]:
        """Return the states that were sent and have not been confirmed."""
        return [pending.state for queue in self._pending.values() for pending in queue]

    def template(self, stream: StreamId, *, complete: bool) -> StreamSaved:
        """Return what is to be saved of a stream when the sync ends, with its last committed state."""
        last = self._last.get(stream)
        saved = self._templates[stream]
        state = saved.state if last is None or last.state.kind != "STREAM" else last.state.body
        whole = last if last is not None else self._last.get(None)
        position = saved.position if whole is None else whole.state.position
        return replace(saved, state=state, complete=complete, position=position)

    def document(self) -> bytes | None:
        """Return the GLOBAL state that was committed last in this sync."""
        last = self._last.get(None)
        return last.state.body if last is not None and last.state.kind == "GLOBAL" else None

    def _last_state(self, scope: Scope) -> State | None:
        """Return the state that was committed last, in this sync or before it."""
        if scope in self._last:
            return self._last[scope].state

        if scope is None:
            return self._kept

        saved = self._templates.get(scope)
        if saved is None or saved.state is None:
            return None

        return State(b"", "STREAM", ((scope, saved.state),), saved.state)

    def _find(self, echo: State, wire_scope: Scope, *, exact: bool) -> tuple[Scope, int] | None:
        digest = None
        for scope, queue in self._candidates(wire_scope):
            for index, pending in enumerate(queue):
                if pending.wire.kind != echo.kind or _scope(pending.wire) != wire_scope:
                    break

                if exact and pending.wire.line == echo.line:
                    return scope, index

                digest = digest or (value.exactly(echo) if exact else value.loosely(echo))
                if pending.digest(exact=exact) == digest:
                    return scope, index

        return None

    def _candidates(self, wire_scope: Scope) -> Iterable[tuple[Scope, Sequence[_Pending]]]:
        if wire_scope in self._pending and (queue := self._pending[wire_scope]):
            yield wire_scope, queue

        # Names may be mapped: then the scope on the wire is not the source's.
        for scope, queue in self._pending.items():
            if scope != wire_scope and queue and _scope(queue[0].wire) == wire_scope:
                yield scope, queue

    def _commit(self, scope: Scope, index: int, echo: State) -> Echo:
        result = self._take(scope, index + 1, None)
        counted = sum(result.records.values())
        claimed = echo.destination_count
        if claimed is not None and claimed + (echo.rejected_count or 0) != counted:
            result.mismatch = CountMismatch("destination", scope, counted, claimed)

        return result

    def _take(self, scope: Scope, number: int, before: Changes | None) -> Echo:
        queue = self._pending[scope]
        taken = [queue.popleft() for _ in range(number)]
        self._done.extend(taken)
        records: dict[StreamId, int] = {}
        for pending in taken:
            for stream, count in pending.records.items():
                records[stream] = records.get(stream, 0) + count

        self._last[scope] = taken[-1]
        self.committed_states += number
        changes = self._changes(taken[-1].state)
        if before is not None:
            changes = join(before, changes)

        return Echo(changes, committed=number, records=records)

    def _changes(self, state: State) -> Changes:
        if state.kind == "STREAM":
            (stream, body), *_ = state.streams
            saved = self._templates.get(stream, StreamSaved())
            return Changes(state.kind, {stream: replace(saved, state=body, position=state.position)})

        streams = {stream: replace(saved, position=state.position) for stream, saved in self._templates.items()}
        return Changes(state.kind, streams, state.body)


def join(first: Changes, second: Changes) -> Changes:
    """Return the changes that do what both do, one after the other."""
    return Changes(
        second.kind or first.kind,
        {**first.streams, **second.streams},
        second.document if second.document is not None else first.document,
        first.aliases | second.aliases,
    )


def _scope(state: State) -> Scope:
    return state.streams[0][0] if state.kind == "STREAM" else None
