"""Moves data from a feed to a sink and commits the states that come back. The same for every flow.

How a run ends:

- The feed ends well. Each stream that is complete gets its COMPLETE, the sink gets the end of its input, all that it
  gives back is taken, it ends well, and every state is confirmed. Nothing else is success.
- Some streams fail and the others go on: those get their COMPLETE. The end of the input follows as below; where it may
  not follow, the sink has the time in which states are collected to act on them.
- The feed fails. No COMPLETE is sent and nothing more is fed. States are still collected for a bounded time with the
  sink's input open. The sink gets the end of its input only if no unfinished stream is being overwritten: a destination
  takes that end for success, and would put half of the new data in the place of the old.
- The sink fails. The feed is left at once, and the sink's own error is raised, not our broken pipe.

Whoever opened the feed and the sink stops them; this module only talks to them.

Somewhat over 300 lines: the ways in which one run ends, which change the same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn

import anyio

from airbyte_exec import _crashpoints
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.limits import TimeLimits
from airbyte_exec._engine.confirming import Commit, Confirming
from airbyte_exec._engine.ends import Feed, Sink, SinkClosedError
from airbyte_exec._engine.options import OnCountMismatch
from airbyte_exec._engine.progress import Progress
from airbyte_exec._engine.route import Route
from airbyte_exec._state.ledger import Ledger
from airbyte_exec._state.store import Changes
from airbyte_exec.exceptions import PyAirbyteError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.types import StreamId


@dataclass(frozen=True, kw_only=True)
class PumpSettings:
    """What a run needs to know beside its two ends.

    Parameters:
        limits: time limits.
        on_count_mismatch: what is done where a connector's counts differ from ours.
        replaced: the streams whose old data is put away at the end: while one of these is unfinished, the sink must not
            see the end of its input.
    """

    limits: TimeLimits
    on_count_mismatch: OnCountMismatch
    replaced: frozenset[StreamId]


class Pump:
    """One run. `run` is called once.

    Parameters:
        feed: where the data comes from.
        sink: where it goes.
        ledger: which state may be committed.
        route: what passes, and under which name.
        commit: makes changes durable.
        progress: live counters.
        settings: the rest.
    """

    def __init__(
        self,
        feed: Feed,
        sink: Sink,
        ledger: Ledger,
        *,
        route: Route,
        commit: Commit,
        progress: Progress,
        settings: PumpSettings,
        notify: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._sink = sink
        self._ledger = ledger
        self._route = route
        self._progress = progress
        self._settings = settings
        self._notify = notify
        self._collected = anyio.Event()
        self._confirmed = anyio.Event()
        self._failed = False
        self._sink_closed = False
        self._is_sending = False
        self._sink_failure: Exception | None = None
        self.confirming = Confirming(ledger, commit, progress, on_count_mismatch=settings.on_count_mismatch)

    async def run(self) -> None:
        """Move everything.

        Raises:
            AirbyteConnectorError: a side failed; `ExceptionGroup` never.
        """
        with bare_errors():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._collect, tasks.cancel_scope)
                await self._forward_all()
                tasks.cancel_scope.cancel()

        if self._sink_failure is not None and not self._failed:
            raise self._sink_failure

        if self._sink_closed:
            raise self._sink.error("It closed its input and went on.")

    async def _forward_all(self) -> None:
        try:
            await self._forward()
        except SinkClosedError:
            await self._await_sink_failure()
            return
        except Exception:  # raised again: whatever ended the feed, the sink must not take it for an end
            self._failed = True
            if not self._is_sending:  # a sink that failed in the middle of a line must see nothing more
                await self._wind_up(unfinished=self._route.streams)

            raise

        failed = self._feed.failed_streams()
        if failed:
            self._failed = True
            await self._end_without(failed)

        try:
            await self._end_well()
        except SinkClosedError:
            await self._await_sink_failure()

    async def _await_sink_failure(self) -> None:
        """Wait until the sink's own end says why it takes nothing any more, but not for ever."""
        self._sink_closed = True
        with anyio.move_on_after(self._settings.limits.exit):
            await self._collected.wait()

    async def _forward(self) -> None:
        self._progress.phase, self._progress.waiting_for = "reading", "source"
        self._notify()
        async with aclosing(self._feed.batches()) as batches:
            async for items in batches:
                if kept := [item for item in map(self._route.admit, items) if item is not None]:
                    await self._send(kept)

                self._notify()

    async def _send(self, items: list[Records | State]) -> None:
        wire: list[Records | State] = []
        refusal: PyAirbyteError | None = None
        for item in items:
            try:
                wire.append(self._pass(item))
            except PyAirbyteError as error:
                refusal = error  # what came before it is good
                break

        self._progress.waiting_for = "destination"
        self._is_sending = True
        await self._sink.send(wire)
        self._is_sending = False
        self._progress.count_delivered(items[: len(wire)])
        self._progress.waiting_for = "source"
        if refusal is not None:
            raise refusal

    def _pass(self, item: Records | State) -> Records | State:
        """Note an item that is about to be sent, and return it under the names that the sink sees."""
        if isinstance(item, State):
            return self._pass_state(item)

        self._ledger.saw_records(item)
        self._progress.count_read(item)
        return self._route.rename(item)

    def _pass_state(self, state: State) -> Records | State:
        wire = self._route.rename(state)
        self.confirming.note(state, wire if isinstance(wire, State) else None, self._feed.error)
        self._progress.states_sent += 1
        self._progress.bytes_read += len(state.line)
        return wire

    async def _end_well(self) -> None:
        await self._finish_input(self._route.streams)
        before = self._ledger.committed_states
        changes = self._ledger.finish()
        if changes is not None:
            await self.confirming.commit(changes, self._ledger.committed_states - before)

        missing = len(self._ledger.unconfirmed())
        if missing:
            raise self._sink.error(
                f"It ended well, and did not confirm {missing} of {self._ledger.sent_states} states: what it stored of "
                "the records before them is unknown."
            )

        await self._complete(self._route.streams)

    async def _end_without(self, failed: dict[StreamId, str]) -> NoReturn:
        """End after some streams failed and the others went on."""
        done = self._route.streams.difference(failed)
        if self._settings.replaced.isdisjoint(failed):
            ended_well = True
            try:
                await self._finish_input(done)
            except (PyAirbyteError, SinkClosedError):
                ended_well = False  # some destinations refuse an end without COMPLETE: the source is at fault

            if ended_well and self._sink_failure is None:
                await self._complete(done - self._unconfirmed_streams())
        else:
            told = await self._complete_without_end(done)
            await self._wind_up(unfinished=frozenset(failed), told=told)

        reasons = "; ".join(f"{stream}: {reason}" for stream, reason in failed.items())
        raise self._feed.error(f"{len(failed)} of {len(self._route.streams)} streams failed: {reasons}")

    async def _complete_without_end(self, done: Collection[StreamId]) -> bool:
        """Let streams take their place while the end of another one may not be told.

        Returns:
            Whether the sink is to put rows in the place of others now, and has no word for having done it.
        """
        try:
            durable = await self._sink.complete([stream for stream in self._progress.streams if stream in done])
        except (PyAirbyteError, SinkClosedError):
            return False  # the source is at fault

        if durable:
            await self._complete(done)

        return not durable and not self._settings.replaced.isdisjoint(done)

    def _unconfirmed_streams(self) -> frozenset[StreamId]:
        states = self._ledger.unconfirmed()
        if any(state.kind != "STREAM" for state in states):
            return self._route.streams

        return frozenset(state.streams[0][0] for state in states)

    async def _finish_input(self, completed: Collection[StreamId]) -> None:
        limit = self._settings.limits.destination_finish
        self._progress.phase, self._progress.waiting_for = "finishing", "destination"
        self._notify()
        await self._sink.end_of_input([stream for stream in self._progress.streams if stream in completed])
        with anyio.move_on_after(limit):
            await self._collected.wait()

        if self._sink_failure is not None:
            raise self._sink_failure

        if not self._collected.is_set():
            raise self._sink.error(
                f"It did not end within {limit:g} s after the end of its input. Set the time limit "
                "`destination_finish` higher if it may take that long."
            )

    async def _wind_up(self, *, unfinished: Collection[StreamId], told: bool = False) -> None:
        """Collect what can still be confirmed, for a bounded time; see the module's text.

        Parameters:
            unfinished: the streams that failed.
            told: the sink has something to do that it will not confirm: it gets all of the time for it.
        """
        limits = self._settings.limits
        with anyio.move_on_after(limits.acknowledge):
            while (told or self._ledger.unconfirmed()) and not self._collected.is_set():
                await self._confirmed.wait()

        if self._collected.is_set() or not self._settings.replaced.isdisjoint(unfinished):
            return

        with anyio.move_on_after(limits.exit):
            try:
                await self._sink.end_of_input(())
            except (PyAirbyteError, SinkClosedError):
                return

            await self._collected.wait()

    async def _complete(self, streams: Collection[StreamId]) -> None:
        changes = Changes(None, {s: self._ledger.template(s, complete=True) for s in streams})
        _crashpoints.reached("sync.completing")
        await self.confirming.commit(changes)
        _crashpoints.reached("sync.completed")
        for stream in streams:
            self._progress.streams[stream].status = "complete"

        self._notify()

    async def _collect(self, scope: anyio.CancelScope) -> None:
        try:
            async with aclosing(self._sink.messages()) as messages:
                async for states in messages:
                    await self.confirming.take(states, self._sink.error)
                    self._confirmed.set()
                    self._confirmed = anyio.Event()
                    self._notify()
        except (PyAirbyteError, OSError) as error:
            self._sink_failure = error
            self._collected.set()
            if not self._failed:
                scope.cancel()

        self._collected.set()
        self._confirmed.set()
