"""One sync's writes into a cache: every batch is one transaction of rows, journal and state.

When a batch is written, all of it is durable, the records that no state covers yet included. If the sync is
interrupted, the source sends those again: so the next sync of the stream first removes them, and a row is never
there twice. (Rows that were merged stay: they will be merged again.)
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from airbyte_exec import _crashpoints
from airbyte_exec._state.ledger import join
from airbyte_exec._state.store import Changes, Pair, StreamSaved
from airbyte_exec.caches import _journal, _state
from airbyte_exec.caches._batch import Batch, BatchBuilder
from airbyte_exec.caches._compressed import compress
from airbyte_exec.caches._connection import MAKING_TABLES
from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._known import known_streams
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._schema import columns_of
from airbyte_exec.caches._sql import ident
from airbyte_exec.caches._state import transaction
from airbyte_exec.caches._tables import TablePlan
from airbyte_exec.caches._writer import TableWriter
from airbyte_exec.protocol.envelope import State
from airbyte_exec.records import RAW_ID
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec.protocol.catalog import StreamPlan

Warn = Callable[[str], None]
TAG_LENGTH = 16
"""Our raw ids are `tag-seq-piece-line`; those of PyAirbyte begin with the 8 digits of a UUID."""

_WAL_BEFORE_CHECKPOINT = "256MB"


class Load:
    """A sync into a cache.

    Parameters:
        registry: the cache, with a connection of its own that the load may keep until `close`.
        pair: whose rows and state they are.
        plans: the streams.
        templates: what is saved of each stream beside its state; None where the caller keeps the state elsewhere.
        warn: called with what the user should know.
    """

    def __init__(
        self,
        registry: Registry,
        pair: Pair,
        plans: Sequence[StreamPlan],
        templates: Mapping[StreamId, StreamSaved] | None,
        *,
        warn: Warn,
    ) -> None:
        self._registry = registry
        self._pair = pair
        self._state = _state.StateWriter(registry, pair)
        self._plans = {plan.stream: plan for plan in plans}
        self._warn = warn
        self._entries: dict[StreamId, StreamEntry] = {}
        self._unparsed: dict[StreamId, int] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="airbyte-exec-compress")
        # A checkpoint compresses the tables once more than a commit has to; without this there would be one a commit.
        registry.connection.execute(f"SET wal_autocheckpoint = '{_WAL_BEFORE_CHECKPOINT}'")
        self._writer = TableWriter(registry.connection, schema=registry.schema, on_unparsed=self._count_unparsed)
        with MAKING_TABLES, transaction(registry.connection):
            registry.create()
            known = known_streams(registry, pair.source_name)
            journal = registry.info("journal").decode()
            self._keeps_state = templates is not None
            self._templates = {stream: replace(saved, journal=journal) for stream, saved in (templates or {}).items()}
            uncovered = _journal.last_of_streams(registry, pair.source_name)
            for plan in plans:
                entry = known.note(pair.source_name, plan.configured)
                self._open(plan, entry, uncovered.get(plan.stream, 0))
                self._entries[plan.stream] = entry

            registry.save(self._entries.values())
            self._seq = registry.last_seq()

    def builder(self) -> BatchBuilder:
        """Return what gathers the batches of this load."""
        return BatchBuilder(self._plans, tag=uuid4().hex[:TAG_LENGTH], seq=self._seq)

    def write(
        self,
        batch: Batch,
        *,
        completed: Collection[StreamId] = (),
        kept: Collection[StreamId] = (),
        last: bool = False,
        on_rows: Callable[[], None],
    ) -> list[State]:
        """Write a batch in one transaction and return its states: they are durable.

        Parameters:
            batch: what to write.
            completed: the streams that are complete with it.
            kept: the streams whose rows stay, also those that no state covers: nobody will send them again.
            last: it is the last one: nothing is left to come of any stream.
            on_rows: called when the commit alone is left to do: it keeps one core busy, and does without Python's lock.
        """
        compressed = self._threads.submit(compress, batch.entries)
        self._seq = max([self._seq, *(entry.seq for entry in batch.entries)])
        covered = {**dict.fromkeys(completed), **batch.covered, **dict.fromkeys(kept, self._seq)}
        entries = self._covering(covered)
        with transaction(self._registry.connection):
            for stream, pieces in batch.pieces.items():
                self._writer.insert(stream, pieces)

            _crashpoints.reached("cache.rows")
            _journal.append(self._registry, self._pair.source_name, compressed.result(), self._generations())
            _crashpoints.reached("cache.journal")
            self._complete([entries[stream] for stream in completed])
            self._registry.save_progress(entries.values())
            changes = self._changes(batch.states, completed) if self._keeps_state else None
            if changes is not None:
                self._state.save(changes)

            on_rows()

        self._entries.update(entries)
        if last:
            self._report()

        return batch.states

    def interrupt(self) -> None:
        """End the statement that is running in another thread, if any; its transaction is rolled back."""
        self._registry.connection.interrupt()

    def close(self) -> None:
        """Let go of the threads and of the connection. What was not written stays unwritten."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._registry.connection.close()

    def _open(self, plan: StreamPlan, entry: StreamEntry, last: int) -> None:
        configured = plan.configured
        keys = tuple(tuple(path) for path in configured.primary_key or ()) if plan.method is WriteMethod.MERGE else ()
        cursor = tuple(configured.cursor_field or ()) if keys else ()
        needed = [path[0] for path in (*keys, cursor) if path]
        columns = columns_of(configured.stream.json_schema, also=needed, known=entry.columns)
        entry.columns.update({column.key: column.name for column in columns})
        generation = configured.generation_id or 0
        staging = self._stage(plan, entry, generation)
        table = TablePlan(
            stream=plan.stream,
            table=entry.table,
            columns=tuple(columns),
            primary_key=keys,
            cursor=cursor,
            staging=staging,
        )
        kept = self._writer.open(table)
        if kept:
            self._warn(
                f"{len(kept)} columns of table {table.target} keep the type that they have (such as {kept[0].name}: "
                f"{kept[0].type}): a value that does not fit becomes NULL and is named in _airbyte_meta"
            )

        if last > entry.covered:
            _journal.remove_after(self._registry, entry)
            if not keys:
                self._remove_rows_after(table.target, entry.covered)

        if staging is None:
            entry.generation_id = max(entry.generation_id, generation)

    def _stage(self, plan: StreamPlan, entry: StreamEntry, generation: int) -> str | None:
        """Return the staging table of a stream that is replaced; one of another generation is given up."""
        minimum = plan.configured.minimum_generation_id or 0
        replaces = plan.method is WriteMethod.REPLACE or (minimum > 0 and minimum == generation)
        going_on = entry.staging_generation_id == generation and generation > 0 and replaces
        if entry.staging_generation_id is not None and not going_on:
            _journal.remove_generation(self._registry, entry, entry.staging_generation_id)
            self._writer.drop(entry.staging)
            entry.staging_generation_id = None

        if not replaces or (plan.method is not WriteMethod.REPLACE and generation == entry.generation_id):
            return None

        entry.staging_generation_id = generation if generation > entry.generation_id else entry.generation_id + 1
        return entry.staging

    def _remove_rows_after(self, table: str, covered: int) -> None:
        self._registry.connection.execute(
            f"DELETE FROM {ident(self._registry.schema, table)} "
            f"WHERE length(split_part({ident(RAW_ID)}, '-', 1)) = ? "
            f"AND TRY_CAST(split_part({ident(RAW_ID)}, '-', 2) AS BIGINT) > ?",
            [TAG_LENGTH, covered],
        )

    def _covering(self, covered: Mapping[StreamId, int | None]) -> dict[StreamId, StreamEntry]:
        """Return new entries of these streams, each with the last place that is covered from now on."""
        known = {stream: self._entries[stream] for stream in covered if stream in self._entries}
        return {
            stream: replace(entry, covered=entry.covered if (seq := covered[stream]) is None else seq)
            for stream, entry in known.items()
        }

    def _complete(self, entries: Sequence[StreamEntry]) -> None:
        for entry in entries:
            self._writer.complete(entry.stream)

        replaced = [entry for entry in entries if entry.staging_generation_id is not None]
        if replaced:
            self._seq = _journal.complete_generations(self._registry, replaced, self._seq)

        for entry in replaced:
            entry.generation_id = entry.staging_generation_id or 0
            entry.has_journal = True
            entry.staging_generation_id = None

        for entry in entries:
            entry.covered = self._seq

    def _generations(self) -> dict[StreamId, int]:
        return {
            stream: entry.generation_id if entry.staging_generation_id is None else entry.staging_generation_id
            for stream, entry in self._entries.items()
        }

    def _changes(self, states: Iterable[State], completed: Collection[StreamId]) -> Changes | None:
        changes: Changes | None = None
        for state in states:
            if state.kind == "STREAM":
                (stream, body), *_ = state.streams
                self._templates[stream] = replace(self._templates[stream], state=body, position=state.position)
                new = Changes("STREAM", {stream: self._templates[stream]})
            else:
                for stream, saved in self._templates.items():
                    self._templates[stream] = replace(saved, position=state.position)

                new = Changes(state.kind, dict(self._templates), state.body)

            changes = new if changes is None else join(changes, new)

        if completed:
            done = {stream: replace(self._templates[stream], complete=True) for stream in completed}
            changes = Changes(None, done) if changes is None else join(changes, Changes(None, done))

        return changes

    def _count_unparsed(self, stream: StreamId, count: int) -> None:
        self._unparsed[stream] = self._unparsed.get(stream, 0) + count

    def _report(self) -> None:
        for stream, count in self._unparsed.items():
            self._warn(
                f"{count} records of stream {stream} hold what the database cannot: their rows are incomplete, and say "
                "so in _airbyte_meta; the journal has them as they came"
            )

        self._unparsed.clear()
