"""Takes the states that a sink gives back: each is committed when it comes, and counts are compared on both sides."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio

from airbyte_exec import _crashpoints
from airbyte_exec._engine.options import OnCountMismatch
from airbyte_exec._engine.progress import Progress
from airbyte_exec._state.ledger import CountMismatch, Echo, Ledger, UnknownStateError, join
from airbyte_exec._state.store import Changes
from airbyte_exec.exceptions import PyAirbyteError
from airbyte_exec.protocol.envelope import State

Commit = Callable[[Changes], Awaitable[None]]
MakeError = Callable[[str], Exception]
_STATE_SHOWN = 500  # characters

logger = logging.getLogger(__name__)


class Confirming:
    """Commits what a sink confirms.

    Parameters:
        ledger: which state may be committed.
        commit: makes changes durable.
        progress: live counters.
        on_count_mismatch: what is done where a connector's counts differ from ours.
    """

    def __init__(
        self, ledger: Ledger, commit: Commit, progress: Progress, *, on_count_mismatch: OnCountMismatch
    ) -> None:
        self._ledger = ledger
        self._commit = commit
        self._progress = progress
        self._on_count_mismatch = on_count_mismatch
        self.sink_counts = False
        """Whether the sink counts records by itself (`destinationStats`)."""
        self.warnings: list[str] = []

    async def take(self, states: Sequence[State], error: MakeError) -> None:
        """Commit what these states confirm; states that came together are committed together.

        Parameters:
            error: makes an error of the sink.

        Raises:
            AirbyteConnectorWriteError: a state was never sent, or the sink's count differs and that is to be an error;
                what was confirmed before that state is committed.
        """
        taken: list[Echo] = []
        try:
            for state in states:
                taken.append(self._look(state, error))
        finally:
            await self._commit_all([echo for echo in taken if echo.changes is not None])

    async def commit(self, changes: Changes, states: int = 0) -> None:
        """Make changes durable, among them so many states.

        Shielded: what the sink has confirmed is not forgotten because the run ends at this moment.
        """
        with anyio.CancelScope(shield=True):
            _crashpoints.reached("state.echoed")
            await self._commit(changes)
            _crashpoints.reached("state.committed")

        self._progress.states_committed += states

    def note(self, state: State, wire: State | None, error: MakeError) -> None:
        """Note a state that is about to be sent; one that is refused is not waited for.

        Raises:
            AirbyteConnectorError: the source's own count differs from ours, and that is to be an error.
        """
        mismatch = self._ledger.saw_state(state, wire)
        try:
            self.compare(mismatch, error)
        except PyAirbyteError:
            self._ledger.withdraw(state)
            raise

    def compare(self, mismatch: CountMismatch | None, error: MakeError) -> None:
        """Warn of a difference between two counts, or raise it, as it is wanted.

        Raises:
            AirbyteConnectorError: the counts differ, and that is to be an error.
        """
        if mismatch is None or self._on_count_mismatch == "off":
            return

        where = f"of stream {mismatch.stream} " if mismatch.stream else ""
        text = (
            f"the {mismatch.side} counts {mismatch.claimed:g} records {where}before a state; {mismatch.counted} passed"
        )
        if self._on_count_mismatch == "fail":
            raise error(f"Counts differ: {text}.")

        self.warn(f"Counts differ: {text}.")

    def warn(self, text: str) -> None:
        """Tell the user of something, once."""
        if text not in self.warnings:
            self.warnings.append(text)
            logger.warning("%s", text)

    def _look(self, state: State, error: MakeError) -> Echo:
        echo: Echo | None = None
        with suppress(UnknownStateError):  # it holds the state as it is, which must not hang on ours
            echo = self._ledger.echoed(state)

        if echo is None:
            raise _refusal(state, error)

        if echo.late:
            self.warn("The destination confirmed a state again that it had confirmed before.")

        self.sink_counts = self.sink_counts or state.destination_count is not None
        self.compare(echo.mismatch, error)
        return echo

    async def _commit_all(self, echoes: Sequence[Echo]) -> None:
        if not echoes:
            return

        changes = Changes()
        for echo in echoes:
            changes = join(changes, echo.changes or Changes())

        await self.commit(changes, sum(echo.committed for echo in echoes))
        for echo in echoes:
            for stream, count in echo.records.items():
                self._progress.streams[stream].committed += count


def _refusal(state: State, error: MakeError) -> Exception:
    text = state.line.decode(errors="replace").strip()
    refusal = error(f"It confirmed a state that was never sent to it: {text}")
    if isinstance(refusal, PyAirbyteError) and len(refusal.get_message()) > _STATE_SHOWN:
        refusal.message = refusal.get_message()[:_STATE_SHOWN] + "…"  # not before it was masked

    return refusal
