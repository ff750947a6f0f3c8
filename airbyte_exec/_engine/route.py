"""What passes to the destination, and under which name: streams of the catalog pass, all others are counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection

from airbyte_exec._engine.options import NameMapping
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.protocol.rename import rename_records, rename_state
from airbyte_exec.types import StreamId

logger = logging.getLogger(__name__)


class Route:
    """Passes what belongs to the catalog.

    Parameters:
        streams: the streams of the catalog, under the source's names.
        mapping: how the destination names them.

    Raises:
        PyAirbyteInputError: two streams get one name.
    """

    def __init__(self, streams: Collection[StreamId], mapping: NameMapping) -> None:
        self.streams = frozenset(streams)
        self.names = {stream: mapping.apply(stream) for stream in streams}
        self.unknown: Counter[StreamId] = Counter()
        """Records and states of streams that are not in the catalog."""
        self.mask: Callable[[str], str] = str
        """Makes the name of a stream that nobody asked for fit to be shown."""
        self._is_plain = all(stream == name for stream, name in self.names.items())
        if len(set(self.names.values())) < len(self.names):
            twice = [str(name) for name, count in Counter(self.names.values()).items() if count > 1]
            raise PyAirbyteInputError(
                message=f"The name mapping gives two streams one name: {', '.join(sorted(twice))}.",
                guidance="Keep the namespace in it: `${SOURCE_NAMESPACE}`.",
            )

    def admit(self, item: Records | State) -> Records | State | None:
        """Return the part of an item that is of the catalog, or None; what is left out is counted."""
        if isinstance(item, Records):
            if not self.streams.issuperset(item.counts):
                for stream in item.counts.keys() - self.streams:
                    self._leave_out(stream, item.counts[stream])

            return item.only(self.streams)

        if item.kind == "STREAM" and item.streams[0][0] not in self.streams:
            self._leave_out(item.streams[0][0], 1)
            return None

        return item

    def _leave_out(self, stream: StreamId, count: int) -> None:
        if not self.unknown:
            logger.warning(
                "The source sends records or states of streams that are not in the catalog, such as %s: they are "
                "counted, and not forwarded.",
                self.mask(str(stream)),
            )

        self.unknown[stream] += count

    def rename(self, item: Records | State) -> Records | State:
        """Return the item under the names that the destination sees."""
        if self._is_plain:
            return item

        return rename_records(item, self.names) if isinstance(item, Records) else rename_state(item, self.names)
