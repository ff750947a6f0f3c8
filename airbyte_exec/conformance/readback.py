"""Reads what a destination stored: from files, from a database by SQL, or by a command of the connector's author.

A row is a mapping of columns. The columns `_airbyte_data` and `data`, where they hold the whole record, take the place
of the row, so that a store of raw records and one of typed tables are read alike.
"""

from __future__ import annotations

import glob
import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = dict[str, Any]
COMMAND_LIMIT = 60.0  # seconds for one answer of an author's command
_WHOLE = ("_airbyte_data", "data")
_HINT = (
    "Such as 'files:/data/{namespace}/{stream}/*.parquet', 'sqlite:////data/x.db', 'duckdb:////data/x.duckdb', "
    "'postgresql://…', or 'command:./print-rows' (called with namespace and stream, prints rows as JSON lines)."
)


class ReadBack(Protocol):
    """Reads the rows of a stream."""

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows of a stream; none where there is nothing of it."""
        ...


def read_back(text: str, *, namespace: str = "") -> ReadBack:
    """Return the adapter of a text.

    Parameters:
        text: `files:TEMPLATE`, `command:PROGRAM`, or the URL of a database.
        namespace: where streams without a namespace are.

    Raises:
        PyAirbyteInputError: it names no adapter.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not rest:
        raise PyAirbyteInputError(message=f"{text!r} is no way to read rows back.", guidance=_HINT)

    if scheme == "files":
        return Files(template=rest, default=namespace)

    return Command(argv=tuple(shlex.split(rest))) if scheme == "command" else Sql(url=text, default=namespace)


@dataclass(frozen=True, kw_only=True)
class Files:
    """JSONL, CSV or Parquet files.

    Parameters:
        template: the path, with `{namespace}` and `{stream}` (percent-encoded), and perhaps a `*`.
        default: the namespace of streams without one.
    """

    template: str
    default: str = ""

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows of all files."""
        where = self.template.format(namespace=_encoded(namespace or self.default), stream=_encoded(name))
        found = sorted(glob.glob(where))  # noqa: PTH207 - the template is absolute, and may begin anywhere
        return [row for path in found for row in _rows_of_file(Path(path))]


def _encoded(name: str) -> str:
    return glob.escape(quote(name, safe=" -_."))


def _rows_of_file(path: Path) -> list[Row]:
    if path.suffix in (".jsonl", ".json", ".ndjson"):
        return [_row(json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]

    import duckdb

    reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM {reader}(?)", [str(path)])  # noqa: S608 - one of two words
        names = [column[0] for column in found.description or ()]
        return [_row(dict(zip(names, row, strict=True))) for row in found.fetchall()]


@dataclass(frozen=True, kw_only=True)
class Sql:
    """Tables of a database, by the name of the stream in the schema of its namespace.

    Parameters:
        url: as SQLAlchemy takes it: DuckDB, SQLite, Postgres, and what else has a driver.
        default: the schema of streams without a namespace.
    """

    url: str
    default: str = ""

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows of the table; none where there is no such table.

        Raises:
            PyAirbyteInputError: the database cannot be reached or the table not be read, or nothing here speaks its
                language.
        """
        import sqlalchemy as sa
        from sqlalchemy.exc import SQLAlchemyError

        schema = namespace or self.default or None
        try:
            engine = sa.create_engine(self.url, poolclass=sa.NullPool)
            with engine.connect() as connection:
                if not _has_table(connection, name, schema):
                    return []

                quoted = ".".join(_quoted(part) for part in (schema, name) if part)
                found = connection.exec_driver_sql(f"SELECT * FROM {quoted}")  # noqa: S608 - quoted
                return [_row(dict(row._mapping)) for row in found]
        except (ImportError, SQLAlchemyError) as error:
            message = f"The rows cannot be read back: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise PyAirbyteInputError(message=message, guidance=_HINT) from error


def _has_table(connection: Connection, name: str, schema: str | None) -> bool:
    import sqlalchemy as sa

    inspector = sa.inspect(connection)
    if schema is not None and connection.dialect.name == "sqlite" and schema not in inspector.get_schema_names():
        return False  # of a file that is not attached it would say that it cannot look

    return inspector.has_table(name, schema=schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program that is called with a namespace (empty for none) and a stream, and prints rows as JSON lines.

    Parameters:
        argv: the program and its first arguments.
    """

    argv: Sequence[str]

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows that it prints.

        Raises:
            PyAirbyteInputError: it fails, takes too long, or prints something else.
        """
        try:
            done = subprocess.run(
                [*self.argv, namespace or "", name], stdout=subprocess.PIPE, check=True, timeout=COMMAND_LIMIT
            )
            return [_row(json.loads(line)) for line in done.stdout.decode().split("\n") if line.strip()]
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise PyAirbyteInputError(
                message=f"The rows could not be read back by {self.argv[0]}: {error}", guidance=_HINT
            ) from error


def _row(columns: Mapping[str, Any]) -> Row:
    kept = {name: _value(value) for name, value in columns.items()}
    for name in _WHOLE:
        whole = kept.get(name)
        if isinstance(whole, dict) and not any(key for key in kept if key != name and not key.startswith("_")):
            return {**whole, **{key: value for key, value in kept.items() if key.startswith("_") and key != name}}

    return kept


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)

    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value

    return value
