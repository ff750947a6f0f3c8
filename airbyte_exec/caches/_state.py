"""State in a database: a `StateStore` that the tables of a cache hold.

What PyAirbyte's tables can say is written there as well, and read from there: a state in its table that is not the
one which was last mirrored into it was written by PyAirbyte since, and is the newer one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from airbyte_exec import _crashpoints
from airbyte_exec._state.document import without_saved
from airbyte_exec._state.runlock import LockPlace
from airbyte_exec._state.store import Changes, Pair, Saved, merge_changes
from airbyte_exec.caches import _mirror, _state_rows
from airbyte_exec.caches._registry import Registry
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class SqlStateStore:
    """A `StateStore` in the tables of a cache. Each call opens the database for itself.

    Parameters:
        connect: opens the database; the tables are there.
        lock_place: where the locks of runs lie; None for no locks.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[Registry]], lock_place: LockPlace | None = None
    ) -> None:
        self._connect = connect
        self.lock_place = lock_place
        self._salt: bytes | None = None

    @property
    def salt(self) -> bytes:
        """The key of the digests of configs in this store: made at random when the store is made."""
        if self._salt is None:
            with _store_errors("read"), self._connect() as registry:
                self._salt = registry.info("salt")

        return self._salt

    def load(self, pair: Pair) -> Saved | None:
        """Return what is known of the pair, also where one of its keys is an alias of the saved one."""
        with _store_errors("read"), self._connect() as registry:
            return load(registry, pair)

    def saved_as(self, pair: Pair) -> Pair:
        """Return the pair with the keys that it is saved under: one of its own may be an alias."""
        with _store_errors("read"), self._connect() as registry:
            row = _state_rows.find(_state_rows.rows_of(registry, pair.source_name, pair.destination_name), pair)
            return pair if row is None else row.pair

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        with _store_errors("written"), self._connect() as registry, transaction(registry.connection):
            save(registry, pair, changes)

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        with _store_errors("written"), self._connect() as registry, transaction(registry.connection):
            row = _state_rows.find(_state_rows.rows_of(registry, pair.source_name, pair.destination_name), pair)
            mirrored = _mirror.read(registry, pair)
            names = mirrored if streams is None else {stream.name for stream in streams}
            _mirror.delete(registry, pair, [name for name in names if name in mirrored])
            if row is not None:
                _state_rows.delete(registry, row.pair)
                if streams is not None:
                    left = {name: text for name, text in row.mirrored.items() if name not in names}
                    _state_rows.insert(registry, _state_rows.Row(row.pair, without_saved(row.saved, streams), left))

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        with _store_errors("read"), self._connect() as registry:
            own = [row.pair for row in _state_rows.rows_of(registry)]
            named = {(pair.source_name, pair.destination_name) for pair in own}
            return own + [
                pair for pair in _mirror.pairs(registry) if (pair.source_name, pair.destination_name) not in named
            ]


@contextmanager
def _store_errors(done: str) -> Iterator[None]:
    """Raise what the database says as an error of a store, as a pump, which knows no database, expects it."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise PyAirbyteStateError(
            message=f"The state in the cache cannot be {done}.", context={"reason": str(error)}
        ) from error


class transaction:  # noqa: N801 - reads as a noun in a `with`, as in every database library
    """Commits at the end of the block, or rolls back where it raises."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        _crashpoints.reached("cache.beginning")
        self._connection.execute("BEGIN TRANSACTION")
        _crashpoints.reached("cache.begun")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _crashpoints.reached("cache.committing")
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        _crashpoints.reached("cache.committed")


def load(registry: Registry, pair: Pair) -> Saved | None:
    """Return what is known of the pair; see `StateStore.load`."""
    rows = _state_rows.rows_of(registry, pair.source_name, pair.destination_name)
    row = _state_rows.find(rows, pair)
    if row is None:
        return None if rows else _foreign(registry, pair)

    return _with_foreign(registry, row, rows)


def save(registry: Registry, pair: Pair, changes: Changes) -> None:
    """Write changes within the transaction that the connection is in."""
    StateWriter(registry, pair).save(changes)


class StateWriter:
    """Writes the state of one pair, many times: what it wrote itself it does not read again.

    Aliases alone may be added by another connection meanwhile, so they are written once and left as they are then.

    Parameters:
        registry: the cache, with the connection that is used.
        pair: whose state it is.
    """

    def __init__(self, registry: Registry, pair: Pair) -> None:
        self._registry = registry
        self._pair = pair
        self._mirror = _mirror.Mirror(registry, pair)
        self._row: _state_rows.Row | None = None

    def save(self, changes: Changes) -> None:
        """Write changes within the transaction that the connection is in. Where it fails, nothing more may be saved."""
        registry, pair, known = self._registry, self._pair, self._row
        now = time.time()
        if known is not None:
            saved = merge_changes(known.saved, changes, now=now)
            self._row = _state_rows.Row(known.pair, saved, self._mirror.write(saved, known.mirrored))
            _state_rows.update(registry, self._row)
            return

        rows = _state_rows.rows_of(registry, pair.source_name, pair.destination_name)
        row = _state_rows.find(rows, pair)
        before = _with_foreign(registry, row, rows) if row is not None else None if rows else _foreign(registry, pair)
        saved = merge_changes(before, changes, now=now)
        mirrored = self._mirror.write(saved, row.mirrored if row is not None else {})
        if row is not None:
            _state_rows.delete(registry, row.pair)

        self._row = _state_rows.Row(row.pair if row is not None else pair, saved, mirrored)
        _state_rows.insert(registry, self._row)


def written_by_pyairbyte(registry: Registry, source_name: str) -> set[str]:
    """Return the names of the streams of a source that PyAirbyte has written to this cache since we did."""
    return {*_written_since(registry, Pair(source_name, None, ""), _state_rows.rows_of(registry, source_name, None))}


def latest(registry: Registry, source_name: str, destination_name: str | None = None) -> Saved | None:
    """Return what was saved last of a source, and of a destination or of the rows here, with whatever configs."""
    rows = _state_rows.rows_of(registry, source_name, destination_name)
    if not rows:
        return _foreign(registry, Pair(source_name, destination_name, ""))

    return _with_foreign(registry, max(rows, key=lambda row: row.saved.last_updated), rows)


def _foreign(registry: Registry, pair: Pair) -> Saved | None:
    rows = _mirror.read(registry, pair)
    return _mirror.merged(Saved(), rows) if rows else None


def _with_foreign(registry: Registry, row: _state_rows.Row, rows: Sequence[_state_rows.Row]) -> Saved:
    return _mirror.merged(row.saved, _written_since(registry, row.pair, rows))


def _written_since(registry: Registry, pair: Pair, rows: Iterable[_state_rows.Row]) -> dict[str, str]:
    """Return the states that PyAirbyte wrote. Its table knows no configs: what we wrote for another one is not its."""
    ours = {item for row in rows for item in row.mirrored.items()}
    return {name: text for name, text in _mirror.read(registry, pair).items() if (name, text) not in ours}
