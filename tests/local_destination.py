"""Runs destination-local as a child, and reads what it stored as a plain reader would: a glob, or a table."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import local_forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMAND = [sys.executable, "-P", "-m", "airbyte_exec.connectors.destination_local"]
FORMATS = ("duckdb", "parquet", "jsonl", "csv")
MODES = ("append", "overwrite", "append_dedup")
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": ["string", "null"]}, "at": {"type": "integer"}},
}

Json = dict[str, Any]


def stream(
    name: str = "users",
    mode: str = "append",
    *,
    generation: int | None = None,
    minimum: int | None = 0,
    namespace: str | None = None,
    **more: Any,
) -> Json:
    """Return a configured stream; a replace is `minimum == generation`."""
    body: Json = {
        "name": name,
        "json_schema": more.pop("json_schema", SCHEMA),
        "supported_sync_modes": ["full_refresh"],
    }
    if namespace is not None:
        body["namespace"] = namespace

    configured = {"stream": body, "sync_mode": "full_refresh", "destination_sync_mode": mode, "cursor_field": ["at"]}
    if mode == "append_dedup":
        configured["primary_key"] = [["id"]]

    if generation is not None:
        configured |= {"generation_id": generation, "minimum_generation_id": minimum, "sync_id": generation * 10}

    return configured | more


def record(data: Json | int, name: str = "users", namespace: str | None = None, **more: Any) -> bytes:
    """Return a RECORD line; a number stands for a row with that id."""
    body = data if isinstance(data, dict) else {"id": data, "name": f"n{data}", "at": data}
    message = {"stream": name, "data": body, "emitted_at": 1_700_000_000_000, **more}
    if namespace is not None:
        message["namespace"] = namespace

    return json.dumps({"type": "RECORD", "record": message}).encode() + b"\n"


def records(ids: Iterable[int], name: str = "users", namespace: str | None = None) -> bytes:
    return b"".join(record(i, name, namespace) for i in ids)


def state(value: Any, name: str = "users", namespace: str | None = None, **more: Any) -> bytes:
    descriptor = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    body = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": {"at": value}}, **more}
    return json.dumps({"type": "STATE", "state": body}).encode() + b"\n"


def status(name: str = "users", what: str = "COMPLETE", namespace: str | None = None) -> bytes:
    descriptor = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    trace = {
        "type": "STREAM_STATUS",
        "emitted_at": 1.0,
        "stream_status": {"stream_descriptor": descriptor, "status": what},
    }
    return json.dumps({"type": "TRACE", "trace": trace}).encode() + b"\n"


@dataclass
class Ended:
    """A run that ended."""

    exit_code: int
    messages: list[Json]

    def of_type(self, kind: str) -> list[Json]:
        return [m for m in self.messages if m["type"] == kind]

    @property
    def states(self) -> list[Any]:
        return [m["state"]["stream"]["stream_state"]["at"] for m in self.of_type("STATE")]

    @property
    def errors(self) -> list[Json]:
        return [m["trace"]["error"] for m in self.of_type("TRACE")]

    @property
    def logs(self) -> str:
        return "\n".join(m["log"]["message"] for m in self.of_type("LOG"))


@dataclass
class Local:
    """A destination-local with its config.

    Parameters:
        folder: a folder of the test's own.
        format: what is stored.
    """

    folder: Path
    format: str
    config: Json = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / ("out.duckdb" if self.format == "duckdb" else "out")

    def arguments(self, *streams: Json) -> list[str]:
        config, catalog = self.folder / "config.json", self.folder / "catalog.json"
        config.write_text(
            json.dumps({"path": str(self.path), "format": self.format, "flush_seconds": 0, **self.config}),
            encoding="utf-8",
        )
        catalog.write_text(json.dumps({"streams": streams}), encoding="utf-8")
        return [*COMMAND, "write", "--config", str(config), "--catalog", str(catalog)]

    def write(self, catalog: Sequence[Json], *lines: bytes) -> Ended:
        """Run a write to its end."""
        code, said = local_forks.run(self.arguments(*catalog)[len(COMMAND) :], b"".join(lines))
        return Ended(code, [json.loads(line) for line in said.splitlines()])

    def start(self, catalog: Sequence[Json]) -> Live:
        """Start a write whose stdin stays open."""
        return Live(subprocess.Popen(self.arguments(*catalog), stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def rows(self, name: str = "users", namespace: str | None = None) -> list[Json] | None:
        """Return the rows that a reader sees, None where there is no table or folder."""
        if self.format == "duckdb":
            return self._table(name, namespace or self.config.get("schema") or "main")

        folder = self.path if namespace is None else self.path / namespace
        return self._parts(folder / name)

    def ids(self, name: str = "users", namespace: str | None = None) -> list[int] | None:
        rows = self.rows(name, namespace)
        return None if rows is None else sorted(int(row["id"]) for row in rows)

    def _table(self, name: str, schema: str) -> list[Json] | None:
        if not self.path.exists():
            return None

        with duckdb.connect(self.path, read_only=True) as database:
            try:
                return _dicts(database.execute(f'SELECT * FROM "{schema}"."{name}"'))
            except duckdb.CatalogException:
                return None

    def _parts(self, folder: Path) -> list[Json] | None:
        if not folder.exists():
            return None

        parts = sorted(folder.glob(f"*.{self.format}"))
        if self.format == "jsonl":
            lines = [line for part in parts for line in part.read_bytes().splitlines()]
            return [json.loads(line)["_airbyte_data"] | json.loads(line) for line in lines]

        if self.format == "csv":
            texts = [io.StringIO(part.read_bytes().decode(), newline="") for part in parts]
            return [row for text in texts for row in csv.DictReader(text)]

        with duckdb.connect() as database:
            return _dicts(database.read_parquet([str(part) for part in parts], union_by_name=True))


def _dicts(relation: Any) -> list[Json]:
    names = [column[0] for column in relation.description]
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


@dataclass
class Live:
    """A run whose stdin is open."""

    process: subprocess.Popen[bytes]

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def send(self, *lines: bytes) -> None:
        self.stdin.write(b"".join(lines))
        self.stdin.flush()

    def next_state(self) -> Json:
        """Return the next state that is echoed; the test's own timeout bounds the wait."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message["type"] == "STATE":
                return message["state"]

        raise AssertionError(f"it ended with {self.process.wait()} before the state came")

    def kill(self) -> None:
        """Kill it as the out-of-memory killer does."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> Ended:
        """Close stdin and wait."""
        out, _ = self.process.communicate()
        return Ended(self.process.returncode, [json.loads(line) for line in out.splitlines()])
