"""Records that come while they are iterated over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airbyte_exec.datasets.base import DatasetBase
from airbyte_exec.datasets.memory import InMemoryDataset
from airbyte_exec.protocol.models import ConfiguredAirbyteStream


class LazyDataset(DatasetBase):
    """Records that come while they are iterated over, once.

    Parameters:
        iterator: the records.
        stream_metadata: the stream.
        close: ends what produces the records; the iterator's own `close`, where it is left out and there is one.
    """

    def __init__(
        self,
        iterator: Iterator[dict[str, Any]],
        *,
        stream_metadata: ConfiguredAirbyteStream,
        close: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(stream_metadata)
        self._iterator = iterator
        self._close = close if close is not None else getattr(iterator, "close", None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # This object, not the inner iterator: a loop over `source.get_records(…)` holds nothing else of it.
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._iterator)

    def fetch_all(self) -> InMemoryDataset:
        """Return all records that are left, in memory."""
        return InMemoryDataset(list(self._iterator), self._stream_metadata)

    def close(self) -> None:
        """End what produces the records; returns when it has ended."""
        if self._close is not None:
            self._close()
