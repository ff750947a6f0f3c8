"""Saved state -> the text of the file that `read --state` gets. Pure: no file, no process.

The protocol (and the Python CDK's reader) has a JSON list of state messages for STREAM and GLOBAL state, and the bare
`data` object for LEGACY state. Where nothing is to be sent, no file is given at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace

import msgspec
from msgspec import Raw

from airbyte_exec._state.store import Saved, StreamSaved
from airbyte_exec.types import StreamId


def input_document(saved: Saved | None, streams: Collection[StreamId], anew: Collection[StreamId] = ()) -> bytes | None:
    """Return the state document for a read, or None where there is nothing to send.

    What a GLOBAL state says of streams that are not read now stays in it: it is one state of all of them, and the next
    one that the source writes takes its place.

    Parameters:
        saved: what is known of the pair.
        streams: the streams that are read on from their state.
        anew: the streams that are read from their start.
    """
    if saved is None:
        return None

    if saved.kind == "LEGACY":
        return saved.document if streams else None

    if saved.kind == "GLOBAL":
        text = _global_state(saved.document, lambda stream: stream not in anew) if saved.document else None
        return b'[{"type":"GLOBAL","global":' + text + b"}]" if text else None

    texts = [
        b'{"type":"STREAM","stream":{"stream_descriptor":' + _descriptor(stream) + b',"stream_state":' + state + b"}}"
        for stream in streams
        if (state := _state_of(saved, stream)) is not None
    ]
    return b"[" + b",".join(texts) + b"]" if texts else None


def without_streams(saved: Saved | None, streams: Collection[StreamId]) -> bytes | None:
    """Return what is to be kept of a GLOBAL or LEGACY document when these streams start anew; None: all of it.

    Were it kept whole, a refresh that is interrupted before its first state would be read on from the old one. A LEGACY
    document cannot be taken apart: it goes when everything in it starts anew.
    """
    if saved is None or not saved.document or not streams:
        return None

    if saved.kind == "GLOBAL":
        return _global_state(saved.document, lambda stream: stream not in streams) or b""

    return b"" if saved.streams.keys() <= set(streams) else None


def without_saved(saved: Saved, streams: Collection[StreamId]) -> Saved:
    """Return what is known when these streams are forgotten."""
    kept = {stream: known for stream, known in saved.streams.items() if stream not in streams}
    left = without_streams(saved, streams)
    return replace(saved, streams=kept, document=(saved.document if left is None else left or None) if kept else None)


def streams_of(document: bytes | None) -> frozenset[StreamId]:
    """Return the streams that a GLOBAL state speaks of; none where it cannot be taken apart."""
    try:
        entries = msgspec.json.decode(document or b"{}", type=_Entries).stream_states
    except (msgspec.MsgspecError, RecursionError):
        return frozenset()

    return frozenset(StreamId(entry.stream_descriptor.name, entry.stream_descriptor.namespace) for entry in entries)


def may_continue(saved: StreamSaved) -> bool:
    """Say whether a stream may be read on from what is saved of it.

    The state of a completed full refresh would make a resumable source answer with no records. That of an interrupted
    one is good, but not where it was to replace what the destination holds: the destination may have dropped the rows
    that it stands for.
    """
    return not saved.full_refresh or not (saved.complete or is_refreshing(saved))


def is_refreshing(saved: StreamSaved) -> bool:
    """Say whether the last sync was to put away the older generations, and did not complete."""
    return bool(saved.generation_id) and saved.minimum_generation_id == saved.generation_id and not saved.complete


def _state_of(saved: Saved, stream: StreamId) -> bytes | None:
    entry = saved.streams.get(stream)
    return entry.state if entry is not None else None


def _descriptor(stream: StreamId) -> bytes:
    names = {"name": stream.name} if stream.namespace is None else stream._asdict()
    return json.dumps(names).encode()


def _global_state(text: bytes, wanted: Callable[[StreamId], bool]) -> bytes | None:
    """Return a GLOBAL state without the unwanted streams, None where no stream is left; what stays keeps its bytes."""
    try:
        parts = msgspec.json.decode(text, type=dict[str, Raw])
        entries = msgspec.json.decode(parts["stream_states"], type=list[Raw])
        kept = [entry for entry in entries if wanted(_stream_of(entry))]
    except (msgspec.MsgspecError, RecursionError):
        return _odd_global_state(text, wanted)

    if len(kept) == len(entries):
        return text

    parts["stream_states"] = Raw(b"[" + b",".join(map(bytes, kept)) + b"]")
    return msgspec.json.encode(parts) if kept else None


def _odd_global_state(text: bytes, wanted: Callable[[StreamId], bool]) -> bytes | None:
    """Do the same where the state holds NaN or lone surrogates. What must be taken apart is not sent at all."""
    try:
        descriptors = [entry["stream_descriptor"] for entry in json.loads(text)["stream_states"]]
    except RecursionError:
        return None

    whole = all(wanted(StreamId(found["name"], found.get("namespace"))) for found in descriptors)
    return text if whole else None


class _Descriptor(msgspec.Struct):
    name: str
    namespace: str | None = None


class _Entry(msgspec.Struct):
    stream_descriptor: _Descriptor


class _Entries(msgspec.Struct):
    stream_states: list[_Entry] = []


def _stream_of(entry: Raw) -> StreamId:
    descriptor = msgspec.json.decode(entry, type=_Entry).stream_descriptor
    return StreamId(descriptor.name, descriptor.namespace)
