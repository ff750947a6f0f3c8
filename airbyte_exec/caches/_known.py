"""All streams that a cache knows, and a table for each."""

from __future__ import annotations

import json
from collections.abc import Iterable

from airbyte_exec.caches import _program_states, _state
from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._schema import normalized, suffixed
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.types import StreamId


class KnownStreams:
    """The streams of a cache.

    Parameters:
        entries: what is known of them.
        table_prefix: the cache's table prefix.
    """

    def __init__(self, entries: Iterable[StreamEntry], *, table_prefix: str) -> None:
        self._entries = {(entry.source_name, entry.stream): entry for entry in entries}
        self._tables = {entry.table.casefold() for entry in self._entries.values()}
        self._table_prefix = table_prefix

    def of(self, source_name: str) -> list[StreamEntry]:
        """Return the streams of a source."""
        return [entry for entry in self._entries.values() if entry.source_name == source_name]

    def note(self, source_name: str, configured: ConfiguredAirbyteStream) -> StreamEntry:
        """Return the entry of a stream that is to be read; a new one has a table that no other stream has."""
        stream = StreamId(configured.stream.name, configured.stream.namespace)
        entry = self._entries.get((source_name, stream))
        if entry is None:
            entry = StreamEntry(source_name, stream, self._table_for(source_name, stream), configured)
            self._entries[source_name, stream] = entry
            self._tables.add(entry.table.casefold())

        entry.configured = configured
        return entry

    def _table_for(self, source_name: str, stream: StreamId) -> str:
        """Return PyAirbyte's name for the table of a stream, unless another stream has that one."""
        namespace = [stream.namespace] if stream.namespace else []
        for parts in ([stream.name], [*namespace, stream.name], [source_name, *namespace, stream.name]):
            table = self._normalized("_".join(parts))
            if table not in self._tables and not table.startswith("_airbyte_"):
                return table

        return suffixed(self._normalized(stream.name), json.dumps([source_name, *stream]))

    def _normalized(self, name: str) -> str:
        return normalized(self._table_prefix + name, otherwise="stream")


def known_streams(registry: Registry, source_name: str) -> KnownStreams:
    """Return what is known of all streams. Where PyAirbyte has written rows of this source, the journal does not have
    them: it gets another id, and those streams are replayed from their rows. To be called in a transaction.
    """
    known = KnownStreams(registry.streams(), table_prefix=registry.table_prefix)
    names = _state.written_by_pyairbyte(registry, source_name)
    if names:
        names -= _program_states.of_journal(registry, source_name, names)

    stale = [entry for entry in known.of(source_name) if entry.stream.name in names and entry.has_journal]
    for entry in stale:
        entry.has_journal = False

    if stale:
        registry.save(stale)
        registry.begin_journal()

    return known
