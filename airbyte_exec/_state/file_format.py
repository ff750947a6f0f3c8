"""What a state file holds, as JSON."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

import orjson

from airbyte_exec._state.store import Pair, Saved, StreamSaved
from airbyte_exec.types import StreamId

FORMAT = 1


def dump(document: dict[str, Any]) -> bytes:
    """Return the text of a file."""
    try:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)
    except TypeError:  # half a surrogate pair in a name
        return json.dumps(document, indent=2).encode()


def parse(data: bytes) -> object:
    """Return what a file holds.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # it refuses half a surrogate pair as well
        return json.loads(data)


_ENTRY_FIELDS = frozenset(
    {"source", "destination", "source_key", "destination_key", "aliases", "last_updated", "kind", "document", "streams"}
)


def is_ours(document: object) -> TypeGuard[dict[str, Any]]:
    """Say whether a document has the shape that `_entry` gives it, as far as it is relied on."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return False

    salt, pairs = document.get("salt"), document.get("pairs")
    if not isinstance(salt, str) or not isinstance(pairs, list) or set(salt) - set("0123456789abcdef") or len(salt) % 2:
        return False

    return all(isinstance(entry, dict) and entry.keys() >= _ENTRY_FIELDS for entry in pairs)


def find(document: dict[str, Any], pair: Pair) -> dict[str, Any] | None:
    pairs: list[dict[str, Any]] = document["pairs"]
    entries = [entry for entry in pairs if _names(entry) == (pair.source_name, pair.destination_name)]
    for entry in entries:
        if pair_of(entry) == pair:
            return entry

    for entry in entries:
        known = {entry["source_key"], entry["destination_key"], *entry["aliases"]}
        if pair.source_key in known and pair.destination_key in known:
            return entry

    return None


def _names(entry: dict[str, Any]) -> tuple[str, str | None]:
    return entry["source"], entry["destination"]


def pair_of(entry: dict[str, Any]) -> Pair:
    return Pair(*_names(entry), entry["source_key"], entry["destination_key"])


def entry_of(pair: Pair, saved: Saved) -> dict[str, Any]:
    return {
        "source": pair.source_name,
        "destination": pair.destination_name,
        "source_key": pair.source_key,
        "destination_key": pair.destination_key,
        "aliases": list(saved.aliases),
        "last_updated": saved.last_updated,
        "kind": saved.kind,
        "document": _text(saved.document),
        "streams": [
            {
                "name": stream.name,
                "namespace": stream.namespace,
                "state": _text(known.state),
                "generation_id": known.generation_id,
                "minimum_generation_id": known.minimum_generation_id,
                "sync_id": known.sync_id,
                "full_refresh": known.full_refresh,
                "complete": known.complete,
                "journal": known.journal,
                "position": known.position,
            }
            for stream, known in saved.streams.items()
        ],
    }


def saved_of(entry: dict[str, Any]) -> Saved:
    streams = {}
    for known in entry["streams"]:
        stream = StreamId(known["name"], known["namespace"])
        fields = {name: known[name] for name in known if name not in ("name", "namespace", "state")}
        streams[stream] = StreamSaved(state=_bytes(known["state"]), **fields)

    return Saved(entry["kind"], streams, _bytes(entry["document"]), tuple(entry["aliases"]), entry["last_updated"])


def _text(state: bytes | None) -> str | None:
    return None if state is None else state.decode()


def _bytes(state: str | None) -> bytes | None:
    return None if state is None else state.encode()
