"""What all datasets have, and the seam through which they reach the tables of a cache."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from airbyte_exec.constants import DEFAULT_ARROW_MAX_CHUNK_SIZE
from airbyte_exec.exceptions import PyAirbyteInputError, PyAirbyteInternalError
from airbyte_exec.protocol.models import ConfiguredAirbyteStream

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pandas import DataFrame
    from pyarrow.dataset import Dataset
    from sqlalchemy import Engine, Executable, Table


class TableReader(Protocol):
    """Where the rows of datasets are: a cache."""

    def get_sql_engine(self) -> Engine:
        """Return an SQLAlchemy engine."""
        ...

    def connection(self) -> AbstractContextManager[DuckDBPyConnection]:
        """Open a connection for as long as the context lasts."""
        ...

    def records(self, stream_name: str, statement: Executable) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query on the table of a stream."""
        ...

    def sql_table(self, stream_name: str) -> Table:
        """Return the table of a stream, made of the columns that it is known to have."""
        ...

    def configured_stream(self, stream_name: str) -> ConfiguredAirbyteStream:
        """Return the stream as it was last read."""
        ...


class DatasetBase(abc.ABC):
    """Some records of one stream.

    Parameters:
        stream_metadata: the stream; None where a subclass finds it when it is needed.
    """

    def __init__(self, stream_metadata: ConfiguredAirbyteStream | None) -> None:
        self._metadata: ConfiguredAirbyteStream | None = stream_metadata

    @abc.abstractmethod
    def __iter__(self) -> Iterator[dict[str, Any]]: ...

    def to_pandas(self) -> DataFrame:
        """Return the records as a pandas data frame. This needs the extra `pandas`."""
        return import_extra("pandas", "pandas").DataFrame(dict(record) for record in self)

    def to_arrow(self, *, max_chunk_size: int = DEFAULT_ARROW_MAX_CHUNK_SIZE) -> Dataset:
        """Return the records as an Arrow dataset, held in memory. This needs the extra `arrow`.

        Parameters:
            max_chunk_size: rows in one batch at most.
        """
        arrow = import_extra("pyarrow", "arrow")
        datasets = import_extra("pyarrow.dataset", "arrow")
        table = arrow.Table.from_pylist([dict(record) for record in self])
        return datasets.dataset(table.to_batches(max_chunksize=max_chunk_size), schema=table.schema)

    @property
    def _stream_metadata(self) -> ConfiguredAirbyteStream:
        if self._metadata is None:
            self._metadata = self._find_metadata()

        return self._metadata

    def _find_metadata(self) -> ConfiguredAirbyteStream:
        """Return the stream, where a dataset was made without it."""
        raise PyAirbyteInternalError(message="A dataset was made without its stream.")

    @property
    def column_names(self) -> list[str]:
        """The names of the properties, as the stream's schema writes them."""
        return list(self._stream_metadata.stream.json_schema.get("properties") or {})


class DatasetMap(Mapping[str, DatasetBase]):
    """Datasets by the name of their stream."""

    def __init__(self, datasets: Mapping[str, DatasetBase] | None = None) -> None:
        self._datasets = dict(datasets or {})

    def __getitem__(self, key: str) -> DatasetBase:
        return self._datasets[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)


def import_extra(module: str, extra: str) -> Any:
    """Return an optional module.

    Raises:
        PyAirbyteInputError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise PyAirbyteInputError(
            message=f"This needs {module.partition('.')[0]}, which is not installed.",
            guidance=f"Install it with `pip install 'airbyte-exec[{extra}]'`.",
        ) from error
