"""Reads what a destination stored in tables of a database. It looks, and makes nothing: no table, no file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.conformance.rows import Row, row_of
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

_NAMESPACE = re.compile(r"\{namespace\}.*?(?=\{stream\}|$)")  # and what divides it from the stream
_NO_FILE = re.compile(r"[a-z]*:")  # such as :memory:, md:, and the URIs of SQLite


@dataclass(frozen=True, kw_only=True)
class Sql:
    """Tables of a database, by the name of the stream in the schema of its namespace.

    Parameters:
        url: as SQLAlchemy takes it: DuckDB, SQLite, Postgres, and what else has a driver.
        table: the name of a table, with `{stream}`, and `{namespace}` where namespaces are no schemas. A stream
            without a namespace has a name without the `{namespace}` and what stands between the two.
        default: the schema of streams without a namespace.
        file: the file of the database, where its path may hold what divides a URL.
    """

    url: str
    table: str = "{stream}"
    default: str = ""
    file: str | None = None

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows of the table; none where there is no such table.

        Raises:
            PyAirbyteInputError: the database cannot be reached or the table not be read, its file is not there, or
                nothing here speaks its language.
        """
        import sqlalchemy as sa
        from sqlalchemy.exc import SQLAlchemyError

        template = self.table if namespace or self.default else _NAMESPACE.sub("", self.table)
        table = template.format(namespace=namespace or self.default, stream=name)
        schema = None if "{namespace}" in self.table else namespace or self.default or None
        url = sa.make_url(self.url) if self.file is None else sa.make_url(self.url).set(database=self.file)
        _check_file(url)
        try:
            engine = sa.create_engine(url, poolclass=sa.NullPool)
            with engine.connect() as connection:
                return _rows_of_table(connection, table, schema) if _has_table(connection, table, schema) else []
        except (ImportError, SQLAlchemyError, ValueError) as error:
            message = f"The table cannot be read: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise PyAirbyteInputError(message=message) from error


def _check_file(url: URL) -> None:
    """Raise where the file of a database is not there: whoever connects to it would make one."""
    name = url.database
    if url.get_backend_name() not in ("duckdb", "sqlite") or not name or _NO_FILE.match(name):
        return

    if not Path(name).expanduser().is_file():
        raise PyAirbyteInputError(message=f"There is no file {name}: nothing was stored there, or it is another.")


def _rows_of_table(connection: Connection, name: str, schema: str | None) -> list[Row]:
    import sqlalchemy as sa

    table = sa.table(sa.quoted_name(name, True), schema=sa.quoted_name(schema, True) if schema else None)
    if connection.dialect.name == "postgresql":  # it knows dates that Python does not, such as those before our era
        rows = table.alias("rows_")
        query = sa.select(sa.cast(sa.func.to_jsonb(sa.literal_column("rows_")), sa.Text)).select_from(rows)
        return [row_of(json.loads(found[0])) for found in connection.execute(query)]

    every: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(table)
    return [row_of(dict(found._mapping)) for found in connection.execute(every)]


def _has_table(connection: Connection, name: str, schema: str | None) -> bool:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    if schema is not None and connection.dialect.name == "sqlite" and schema not in inspector.get_schema_names():
        return False  # of a file that is not attached it would say that it cannot look

    return inspector.has_table(name, schema=schema)
