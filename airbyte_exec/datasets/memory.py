"""Records in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from airbyte_exec.datasets.base import DatasetBase
from airbyte_exec.protocol.models import ConfiguredAirbyteStream


class InMemoryDataset(DatasetBase):
    """Records in memory: for samples and tests.

    Parameters:
        records: the records.
        stream_metadata: the stream.
    """

    def __init__(self, records: Iterable[dict[str, Any]], stream_metadata: ConfiguredAirbyteStream) -> None:
        super().__init__(stream_metadata)
        self._records = list(records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
