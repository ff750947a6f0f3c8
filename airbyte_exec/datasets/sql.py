"""Rows of the tables of a cache."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airbyte_exec.constants import (
    AB_EXTRACTED_AT_COLUMN,
    AB_META_COLUMN,
    AB_RAW_ID_COLUMN,
    DEFAULT_ARROW_MAX_CHUNK_SIZE,
)
from airbyte_exec.datasets.base import DatasetBase, TableReader, import_extra
from airbyte_exec.protocol.models import ConfiguredAirbyteStream

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow.dataset import Dataset
    from sqlalchemy import ColumnElement, Select, Table


class SQLDataset(DatasetBase):
    """The rows that a query gives.

    Parameters:
        cache: where the rows are.
        stream_name: the stream's name.
        query_statement: the query; all rows of the stream's table, where it is left out.
        stream_configuration: the stream, where it is known already.
    """

    def __init__(
        self,
        cache: TableReader,
        stream_name: str,
        query_statement: Select[Any] | None = None,
        stream_configuration: ConfiguredAirbyteStream | None = None,
    ) -> None:
        super().__init__(stream_configuration)
        self._cache = cache
        self._stream_name = stream_name
        self._given_statement = query_statement
        self._length: int | None = None

    def _find_metadata(self) -> ConfiguredAirbyteStream:
        return self._cache.configured_stream(self._stream_name)

    @property
    def _query_statement(self) -> Select[Any]:
        from sqlalchemy import select

        return select(self._table) if self._given_statement is None else self._given_statement

    @cached_property
    def _table(self) -> Table:
        return self._cache.sql_table(self._stream_name)

    @property
    def stream_name(self) -> str:
        """The stream's name."""
        return self._stream_name

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._cache.records(self._stream_name, self._query_statement)

    def __len__(self) -> int:
        from sqlalchemy import func, select

        if self._length is None:
            count = select(func.count()).select_from(self._query_statement.subquery())
            with self._cache.get_sql_engine().connect() as connection:
                self._length = int(connection.execute(count).scalar_one())

        return self._length

    def __bool__(self) -> bool:
        return True

    def with_filter(self, *filter_expressions: ColumnElement[bool] | str) -> SQLDataset:
        """Return the rows that all filters let pass.

        Parameters:
            filter_expressions: SQL conditions, or SQLAlchemy expressions.
        """
        from sqlalchemy import and_, text

        filters = [text(e) if isinstance(e, str) else e for e in filter_expressions]
        filtered = self._query_statement.where(and_(True, *filters))
        return SQLDataset(self._cache, self._stream_name, filtered, self._stream_metadata)

    def to_pandas(self) -> DataFrame:
        """Return the rows as a pandas data frame. This needs the extra `pandas`."""
        pandas = import_extra("pandas", "pandas")
        with self._cache.get_sql_engine().connect() as connection:
            frame: DataFrame = pandas.read_sql_query(self._query_statement, connection)

        return frame

    def to_arrow(self, *, max_chunk_size: int = DEFAULT_ARROW_MAX_CHUNK_SIZE) -> Dataset:
        """Return the rows as an Arrow dataset, held in memory. This needs the extra `arrow`.

        Parameters:
            max_chunk_size: rows in one batch at most.
        """
        arrow, datasets = import_extra("pyarrow", "arrow"), import_extra("pyarrow.dataset", "arrow")
        statement = self._query_statement.compile(
            self._cache.get_sql_engine(),
            compile_kwargs={"literal_binds": True, "render_postcompile": True},
        )
        with self._cache.connection() as connection:
            table = arrow.table(connection.sql(str(statement)))

        return datasets.dataset(table.to_batches(max_chunksize=max_chunk_size), schema=table.schema)

    @property
    def column_names(self) -> list[str]:
        """The names of the properties as the stream's schema writes them, and of the columns that every table has."""
        return [*super().column_names, AB_RAW_ID_COLUMN, AB_EXTRACTED_AT_COLUMN, AB_META_COLUMN]


class CachedDataset(SQLDataset):
    """All rows of a stream in a cache.

    Parameters:
        cache: the cache.
        stream_name: the stream's name.
        stream_configuration: the stream, where it is known already.
    """

    def __init__(
        self, cache: TableReader, stream_name: str, stream_configuration: ConfiguredAirbyteStream | None = None
    ) -> None:
        super().__init__(cache, stream_name, None, stream_configuration)

    def to_sql_table(self) -> Table:
        """Return the table as SQLAlchemy has it."""
        return self._table

    def __eq__(self, value: object) -> bool:
        if not isinstance(value, CachedDataset):
            return NotImplemented

        return self._cache is value._cache and self._stream_name == value._stream_name

    def __hash__(self) -> int:
        return hash((id(self._cache), self._stream_name))
