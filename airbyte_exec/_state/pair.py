"""The state of one source and one destination, for the length of one sync: the store's asynchronous face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from airbyte_exec._state.runlock import RunLock
from airbyte_exec._state.store import Changes, Pair, Saved, StateStore, config_digest


class PairState:
    """Loads and commits the state of a pair.

    Parameters:
        store: where it is kept; None where state is off: then nothing is loaded and nothing is kept.
        pair: whose state it is.
        salt: the key of the store's digests.
        commits: whether commits are carried out; not where a cache writes state together with its rows.
    """

    def __init__(self, store: StateStore | None, pair: Pair, salt: bytes, *, commits: bool = True) -> None:
        self._store = store
        self._commits = commits
        self._salt = salt
        self.pair = pair
        self.warnings: list[str] = []

    async def load(self) -> Saved | None:
        """Return what is known of the pair; a change of a config that makes it unknown is warned of."""
        if self._store is None:
            return None

        saved = await anyio.to_thread.run_sync(self._store.load, self.pair)
        if saved is None and await anyio.to_thread.run_sync(self._is_known_otherwise, self._store):
            self.warnings.append(
                f"The config of {self.pair.source_name} or {self.pair.destination_name or 'the cache'} has changed: "
                "saved state belongs to another one, so everything is read anew. `state_key` keeps state over a change."
            )

        return saved

    def _is_known_otherwise(self, store: StateStore) -> bool:
        names = (self.pair.source_name, self.pair.destination_name)
        return any((known.source_name, known.destination_name) == names for known in store.pairs())

    def run_lock(self) -> RunLock | None:
        """Return the lock of the pair, None where the store has no place for locks. It blocks.

        It goes by the keys that the pair is saved under: a config that a connector made is no other pair.
        """
        place = getattr(self._store, "lock_place", None)
        if self._store is None or place is None:
            return None

        saved_as = getattr(self._store, "saved_as", None)
        return RunLock(place, self.pair if saved_as is None else saved_as(self.pair))

    async def commit(self, changes: Changes) -> None:
        """Make changes durable before this returns."""
        if self._store is not None and self._commits:
            await anyio.to_thread.run_sync(self._store.commit, self.pair, changes)

    def without_commits(self) -> PairState:
        """Return the same state, for a sink that commits by itself."""
        return PairState(self._store, self.pair, self._salt, commits=False)

    async def add_alias(self, config: Mapping[str, Any]) -> None:
        """Note that a connector made this config of the one that the user gave: it keeps the state."""
        if self._store is not None:
            await self.commit(Changes(aliases=frozenset({config_digest(self._salt, config)})))


async def open_pair(
    store: StateStore | None,
    *,
    source_name: str,
    source_config: Mapping[str, Any],
    source_key: str | None = None,
    destination_name: str | None,
    destination_config: Mapping[str, Any],
    state_key: str | None,
) -> PairState:
    """Return the state of a source and a destination with these configs, or under the key that the caller gave.

    Parameters:
        source_key: the source's key, where it is known and the config is not.
    """
    if store is None:
        return PairState(None, Pair(source_name, destination_name, ""), b"")

    salt = await anyio.to_thread.run_sync(lambda: store.salt)
    if state_key is not None:
        keys = (f"key:{state_key}", f"key:{state_key}" if destination_name else "")
    else:
        known = source_key or config_digest(salt, source_config)
        keys = (known, config_digest(salt, destination_config) if destination_name else "")

    return PairState(store, Pair(source_name, destination_name, *keys), salt)
