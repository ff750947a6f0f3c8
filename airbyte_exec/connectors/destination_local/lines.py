"""JSONL: the record's `data` exactly as the source wrote it, with Airbyte's own fields beside it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.protocol.tolerant import members


class _Record(msgspec.Struct, gc=False):
    data: msgspec.Raw
    emitted_at: msgspec.Raw
    meta: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct, gc=False):
    record: _Record


_decode_lines = msgspec.json.Decoder(_Line).decode_lines


class LinesWriter:
    """Writes parts of JSON lines."""

    suffix = ".jsonl"

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._ids = RowIds()

    def write(self, stream: ConfiguredStream, lines: Sequence[bytes], path: Path) -> None:
        """Write one part; see `PartWriter`."""
        with path.open("wb") as file:
            for block in lines:
                file.writelines(self._rows(stream, block))

    def write_empty(self, stream: ConfiguredStream, path: Path) -> None:
        """Write an empty file."""
        del stream
        path.touch()

    def merge(self, stream: ConfiguredStream, parts: Sequence[Path], path: Path) -> bool:
        """Write the newest row of each key; see `PartWriter`."""
        from airbyte_exec.connectors.destination_local.newest import copy_newest_lines

        return copy_newest_lines(stream, parts, path, self._scratch)

    def close(self) -> None:
        """Nothing is held."""

    def _rows(self, stream: ConfiguredStream, lines: bytes) -> list[bytes]:
        end = b',"_airbyte_generation_id":%d,"_airbyte_data":' % (stream.generation or 0)
        sync = b"" if stream.sync_id is None else b'"sync_id":%d' % stream.sync_id
        plain = b"{" + sync + (b"," if sync else b"") + b'"changes":[]}'
        name = self._ids.take
        return [
            b'{"_airbyte_raw_id":"%b","_airbyte_extracted_at":%b,"_airbyte_meta":%b%b%b}\n'
            % (name(), emitted_at, _meta(meta, sync) if meta else plain, end, data)
            for data, emitted_at, meta in fields_of(lines)
        ]


def fields_of(lines: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return the JSON texts of `data`, `emitted_at` and `meta` of each RECORD line; no `meta` is an empty text.

    A carriage return in JSON can only be white space between two tokens: it becomes a space, and a row stays one line.
    """
    if b"\r" in lines:
        lines = lines.replace(b"\r", b" ")

    try:
        records = [line.record for line in _decode_lines(lines)]
    except (msgspec.MsgspecError, RecursionError):
        return [_odd_fields(line) for line in lines.split(b"\n") if line.strip()]

    return [(bytes(r.data), bytes(r.emitted_at), bytes(r.meta)) for r in records]


def _odd_fields(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Look at a line that holds NaN, a lone surrogate or deep nesting; it was found to be a RECORD already."""
    text = line.decode()
    record = members(text, members(text)["record"][0])
    data, emitted_at, meta = (
        text[slice(*record[key])].encode() if key in record else b"" for key in ("data", "emitted_at", "meta")
    )
    return data, emitted_at, meta


def _meta(meta: bytes, sync: bytes) -> bytes:
    if not meta.startswith(b"{"):
        meta = b"{}"

    more = [sync] if sync else []
    if b'"changes"' not in meta:
        more.append(b'"changes":[]')

    inner = meta[1:-1].strip()
    return b"{" + b",".join([*more, inner] if inner else more) + b"}"


class RowIds:
    """Ids of rows: random once for the process, then counted, in the form of a UUID."""

    def __init__(self) -> None:
        prefix = secrets.token_hex(10)
        self._form = f"{prefix[:8]}-{prefix[8:12]}-4{prefix[12:15]}-8{prefix[15:18]}-%012x".encode()
        self._next = 0

    def take(self) -> bytes:
        """Return the next id."""
        self._next += 1
        return self._form % self._next
