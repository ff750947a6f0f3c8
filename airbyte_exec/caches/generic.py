"""A cache whose place is given as a SQLAlchemy URL."""

from __future__ import annotations

from pathlib import Path

from airbyte_exec.caches._connection import MEMORY
from airbyte_exec.caches.duckdb import DuckDBCache
from airbyte_exec.exceptions import PyAirbyteInputError


class GenericSQLCacheConfig(DuckDBCache):
    """A cache in the database that a SQLAlchemy URL names.

    Parameters:
        sql_alchemy_url: `duckdb:///relative/path.duckdb`, `duckdb:////absolute/path.duckdb` or `duckdb:///:memory:`.
        schema_name: the schema that all tables are in.
        table_prefix: what the names of the tables of streams begin with.
        cache_dir: the folder of the cache.
        cleanup: kept for callers of PyAirbyte: nothing is left behind that could be cleaned up.

    Raises:
        PyAirbyteInputError: it is no URL, one of another kind of database, or one that says more than a path.
    """

    def __init__(
        self,
        sql_alchemy_url: str,
        schema_name: str = "main",
        table_prefix: str | None = "",
        cache_dir: Path | str | None = None,
        *,
        cleanup: bool = True,
    ) -> None:
        super().__init__(_path_in(sql_alchemy_url), schema_name, table_prefix, cache_dir, cleanup=cleanup)
        self.sql_alchemy_url = sql_alchemy_url


def _path_in(sql_alchemy_url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    guidance = "Give one such as 'duckdb:///rows.duckdb'."
    try:
        url = make_url(sql_alchemy_url)
    except ArgumentError:
        # Not with its text, nor as its cause: a URL may hold a password.
        raise PyAirbyteInputError(message="The SQLAlchemy URL cannot be read.", guidance=guidance) from None

    if url.get_backend_name() != "duckdb":
        raise PyAirbyteInputError(
            message=f"A cache lies in a DuckDB file, not in a database of the kind {url.get_backend_name()!r}.",
            guidance=guidance + " To write to another database, use its destination.",
        )

    if url.query or (url.host, url.port, url.username, url.password) != (None,) * 4:
        raise PyAirbyteInputError(
            message="The SQLAlchemy URL says more than the path of a DuckDB file: a host, a user or parameters.",
            guidance=guidance + " A path stands after three slashes, an absolute one after four.",
        )

    return url.database or MEMORY
