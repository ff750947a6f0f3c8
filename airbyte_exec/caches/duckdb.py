"""A cache in a DuckDB file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec._state.runlock import LockPlace
from airbyte_exec.caches._connection import MEMORY, DuckDBFile
from airbyte_exec.caches.base import CacheBase

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlalchemy import Engine


class DuckDBCache(CacheBase):
    """A cache in a DuckDB file.

    The file is opened when it is first needed, and is locked against other processes until `close()`, or until nobody
    holds the cache any more. In this process it can be opened with `duckdb.connect(db_path)` at the same time.

    Parameters:
        db_path: the file; `:memory:` for none.
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with.
        cache_dir: the folder of the cache.
        cleanup: kept for callers of PyAirbyte: nothing is left behind that could be cleaned up.
    """

    def __init__(
        self,
        db_path: Path | str,
        schema_name: str = "main",
        table_prefix: str | None = "",
        cache_dir: Path | str | None = None,
        *,
        cleanup: bool = True,
    ) -> None:
        if cache_dir is None and str(db_path) != MEMORY:
            cache_dir = Path(db_path).parent

        super().__init__(schema_name=schema_name, table_prefix=table_prefix, cache_dir=cache_dir, cleanup=cleanup)
        self.db_path = db_path
        self._file = DuckDBFile(db_path)

    def close(self) -> None:
        """Close the file, so that other processes can open it. The cache opens again when it is used."""
        super().close()
        self._file.close()

    def get_sql_alchemy_url(self) -> str:
        """Return the SQLAlchemy URL of the file."""
        return f"duckdb:///{self.db_path}"

    def get_database_name(self) -> str:
        """Return the name that DuckDB gives the file: its name without what follows the first dot."""
        return "memory" if self._file.in_memory else Path(self.db_path).name.split(".")[0]

    @property
    def paired_destination_name(self) -> str:
        """The connector that writes DuckDB files."""
        return "destination-duckdb"

    @property
    def paired_destination_config(self) -> dict[str, Any]:
        """A config with which that destination writes to the same file."""
        return {"destination_path": str(self.db_path), "schema": self.schema_name}

    def _lock_place(self) -> LockPlace | None:
        if self._file.in_memory:
            return None

        path = Path(self.db_path).expanduser().resolve()
        return LockPlace(path.parent, path.name)

    def _connect(self) -> DuckDBPyConnection:
        return self._file.connect()

    def _make_engine(self) -> Engine:
        from duckdb_engine import ConnectionWrapper
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        def connect() -> Any:
            # Not by the engine's own way: it sets a user agent, and then nobody else could open the file.
            return ConnectionWrapper(self._file.connect())

        return create_engine(
            self.get_sql_alchemy_url(),
            creator=connect,
            poolclass=NullPool,
            execution_options={"schema_translate_map": {None: self.schema_name}},
        )

    def __repr__(self) -> str:
        return (
            f"DuckDBCache({str(self.db_path)!r}, schema_name={self.schema_name!r}, table_prefix={self.table_prefix!r})"
        )
