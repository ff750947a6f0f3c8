"""One sync with its bookkeeping: a plan, a pair's state, and the pump between a feed and a sink."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from airbyte_exec import _crashpoints
from airbyte_exec._connector.facts import Facts
from airbyte_exec._engine.ends import Feed, Sink
from airbyte_exec._engine.options import WriteOptions
from airbyte_exec._engine.plan import SyncPlan
from airbyte_exec._engine.progress import Progress, StreamProgress
from airbyte_exec._engine.pump import Pump, PumpSettings
from airbyte_exec._engine.route import Route
from airbyte_exec._state.document import streams_of
from airbyte_exec._state.ledger import Ledger
from airbyte_exec._state.pair import PairState
from airbyte_exec._state.store import Changes
from airbyte_exec.protocol.selection import some
from airbyte_exec.types import StreamId


@dataclass(slots=True)
class Summary:
    """What a transfer did; it is filled while it runs.

    Parameters:
        progress: the counters.
        failed: the streams that the source says have failed.
        destination_counts: the destination counts by itself.
        unknown: records and states of streams that are not in the catalog.
        warnings: what the user should know.
        facts: by connector name: what it said and did.
    """

    progress: Progress
    started_at: float = field(default_factory=time.time)
    failed: Collection[StreamId] = ()
    destination_counts: bool = False
    unknown: dict[StreamId, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)

    def mask(self, text: str) -> str:
        """Return a text without the secrets of the connectors that run."""
        for found in self.facts.values():
            text = found.mask(text)

        return text


class Transfer:
    """One sync, from the moment when everything is decided.

    Parameters:
        plan: what is done.
        state: the state of the pair.
        options: how it is done.
        source_name: for the counters.
        destination_name: for the counters.
    """

    def __init__(
        self, plan: SyncPlan, state: PairState, options: WriteOptions, *, source_name: str, destination_name: str
    ) -> None:
        self.plan = plan
        self.route = Route(plan.streams, options.names)
        self._state = state
        self._options = options
        self._ledger = Ledger(plan.templates, plan.kept)
        progress = Progress({stream: StreamProgress() for stream in plan.streams}, source_name, destination_name)
        self.summary = Summary(progress)
        self.route.mask = self.summary.mask

    async def begin(self) -> None:
        """Save the generations before any row is written under them."""
        self._notify()
        _crashpoints.reached("sync.planned")
        await self._state.commit(Changes(None, self.plan.templates, self.plan.document))
        _crashpoints.reached("sync.begun")

    async def run(self, feed: Feed, sink: Sink) -> None:
        """Move everything from the feed to the sink.

        Raises:
            AirbyteConnectorError: a side failed.
        """
        pump = Pump(
            feed,
            sink,
            self._ledger,
            route=self.route,
            commit=self._state.commit,
            progress=self.summary.progress,
            settings=PumpSettings(
                limits=self._options.limits,
                on_count_mismatch=self._options.on_count_mismatch,
                replaced=self.plan.replaced,
            ),
            notify=self._notify,
        )
        try:
            await pump.run()
        except BaseException:
            self.summary.progress.phase = "failed"
            raise
        else:
            self.summary.progress.phase = "done"
        finally:
            self._sum_up(feed, pump)

    def _sum_up(self, feed: Feed, pump: Pump) -> None:
        summary, progress = self.summary, self.summary.progress
        summary.failed = feed.failed_streams()
        summary.destination_counts = pump.confirming.sink_counts
        summary.unknown = dict(self.route.unknown)
        progress.unknown_stream_records = sum(summary.unknown.values())
        progress.waiting_for = "nobody"
        for stream in summary.failed:
            if stream in progress.streams:
                progress.streams[stream].status = "failed"

        summary.warnings += [*self.plan.catalog.warnings, *self._state.warnings, *pump.confirming.warnings]
        if summary.unknown:
            names = ", ".join(str(stream) for stream in list(summary.unknown)[:10])
            summary.warnings.append(
                f"{progress.source_name} sent {progress.unknown_stream_records} records and states of streams that are "
                f"not in the catalog ({names}): they were not forwarded and not committed."
            )

        document = self._ledger.document()
        lost = self.plan.elsewhere - streams_of(document) if document is not None else ()
        if lost:
            names = some(sorted(map(str, lost)))
            summary.warnings.append(
                f"The state that {progress.source_name} has written does not speak of {names} any more, which were not "
                "read this time: the next sync that has them reads them from their start."
            )

        self._notify()

    def _notify(self) -> None:
        if self._options.on_progress is not None:
            self._options.on_progress(self.summary.progress)
