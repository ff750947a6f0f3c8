"""Reads what a destination stored: from files, from a database by SQL, or by a command of the connector's author."""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import anyio.from_thread

from airbyte_exec._process import open_guard
from airbyte_exec.conformance.rows import Row, row_of, rows_of_lines
from airbyte_exec.conformance.tables import Sql
from airbyte_exec.exceptions import PyAirbyteInputError

PLACE = "{case}"  # stands for the place of one case, in a config and in what tells how its rows are read
COMMAND_LIMIT = 60.0  # seconds for one answer of an author's command
_LOOK = 0.2  # seconds between two looks whether the suite was cancelled
_PLAIN = " -_."  # stands in a file name as it is
# What a CSV file says is text: 007 is no number because it looks like one.
# Nor is it another dialect because a name holds a semicolon, and "" is a text where nothing at all is none.
_CSV = """read_csv(
    ?, all_varchar=true, header=true, delim=',', quote='"', escape='"', comment='', skip=0, allow_quoted_nulls=false
)"""
_HINT = (
    "Such as 'files:/data/{namespace}/{stream}/*.parquet', 'sqlite:////data/x.db#{namespace}_{stream}', "
    "'duckdb:////data/x.duckdb', 'postgresql://…', or 'command:./print-rows' (called with namespace and stream, prints "
    "rows as JSON lines)."
)
_DRIVERS = "For Postgres: pip install 'airbyte-exec[postgres]'. For others the driver that SQLAlchemy asks for."


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
        _check_template(rest)
        return Files(template=rest, default=namespace)

    return _command(rest) if scheme == "command" else _sql(text, namespace)


def _check_template(template: str) -> None:
    try:
        template.replace(PLACE, "").format(namespace="", stream="")
    except (LookupError, ValueError, AttributeError) as error:
        message = f"{template!r} may hold {{namespace}}, {{stream}} and {PLACE} in braces, and nothing else."
        raise PyAirbyteInputError(message=message, guidance=_HINT) from error


def _command(text: str) -> Command:
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise PyAirbyteInputError(message=f"{text!r} is no command: {error}.", guidance=_HINT) from error

    if not argv or shutil.which(argv[0]) is None:
        raise PyAirbyteInputError(message=f"There is no program {text!r} that could be run.", guidance=_HINT)

    return Command(argv=argv)


def _sql(text: str, namespace: str) -> Sql:
    """Return the adapter of a database: that nothing here speaks its language is said before anything is run."""
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    url, _, table = text.partition("#")
    _check_template(table)
    try:
        sa.create_engine(url, poolclass=sa.NullPool)
    except ImportError as error:
        message = f"Nothing here speaks to {url.partition(':')[0]}: {error}."
        raise PyAirbyteInputError(message=message, guidance=_DRIVERS) from error
    except (SQLAlchemyError, ValueError) as error:
        raise PyAirbyteInputError(message="This is no URL of a database.", guidance=_HINT) from error

    return Sql(url=url, table=table or "{stream}", default=namespace)


def placed(adapter: ReadBack, place: str) -> ReadBack:
    """Return the adapter for the place that one case writes to; one of an author's own stays as it is."""
    if isinstance(adapter, Files):
        return replace(adapter, template=adapter.template.replace(PLACE, place))

    if isinstance(adapter, Sql):
        file = None if adapter.file is None else adapter.file.replace(PLACE, place)
        url, table = adapter.url.replace(PLACE, place), adapter.table.replace(PLACE, place)
        return replace(adapter, url=url, table=table, file=file)

    if isinstance(adapter, Command):
        return replace(adapter, argv=tuple(part.replace(PLACE, place) for part in adapter.argv))

    return adapter


@dataclass(frozen=True, kw_only=True)
class Files:
    """JSONL, CSV or Parquet files.

    Parameters:
        template: the path, with `{namespace}` and `{stream}`, and perhaps a `*`. What is no letter or digit is looked
            for percent-encoded, and letters beyond ASCII both as they are and encoded.
        default: the namespace of streams without one.
    """

    template: str
    default: str = ""

    def rows(self, name: str, namespace: str | None) -> list[Row]:
        """Return the rows of all files.

        Raises:
            PyAirbyteInputError: one of them cannot be read.
        """
        found: set[str] = set()
        for encoded in (_in_ascii, _in_letters):
            where = self.template.format(namespace=encoded(namespace or self.default), stream=encoded(name))
            found |= {*glob.glob(where)}  # noqa: PTH207 - the template is absolute, and may begin anywhere

        return [row for path in sorted(found) for row in _rows_of_file(Path(path))]


def _in_ascii(name: str) -> str:
    return glob.escape(quote(name, safe=_PLAIN))


def _in_letters(name: str) -> str:
    return glob.escape("".join(char if char.isalnum() else quote(char, safe=_PLAIN) for char in name))


def _rows_of_file(path: Path) -> list[Row]:
    import duckdb

    try:
        if path.suffix in (".jsonl", ".json", ".ndjson"):
            return rows_of_lines(path.read_bytes())

        reader = "read_parquet(?)" if path.suffix == ".parquet" else _CSV
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT * FROM {reader}", [glob.escape(str(path))])  # noqa: S608 - one of two texts
            names = [column[0] for column in found.description or ()]
            return [row_of(dict(zip(names, row, strict=True))) for row in found.fetchall()]
    except (OSError, ValueError, duckdb.Error) as error:
        raise PyAirbyteInputError(message=f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from error


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
            return rows_of_lines(_printed([*self.argv, namespace or "", name]))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise PyAirbyteInputError(
                message=f"{self.argv[0]} does not print the rows: {error}", guidance=_HINT
            ) from error


def _printed(argv: Sequence[str]) -> bytes:
    """Return what a program prints. At its time limit, or when the suite is cancelled, it is killed with all that it
    started: a shell starts others. When the suite itself is killed, its guardian sees to that.
    """
    with open_guard() as guard:
        env = {**os.environ, **guard.marks(guard.new_token())}
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, env=env
        ) as process:
            try:
                printed = _output(process)
            finally:
                if process.returncode is None:  # so its number is still its own
                    os.killpg(process.pid, signal.SIGKILL)

    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)

    return printed


def _output(process: subprocess.Popen[bytes]) -> bytes:
    end = time.monotonic() + COMMAND_LIMIT
    while True:
        try:
            return process.communicate(timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(process.args, COMMAND_LIMIT) from None

            with suppress(RuntimeError):  # a caller that is no task of a suite cannot be cancelled
                anyio.from_thread.check_cancelled()
