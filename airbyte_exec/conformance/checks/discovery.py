"""What a source says that it has: names, schemas, keys, and what it may not change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.checks import Given, NotApplicableError, named, stream_name
from airbyte_exec.conformance.checks.compatibility import lost
from airbyte_exec.conformance.checks.judging import schema_problem
from airbyte_exec.conformance.checks.schemas import at_fields, has_path, keywords, types_of, walk
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import key_of

KNOWN_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
KNOWN_FORMATS: dict[Any, set[str | None]] = {
    "date": {None},
    "date-time": {None, "timestamp_with_timezone", "timestamp_without_timezone"},
    "time": {None, "time_with_timezone", "time_without_timezone"},
}
_NUMBERS, _TEXT = {"integer", "number"}, {"string"}
KNOWN_AIRBYTE_TYPES: dict[Any, set[str]] = {  # with the types that they refine
    "big_integer": _NUMBERS | _TEXT,
    "big_number": _NUMBERS | _TEXT,
    "integer": _NUMBERS,
    "timestamp_with_timezone": _TEXT,
    "timestamp_without_timezone": _TEXT,
    "time_with_timezone": _TEXT,
    "time_without_timezone": _TEXT,
}


def _at(given: Given, message: str) -> Finding:
    return Finding(message=message, lines=tuple(given.run.of("CATALOG")[:1]), run=given.run)


@named("discovery.unique")
def unique(given: Given) -> Iterable[Finding]:
    """DI1: there is a stream, and no two have one name."""
    found = [stream for line in given.run.of("CATALOG") for stream in line.body["streams"]]
    keys = [key_of(stream) for stream in found]
    if given.run.of("CATALOG") and not found:
        yield _at(given, "the catalog has no stream")

    for key in sorted({key for key in keys if keys.count(key) > 1}, key=str):
        yield _at(given, f"the stream {stream_name(key)} is there {keys.count(key)} times")


@named("discovery.schemas")
def schemas(given: Given) -> Iterable[Finding]:
    """DI2: each schema is one of draft 7 that needs no other file."""
    from jsonschema import Draft7Validator

    for key, stream in given.streams().items():
        name, schema = stream_name(key), stream["json_schema"]
        if (problem := schema_problem(schema, Draft7Validator)) is not None:
            yield _at(given, f"{name}: its json_schema is none of draft 7: {problem[:200]}")
            continue

        for word, path, value in keywords(schema):
            if word in ("$ref", "allOf", "not"):
                yield _at(given, f"{name}: {'.'.join(path) or 'json_schema'} uses {word}")
            elif word == "additionalProperties" and value is not True:
                yield _at(given, f"{name}: additionalProperties of {'.'.join(path) or 'json_schema'} must be true")


@named("discovery.key-paths")
def key_paths(given: Given) -> Iterable[Finding]:
    """DI3: cursors and keys are fields of the schema, and a key is no object and no array."""
    for key, stream in given.streams().items():
        schema = stream["json_schema"]
        cursor = stream.get("default_cursor_field") or []
        if cursor and not has_path(schema, cursor):
            yield _at(given, f"{stream_name(key)}: its cursor {'.'.join(cursor)} is not in its json_schema")

        for path in stream.get("source_defined_primary_key") or []:
            if not has_path(schema, path):
                yield _at(given, f"{stream_name(key)}: its key {'.'.join(path)} is not in its json_schema")
            elif any(types_of(each) & {"object", "array"} for each in at_fields(schema, path)):
                yield _at(given, f"{stream_name(key)}: its key {'.'.join(path)} is an object or an array")


@named("discovery.sync-modes")
def sync_modes(given: Given) -> Iterable[Finding]:
    """DI4: each stream can be read in some way."""
    # The protocol's schema refuses such a catalog, so it is looked for among all lines.
    for line in given.run.lines:
        catalog = (line.message or {}).get("catalog")
        for stream in (catalog.get("streams") or []) if isinstance(catalog, dict) else []:
            if not stream.get("supported_sync_modes"):
                message = f"{stream.get('name')}: its supported_sync_modes are empty"
                yield Finding(message=message, lines=(line,), run=given.run)


@named("discovery.compatible")
def compatible(given: Given) -> Iterable[Finding]:
    """DI5: what the version before had is still there."""
    before = {key_of(stream): stream for stream in given.subject.previous["catalog"]["streams"]}
    after = given.streams()
    for key, old in before.items():
        new = after.get(key)
        if new is None:
            yield _at(given, f"the stream {stream_name(key)} is gone")
            continue

        for message in lost(old["json_schema"], new["json_schema"]):
            yield _at(given, f"{stream_name(key)}: {message}")

        if (old.get("default_cursor_field") or []) != (new.get("default_cursor_field") or []):
            yield _at(given, f"{stream_name(key)}: its default cursor is another")


@named("discovery.types")
def known_types(given: Given) -> Iterable[Finding]:
    """DI6: only types and formats that destinations know."""
    for key, stream in given.streams().items():
        for node in walk(stream["json_schema"]):
            for message in _unknown(node.schema):
                yield _at(given, f"{stream_name(key)}: {node.where}: {message}")


def _unknown(schema: Mapping[str, Any]) -> Iterator[str]:
    if strange := types_of(schema) - KNOWN_TYPES:
        yield f"the type {', '.join(sorted(strange))} is not known"

    kind, airbyte, types = schema.get("format"), schema.get("airbyte_type"), types_of(schema) - {"null"}
    if isinstance(kind, str) and kind not in KNOWN_FORMATS:
        yield f"the format {kind!r} is not known"
    elif isinstance(kind, str) and types - _TEXT:
        yield f"the format {kind} and the type {', '.join(sorted(types))} do not go together"

    if airbyte is not None and airbyte not in KNOWN_AIRBYTE_TYPES:
        yield f"the airbyte_type {airbyte!r} is not known"
    elif airbyte is not None and types - KNOWN_AIRBYTE_TYPES[airbyte]:
        yield f"the airbyte_type {airbyte} and the type {', '.join(sorted(types))} do not go together"
    elif isinstance(kind, str) and airbyte not in KNOWN_FORMATS.get(kind, {airbyte}):
        yield f"the format {kind} and the airbyte_type {airbyte} do not go together"


@named("discovery.attributes")
def attributes(given: Given) -> Iterable[Finding]:
    """AT1: what a certified connector says beside its catalog."""
    metadata = given.subject.metadata or {}
    data = metadata.get("data", metadata)
    if data.get("supportLevel", "certified") != "certified":
        raise NotApplicableError("its metadata does not call it certified")

    for key, stream in given.streams().items():
        if not stream.get("source_defined_primary_key") and key[0] not in given.subject.keyless_streams:
            yield _at(given, f"{stream_name(key)} has no primary key")

    for name, inner in (("allowedHosts", "hosts"), ("suggestedStreams", "streams")):
        if not (data.get(name) or {}).get(inner):
            yield _at(given, f"the metadata has no {name}.{inner}: {json.dumps(data.get(name))}")
