"""Rows of a table as RECORD lines, for a cache that has no journal of them: PyAirbyte made it.

What PyAirbyte's table does not say any more stays lost (the case of keys that the schema does not declare, zones).
What it says is put as the protocol has it: times in milliseconds, keys as the schema writes them, numbers as
numbers.
"""

# ruff: noqa: S608 - names are quoted by `ident`, values are parameters

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from airbyte_exec.caches._entry import StreamEntry
from airbyte_exec.caches._journal import stream_state
from airbyte_exec.caches._registry import Registry
from airbyte_exec.caches._schema import column_names
from airbyte_exec.caches._sql import ident, listed
from airbyte_exec.caches._tables import table_columns
from airbyte_exec.protocol.envelope import Records, State, parse_state
from airbyte_exec.records import EXTRACTED_AT, META

_ROWS = 10_000
"""Rows in one item."""


def rows_as_records(
    registry: Registry, entry: StreamEntry, *, state: bytes | None, position: int
) -> Iterator[Records | State]:
    """Yield all rows of a stream, and then a state.

    Parameters:
        registry: the cache.
        entry: the stream.
        state: the content of the state.
        position: its place, which the destination's confirmation is saved with.
    """
    types = table_columns(registry.connection, registry.schema, entry.table)
    declared = entry.configured.stream.json_schema.get("properties") or {}
    names = column_names(declared, entry.columns)
    columns = [(key, name, types[name]) for key, name in names.items() if name in types]
    wanted = listed(
        [_selected(name, kind) for _, name, kind in columns] + [f"epoch_ms({ident(EXTRACTED_AT)})", ident(META)]
    )
    cursor = registry.connection.execute(f"SELECT {wanted} FROM {registry.named(entry.table)}")
    while rows := cursor.fetchmany(_ROWS):
        lines = [_line(entry, columns, row) for row in rows]
        yield Records(b"".join(lines), {entry.stream: len(lines)})

    last = parse_state(stream_state(entry.stream, state))
    last.position = position
    yield last


def _selected(name: str, kind: str) -> str:
    if kind == "TIMESTAMPTZ":
        return f"strftime({ident(name)} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"

    return ident(name)


def _line(entry: StreamEntry, columns: list[tuple[str, str, str]], row: tuple[Any, ...]) -> bytes:
    *values, emitted_at, meta = row
    pairs = zip(columns, values, strict=True)
    data = ",".join(f"{json.dumps(key)}:{_text(value, kind)}" for (key, _, kind), value in pairs if value is not None)
    names = f'"stream":{json.dumps(entry.stream.name)}'
    if entry.stream.namespace is not None:
        names += f',"namespace":{json.dumps(entry.stream.namespace)}'

    known = f',"meta":{meta}' if meta and json.loads(meta).get("changes") else ""
    return (
        f'{{"type":"RECORD","record":{{{names},"data":{{{data}}},"emitted_at":{emitted_at or 0}{known}}}}}\n'.encode()
    )


def _text(value: Any, kind: str) -> str:
    if kind == "JSON":
        return str(value)

    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text

    if isinstance(value, datetime | date | time):
        return json.dumps(value.isoformat())

    return json.dumps(value, default=str)
