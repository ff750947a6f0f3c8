"""Where committed state is kept: the seam between the ledger and a file or a database.

A store keeps one `Saved` a `Pair`. What a source wrote is kept as the bytes that it wrote. All methods block and are
called from worker threads.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from airbyte_exec.types import StreamId

StateKind = Literal["STREAM", "GLOBAL", "LEGACY"]

MOST_ALIASES = 50
"""How many configs that connectors made are known of a pair: a token that is renewed at each run makes one each."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Whose state it is.

    Parameters:
        source_name: the source connector's name.
        destination_name: the destination connector's name; None for the rows of a cache.
        source_key: the digest of the source's config (`config_digest`), or the `state_key` that the caller gave.
        destination_key: the same for the destination; empty for the rows of a cache.
    """

    source_name: str
    destination_name: str | None
    source_key: str
    destination_key: str = ""


@dataclass(frozen=True, slots=True)
class StreamSaved:
    """What is known of one stream.

    Parameters:
        state: the JSON text of its `stream_state`, as the source wrote it; None where the source sent none.
        generation_id: the generation that was last written.
        minimum_generation_id: the least generation that the destination may keep, as it was last told.
        sync_id: the number of the sync that wrote it last.
        full_refresh: the state comes from a full refresh (or a replace), not from an incremental sync.
        complete: the sync that wrote it ended well for this stream.
        journal: the id of the cache journal that `position` counts in.
        position: the last entry of that journal which the destination has confirmed.
    """

    state: bytes | None = None
    generation_id: int = 0
    minimum_generation_id: int = 0
    sync_id: int = 0
    full_refresh: bool = False
    complete: bool = False
    journal: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """All that is known of a pair.

    Parameters:
        kind: what kind of state the source sends; None while it has sent none.
        streams: by stream. With GLOBAL and LEGACY state their `state` is None and the rest is true all the same.
        document: the JSON text of the `global` object (GLOBAL) or of `data` (LEGACY), as the source wrote it.
        aliases: digests of configs that the connectors themselves made of the one that the user gave, the newest last;
            `MOST_ALIASES` are kept.
        last_updated: seconds since the epoch.
    """

    kind: StateKind | None = None
    streams: Mapping[StreamId, StreamSaved] = field(default_factory=dict)
    document: bytes | None = None
    aliases: tuple[str, ...] = ()
    last_updated: float = 0.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What a commit changes.

    Streams that are not named stay as they are; None leaves a field as it is, and an empty `document` drops it.
    """

    kind: StateKind | None = None
    streams: Mapping[StreamId, StreamSaved] = field(default_factory=dict)
    document: bytes | None = None
    aliases: frozenset[str] = frozenset()


class StateStore(Protocol):
    """Keeps committed state.

    Every method raises `PyAirbyteStateError` where the store cannot be read or written.
    """

    @property
    def salt(self) -> bytes:
        """The key of the digests of configs in this store: made at random when the store is made."""
        ...

    def load(self, pair: Pair) -> Saved | None:
        """Return what is known of the pair, also where one of its keys is an alias of the saved one."""
        ...

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        ...

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        ...

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        ...


def config_digest(salt: bytes, config: Mapping[str, Any]) -> str:
    """Return a keyed digest of a config: equal configs give equal digests, and it tells nothing about the config."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()[:32]


def merge_changes(saved: Saved | None, changes: Changes, *, now: float) -> Saved:
    """Return what is known after the changes.

    A source has one kind of state: where the kind changes, the states of the old kind are dropped (the protocol:
    legacy `data` goes when a typed state is there).
    """
    before = saved or Saved()
    streams = {**before.streams, **changes.streams}
    kind = changes.kind or before.kind
    document = changes.document if changes.document is not None else before.document

    if changes.kind is not None and changes.kind != before.kind:
        document = changes.document

    if kind in ("GLOBAL", "LEGACY"):
        streams = {stream: replace(known, state=None) for stream, known in streams.items()}

    return Saved(
        kind=kind,
        streams=streams,
        document=None if kind == "STREAM" else document or None,
        aliases=_newest([*before.aliases, *sorted(changes.aliases)]),
        last_updated=now,
    )


def _newest(aliases: Sequence[str]) -> tuple[str, ...]:
    """Return the aliases that are kept, each once, where it came last."""
    once = list(dict.fromkeys(reversed(aliases)))[:MOST_ALIASES]
    return tuple(reversed(once))
