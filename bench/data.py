"""Makes the input: a file of protocol messages, a source that prints it, a sink that drains it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

STREAM = "users"
RECORDS_PER_STATE = 10_000

# Types of each sort, so that a typed table has something to do. No primary key: with AUTO both append.
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["null", "string"]},
        "email": {"type": ["null", "string"]},
        "score": {"type": ["null", "number"]},
        "active": {"type": ["null", "boolean"]},
        "created_at": {"type": ["null", "string"], "format": "date-time"},
        "address": {
            "type": ["null", "object"],
            "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
        },
    },
}

_RECORD = (
    '{"type":"RECORD","record":{"stream":"users","data":{"id":%d,"name":"user number %d","email":'
    '"user%d@example.com","score":%.2f,"active":%s,"created_at":"2024-01-%02dT12:30:00Z","address":{"city":"Berlin","zip":"10115"}},'
    '"emitted_at":1700000000000}}\n'
)


@dataclass(frozen=True)
class Data:
    """One input of `records` records in `folder`."""

    folder: Path
    records: int

    @property
    def lines(self) -> Path:
        """The file that the source prints."""
        return self.folder / "lines.jsonl"

    @property
    def source(self) -> Path:
        """The source's executable."""
        return self.folder / "source-bench"

    @property
    def half_source(self) -> Path:
        """A source that stops at half-way and waits: for a kill in the middle of a run."""
        return self.folder / "source-half"

    @property
    def sink(self) -> Path:
        """The destination's executable."""
        return self.folder / "destination-bench"


def make_data(root: Path, records: int) -> Data:
    """Make what is missing of the input below `root`, and say where it is."""
    data = Data(root / str(records), records)
    data.folder.mkdir(parents=True, exist_ok=True)

    if not data.lines.exists():
        partial = data.lines.with_suffix(".partial")
        _write_lines(partial, records)
        partial.rename(data.lines)

    _make_source(data.source, f"exec cat {data.lines}")
    half = (records // RECORDS_PER_STATE // 2) * (RECORDS_PER_STATE + 1) + 2
    _make_source(data.half_source, f"head -n {half} {data.lines}; exec sleep 3600")
    _make_sink(data.sink)
    return data


def _write_lines(path: Path, records: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write(_status("STARTED") + _status("RUNNING"))

        for i in range(records):
            out.write(_RECORD % (i, i, i, i * 0.25, "true" if i % 2 else "false", i % 28 + 1))

            if (i + 1) % RECORDS_PER_STATE == 0 or i + 1 == records:
                out.write(_state(i, i % RECORDS_PER_STATE + 1))

        out.write(_status("COMPLETE"))


def _state(cursor: int, count: int) -> str:
    stream = {"stream_descriptor": {"name": STREAM}, "stream_state": {"id": cursor}}
    return _line("STATE", state={"type": "STREAM", "stream": stream, "sourceStats": {"recordCount": float(count)}})


def _status(status: str) -> str:
    about = {"stream_descriptor": {"name": STREAM}, "status": status}
    return _line("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1700000000000.0, "stream_status": about})


def _line(type_: str, **payload: object) -> str:
    return json.dumps({"type": type_, **payload}, separators=(",", ":")) + "\n"


def _make_source(path: Path, read: str) -> None:
    spec = _line("SPEC", spec={"connectionSpecification": {"type": "object", "properties": {}}})
    check = _line("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    stream = {
        "name": STREAM,
        "json_schema": SCHEMA,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["id"],
    }
    catalog = _line("CATALOG", catalog={"streams": [stream]})
    script = "#!/bin/sh\ncase $1 in\n"

    for command, answer in (("spec", spec), ("check", check), ("discover", catalog)):
        script += f"{command}) cat <<'END'\n{answer}END\n;;\n"

    _write_executable(path, f"{script}read) {read} ;;\n*) exit 2 ;;\nesac\n")


def _make_sink(path: Path) -> None:
    here = Path(__file__).parent

    if path.exists() and path.stat().st_mtime > (here / "sink.c").stat().st_mtime:
        return

    if compiler := shutil.which("cc") or shutil.which("gcc"):
        subprocess.run([compiler, "-O2", "-o", path, here / "sink.c"], check=True)
    else:
        _write_executable(path, f'#!/bin/sh\nexec {sys.executable} -S {here / "sink.py"} "$@"\n')


def _write_executable(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
