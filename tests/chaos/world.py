"""What the destination was given, as a destination with a commit of its own would hold it; and what must hold of it.

The model is the unkindest destination that keeps the protocol's promises: what it had not echoed when it died is gone,
and the end of its input is a commit, with a COMPLETE or without.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_exec._state.store import Saved

Key = tuple[str, str | None]
Row = tuple[int, int]  # the record's id, and which of the source's contents it is of


@dataclass
class Call:
    """One `write` of the destination.

    Attributes:
        rows: the records that are durable, by stream.
        completed: the streams that were COMPLETE.
        states: how many states came.
        has_records: whether records came.
        unanswered: whether a state with records before it came after what it echoed last.
    """

    folder: Path
    catalog: dict[Key, dict[str, Any]]
    saw_eof: bool
    rows: dict[Key, list[Row]] = field(default_factory=dict)
    completed: set[Key] = field(default_factory=set)
    states: int = 0
    has_records: bool = False
    unanswered: bool = False


@dataclass
class Table:
    """One stream at the destination."""

    rows: list[Row] = field(default_factory=list)
    staged: list[Row] = field(default_factory=list)
    generation: int = -1


@dataclass
class World:
    """All that the destination holds."""

    tables: dict[Key, Table]
    calls: list[Call]


def look(folder: Path, known: dict[Path, Call]) -> World:
    """Return what the destination holds after all calls; `known` keeps those that have ended."""
    folders = sorted(folder.glob("write-*"))
    for path in folders:
        if path not in known and (path / "catalog.json").exists() and (path / "launch.json").exists():
            known[path] = _call(path)

    calls = sorted(known.values(), key=_ended)
    tables: dict[Key, Table] = {}
    for call in calls:
        for key, configured in call.catalog.items():
            _take(tables.setdefault(key, Table()), configured, call, call.rows.get(key, []))

    return World(tables, calls)


def _ended(call: Call) -> tuple[float, str]:
    last = call.folder / ("saw_eof" if call.saw_eof else "launch.json")
    return last.stat().st_mtime, call.folder.name


def _take(table: Table, configured: dict[str, Any], call: Call, rows: list[Row]) -> None:
    mode, generation = configured["destination_sync_mode"], configured["generation_id"]
    if mode == "overwrite" or configured["minimum_generation_id"] > 0:
        if table.generation != generation:
            table.staged, table.generation = [], generation

        table.staged += rows
        if call.saw_eof:
            table.rows = table.staged
    else:
        table.rows = table.rows + rows

    if mode == "append_dedup":
        table.rows = list(dict(table.rows).items())


def _call(folder: Path) -> Call:
    catalog = json.loads((folder / "catalog.json").read_bytes())["streams"]
    call = Call(
        folder,
        {(entry["stream"]["name"], entry["stream"].get("namespace")): entry for entry in catalog},
        (folder / "saw_eof").exists(),
    )
    data = (folder / "input.jsonl").read_bytes() if (folder / "input.jsonl").exists() else b""
    durable = max(_echoed(folder), default=0)
    call.has_records = b'"RECORD"' in data
    call.unanswered = b'"RECORD"' in data[durable : max(0, data.rfind(b'{"type":"STATE"'))]
    for line in (data if call.saw_eof else data[:durable]).split(b"\n")[:-1]:
        message = json.loads(line)
        if message["type"] == "RECORD":
            _add(call, message["record"])

    for line in data.split(b"\n")[:-1]:
        if b'"STATE"' in line[:20]:
            call.states += 1
        elif b'"COMPLETE"' in line:
            name = json.loads(line)["trace"]["stream_status"]["stream_descriptor"]
            call.completed.add((name["name"], name.get("namespace")))

    return call


def _add(call: Call, record: dict[str, Any]) -> None:
    key, number = (record["stream"], record.get("namespace")), record["data"]["id"]
    call.rows.setdefault(key, []).append((number, len(record["data"].get("pad", ""))))


def _echoed(folder: Path) -> Iterator[int]:
    path = folder / "echoes.jsonl"
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield int(line[len(b'{"stored":') : line.index(b",")])


def echoed_states(calls: Iterable[Call]) -> list[tuple[Key | None, Any]]:
    """Return the states that the destination echoed: whose each is (None: everybody's), and its JSON value."""
    found: list[tuple[Key | None, Any]] = []
    for call in calls:
        path = call.folder / "echoes.jsonl"
        if path.exists():
            for line in path.read_bytes().split(b"\n")[:-1]:
                state = json.loads(line)["line"]["state"]
                if part := state.get("stream"):
                    name = part["stream_descriptor"]
                    found.append(((name["name"], name.get("namespace")), part.get("stream_state")))
                else:
                    found.append((None, state.get("global") or state.get("data")))

    return found


def reads_up_to(saved: Saved) -> dict[Key, int]:
    """Return up to which record each stream was read, by what is committed."""
    found: dict[Key, int] = {}
    for stream, known in saved.streams.items():
        if known.state is not None and "id" in (body := json.loads(known.state)):
            found[stream] = body["id"]

    if saved.document:
        body = json.loads(saved.document)
        if saved.kind == "LEGACY":
            found |= {(name, None): state["id"] for name, state in body.items() if "id" in state}
        else:
            for part in body["stream_states"]:
                name, state = part["stream_descriptor"], part["stream_state"]
                if "id" in state:
                    found[name["name"], name.get("namespace")] = state["id"]

    return found


def lost(world: World, up_to: dict[Key, int]) -> list[str]:
    """Return what the destination must hold and does not."""
    found = []
    for key, number in up_to.items():
        has = {row[0] for row in world.tables.get(key, Table()).rows}
        if gone := set(range(1, number + 1)) - has:
            found.append(f"{len(gone)} of {number} records of {key} are not there, such as {min(gone)}")

    return found
