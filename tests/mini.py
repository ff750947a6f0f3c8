"""Configs for the scripted connectors, and what they stored; every key is told in `fixtures/README.md`.

A test reads like this::

    config = source_config(streams=[stream(records=50)], script=[step("exit", after_record(20), code=3)])
    source = get_source("source-mini", config, local_executable=SOURCE_MINI)
    ...
    assert stored_records(tmp_path / "out")["users"] == ...

The connectors run under this very Python: its folder is put first on PATH, where their `#!` line looks.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SOURCE_MINI = FIXTURES / "source-mini" / "bin" / "source-mini"
DESTINATION_MINI = FIXTURES / "destination-mini" / "bin" / "destination-mini"

Json = dict[str, Any]
StateType = Literal["STREAM", "GLOBAL", "LEGACY", "NONE"]

_here = str(Path(sys.executable).parent)

if os.environ.get("PATH", "").split(os.pathsep)[0] != _here:
    os.environ["PATH"] = os.pathsep.join([_here, os.environ.get("PATH", os.defpath)])


def stream(
    name: str = "users",
    *,
    records: int = 100,
    namespace: str | None = None,
    sync_modes: Sequence[str] = ("full_refresh", "incremental"),
    **more: Any,
) -> Json:
    """Return a stream of a source's config.

    Args:
        name: its name.
        records: how many it has.
        namespace: its namespace; absent by default.
        sync_modes: what it supports.
        more: primary_key, cursor, fields, data, resumable, pad, width, status, fails_after, discovered.
    """
    body: Json = {"name": name, "records": records, "sync_modes": list(sync_modes), **more}
    return body if namespace is None else {**body, "namespace": namespace}


def source_config(
    *,
    streams: Iterable[Json] | None = None,
    script: Iterable[Json] | dict[str, list[Json]] | None = None,
    state_every: int = 10,
    state_type: StateType = "STREAM",
    path: Path | None = None,
    **settings: Any,
) -> Json:
    """Return a config for source-mini.

    Args:
        streams: made by `stream`; one of 100 users by default.
        script: steps made by `step`, of the read; or a list for each command.
        state_every: records between two states.
        state_type: STREAM, GLOBAL, LEGACY or NONE.
        path: a folder that keeps how each command was called, for `runs`.
        settings: any other key of the config.
    """
    config: Json = {"streams": list(streams) if streams is not None else [stream()]}
    config |= {"state_every": state_every, "state_type": state_type}
    return config | _common(script, path) | settings


def destination_config(
    path: Path | None = None,
    *,
    echo: str = "exact",
    script: Iterable[Json] | dict[str, list[Json]] | None = None,
    supports_refreshes: bool = False,
    **settings: Any,
) -> Json:
    """Return a config for destination-mini.

    Args:
        path: the folder that keeps what came, for `stored_records` and `runs`.
        echo: how it gives states back.
        script: steps made by `step`, of the write; or a list for each command.
        supports_refreshes: fail at the end of input unless each stream is COMPLETE.
        settings: any other key of the config.
    """
    return {"echo": echo, "supports_refreshes": supports_refreshes} | _common(script, path) | settings


def step(do: str, at: str | Json = "start", **details: Any) -> Json:
    """Return a step of a script: an action, where it stands, and its details (a Path becomes text)."""
    shown = {key: str(value) if isinstance(value, Path) else value for key, value in details.items()}
    return {"do": do, "at": at, **shown}


def after_record(number: int, stream: str | None = None) -> Json:
    """Return the position right after a record; of all streams, or of one."""
    return {"record": number} if stream is None else {"record": number, "stream": stream}


def after_state(number: int) -> Json:
    """Return the position right after a state was written (source) or echoed (destination)."""
    return {"state": number}


def after_line(number: int) -> Json:
    """Return the position right after a line on the destination's stdin."""
    return {"line": number}


def write_config(folder: Path, config: Json, name: str = "config.json") -> Path:
    """Write a config to a file of the folder; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(config), encoding="utf-8")
    path.chmod(0o600)
    return path


def write_catalog(folder: Path, *streams: Json, name: str = "catalog.json", **more: Any) -> Path:
    """Write a configured catalog for these streams of a source's config; `more` goes into each."""
    configured = [
        {
            "stream": {
                "name": body["name"],
                "json_schema": {"type": "object"},
                "supported_sync_modes": body["sync_modes"],
                **({"namespace": body["namespace"]} if "namespace" in body else {}),
            },
            "sync_mode": "incremental" if "incremental" in body["sync_modes"] else "full_refresh",
            "destination_sync_mode": "append",
            **more,
        }
        for body in streams or (stream(),)
    ]
    return write_config(folder, {"streams": configured}, name)


@dataclass(frozen=True)
class Run:
    """One call of a connector that was given a `path`: what it was called with, and what it stored."""

    folder: Path

    @property
    def launch(self) -> Json:
        """argv, env, pid, ppid, pgid, sid, cwd, fds, and the modes of its files."""
        return self._json("launch.json")

    @property
    def pid(self) -> int:
        return int(self.launch["pid"])

    @property
    def config(self) -> Json:
        return self._json("config.json")

    @property
    def catalog(self) -> Json:
        return self._json("catalog.json")

    @property
    def state(self) -> list[Json] | None:
        """The document of --state, or None where there was none."""
        path = self.folder / "state.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    @property
    def saw_eof(self) -> bool:
        """Whether stdin came to a clean end."""
        return (self.folder / "saw_eof").exists()

    @property
    def input(self) -> bytes:
        """What came on stdin, byte for byte."""
        return (self.folder / "input.jsonl").read_bytes()

    def lines(self, kind: str | None = None) -> list[bytes]:
        """The whole lines that came, or those of one message type."""
        lines = self.input.split(b"\n")[:-1]
        return lines if kind is None else [line for line in lines if json.loads(line)["type"] == kind]

    def messages(self, kind: str | None = None) -> list[Json]:
        """The messages that came, or those of one type."""
        return [json.loads(line) for line in self.lines(kind)]

    def records(self) -> dict[str, list[Json]]:
        """The data of the records, by stream (`namespace.name` where there is a namespace)."""
        return _by_stream(self.messages("RECORD"))

    def statuses(self) -> dict[str, list[str]]:
        """The STREAM_STATUS messages, by stream."""
        found: dict[str, list[str]] = {}

        for message in self.messages("TRACE"):
            if status := message["trace"].get("stream_status"):
                found.setdefault(_stream_name(status["stream_descriptor"], "name"), []).append(status["status"])

        return found

    def _json(self, name: str) -> Json:
        loaded: Json = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return loaded


def runs(path: Path, command: str = "write") -> list[Run]:
    """Return the calls of a command, the first one first."""
    return [Run(folder) for folder in sorted(path.glob(f"{command}-*")) if (folder / "launch.json").exists()]


def last_run(path: Path, command: str = "write") -> Run:
    """Return the last call of a command."""
    return runs(path, command)[-1]


def stored_records(path: Path) -> dict[str, list[Json]]:
    """Return the data of all records that all writes stored, by stream, in the order in which they came."""
    return _by_stream(message for run in runs(path) for message in run.messages("RECORD"))


def _by_stream(records: Iterable[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}

    for message in records:
        record = message["record"]
        found.setdefault(_stream_name(record, "stream"), []).append(record["data"])

    return found


def _stream_name(body: Json, key: str) -> str:
    namespace = body.get("namespace")
    name: str = body[key]
    return name if namespace is None else f"{namespace}.{name}"


def _common(script: Iterable[Json] | dict[str, list[Json]] | None, path: Path | None) -> Json:
    common: Json = {}

    if script is not None:
        common["script"] = script if isinstance(script, dict) else list(script)

    if path is not None:
        common["path"] = str(path)

    return common
