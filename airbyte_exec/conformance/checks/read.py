"""What a read must be: records that fit, states that count, statuses in their order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from airbyte_exec.conformance.checks import Given, NotApplicableError, named, stream_name
from airbyte_exec.conformance.checks.judging import Endless, Judge, schema_problem
from airbyte_exec.conformance.checks.schemas import branches_of, paths_in
from airbyte_exec.conformance.checks.values import at_path, judge_of, paths_of, text_of
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import Key, Line, key_of

_MOST = 5  # findings of one kind; a thousand records of one fault need no thousand lines
FILE_KINDS = ({".csv"}, {".jsonl"}, {".avro"}, {".parquet"}, {".pdf", ".doc", ".docx", ".ppt", ".pptx", ".md"})


def _at(given: Given, message: str, *lines: Line) -> Finding:
    return Finding(message=message, lines=lines, run=given.run)


def _by_stream(given: Given) -> dict[Key, list[Line]]:
    found: dict[Key, list[Line]] = defaultdict(list)
    for line in given.run.records:
        found[key_of(line.body, "stream")].append(line)

    return found


def _records(given: Given) -> dict[Key, list[Line]]:
    """Return the records by stream.

    Raises:
        NotApplicableError: there is none to be judged.
    """
    found = _by_stream(given)
    if not found:
        raise NotApplicableError("the read gave no records at all")

    return found


@named("read.schema")
def fits_schema(given: Given) -> Iterable[Finding]:
    """RD2: each record fits the schema of its stream and has a field of it; if that is asked for, it has no other."""
    from jsonschema import Draft7Validator

    streams = given.chosen()
    for key, lines in _records(given).items():
        if key not in streams:
            yield _at(given, f"records of {stream_name(key)}, which is not in the catalog", lines[0])
            continue

        schema = streams[key]["stream"]["json_schema"]
        if schema_problem(schema, Draft7Validator) is not None:
            continue  # which another rule tells of

        judge, fields = judge_of(schema), set(paths_in(schema))
        declared = {path[0] for path in fields} if given.subject.fail_on_extra_columns else None
        bad = 0
        for line in lines:
            problem = _misfit(judge, line.body["data"], fields, declared)
            if problem is not None:
                bad += 1
                yield _at(given, f"{stream_name(key)}: {problem}", line)

            if bad >= _MOST:
                break


def _misfit(judge: Judge, data: Any, fields: set[tuple[str, ...]], declared: set[str] | None) -> str | None:
    """Return what of a record does not fit its schema, None where it fits.

    Parameters:
        fields: the paths of the schema.
        declared: the only fields that a record may have at its top; None where it may have others.
    """
    try:
        error = next(judge.errors(data), None)
    except Endless as endless:
        return f"its json_schema cannot be followed to an end: {endless}"

    if error is not None:
        path = ".".join(str(part) for part in error.absolute_path) or "the record"
        return f"{path}: {error.message[:200]}"

    if fields and fields.isdisjoint(paths_of(data)):
        return "a record has no field of its json_schema"

    if declared is not None and (extra := sorted(set(data) - declared)):
        return f"its json_schema does not have {', '.join(extra[:_MOST])}"

    return None


@named("read.every-stream")
def every_stream(given: Given) -> Iterable[Finding]:
    """RD3: each stream has records, but for those that may be empty."""
    found = _records(given)
    for key in given.chosen():
        if key not in found and key[0] not in given.subject.empty_streams:
            yield _at(given, f"{stream_name(key)} has no record")


@named("read.primary-key")
def primary_key(given: Given) -> Iterable[Finding]:
    """RD4: a record can be told by its key."""
    streams = given.chosen()
    for key, lines in _records(given).items():
        paths = streams.get(key, {}).get("primary_key") or []
        bad = 0
        for line in lines if paths else ():
            values = [at_path(line.body["data"], path) for path in paths]
            if any(isinstance(value, dict | list) for value in values):
                yield _at(given, f"{stream_name(key)}: a part of its key is an object or an array", line)
            elif all(value is None for value in values):
                yield _at(given, f"{stream_name(key)}: all parts of its key are null", line)
            else:
                continue

            bad += 1
            if bad >= _MOST:
                break


@named("read.fields-filled")
def fields_filled(given: Given) -> Iterable[Finding]:
    """RD5: each field of a schema is seen."""
    found = _records(given)
    for key, configured in given.chosen().items():
        rows = [line.body["data"] for line in found.get(key, ())]
        for path in _unfilled(configured["stream"]["json_schema"], rows) if rows else ():
            yield _at(given, f"{stream_name(key)}: {path} is null or absent in all records")


def _unfilled(schema: Any, values: Sequence[Any], path: str = "") -> Iterator[str]:
    """Yield the fields of a schema that are null or absent in all values; of branches, one that is filled is enough.

    Parameters:
        values: what stands where the schema says something of it.
    """
    if not isinstance(schema, Mapping):
        return

    yield from _unfilled_fields(schema, values, path)
    branches = [branch for branch in branches_of(schema) if branch.get("properties")]
    yield from min((list(_unfilled_fields(branch, values, path)) for branch in branches), key=len, default=())
    items = schema.get("items")
    if isinstance(items, Mapping) and items.get("properties"):
        inner = [each for value in values if isinstance(value, list) for each in value if each is not None]
        yield from _unfilled(items, inner, f"{path}[]")


def _unfilled_fields(schema: Mapping[str, Any], values: Sequence[Any], path: str) -> Iterator[str]:
    properties = schema.get("properties")
    for name, inner in (properties if isinstance(properties, Mapping) else {}).items():
        where = f"{path}.{name}" if path else str(name)
        there = [found for value in values if (found := at_path(value, [name])) is not None]
        if there:
            yield from _unfilled(inner, there, where)
        else:
            yield where


@named("read.expected-records")
def expected_records(given: Given) -> Iterable[Finding]:
    """RD6: the records that its author expects are there; where their order counts, they are the first ones, in it."""
    found, streams = _records(given), given.chosen()
    wanted: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for record in given.subject.expected_records:
        wanted[key_of(dict(record), "stream")].append(record["data"])

    for key, records in wanted.items():
        paths = streams.get(key, {}).get("primary_key") or []
        came = [line.body["data"] for line in found.get(key, [])]
        if not paths:
            if len(came) < len(records):
                yield _at(given, f"{stream_name(key)}: {len(records)} records expected, {len(came)} came")

            continue

        want, have = _keys(records, paths), _keys(came, paths)
        if missing := [text for text in want if text not in set(have)]:
            yield _at(given, f"{stream_name(key)}: expected and not there: {', '.join(missing[:_MOST])}")
        elif given.subject.exact_order and have[: len(want)] != want:
            number = next(n for n, pair in enumerate(zip(want, have, strict=False)) if pair[0] != pair[1])
            message = f"record {number + 1} has the key {have[number]}, and {want[number]} is expected there"
            yield _at(given, f"{stream_name(key)}: {message}", found[key][number])


def _keys(rows: Iterable[Mapping[str, Any]], paths: Sequence[Sequence[str]]) -> list[str]:
    return [text_of([at_path(row, path) for path in paths]) for row in rows]


@named("read.statuses")
def statuses(given: Given) -> Iterable[Finding]:
    """RD7: each stream is STARTED, RUNNING and COMPLETE, in that order, and no other stream is."""
    told, wanted = given.run.statuses, set(given.chosen())
    for key in sorted(wanted - set(told), key=str):
        yield _at(given, f"{stream_name(key)} has no status")

    for key in sorted(set(told) - wanted, key=str):
        yield _at(given, f"a status of {stream_name(key)}, which is not in the catalog", told[key][0])

    for key in sorted(wanted & set(told), key=str):
        words = [line.body["stream_status"]["status"] for line in told[key]]
        between = words[1:-1]
        if words[0] != "STARTED" or words[-1] != "COMPLETE" or not between or set(between) != {"RUNNING"}:
            yield _at(given, f"{stream_name(key)}: {', '.join(words)}", *told[key][:_MOST])


@named("read.states")
def states(given: Given) -> Iterable[Finding]:
    """RD8: there is a state for each stream, of a kind that is still known, with its count."""
    found = given.run.states
    is_global = any(line.body.get("type") == "GLOBAL" for line in found)
    told = {key_of(line.body["stream"]["stream_descriptor"]) for line in found if line.body.get("type") == "STREAM"}
    if not found:
        yield _at(given, "it wrote no state")
    elif not is_global and (silent := sorted(set(given.chosen()) - told, key=str)):
        names = ", ".join(map(stream_name, silent[:_MOST]))
        yield _at(given, f"{len(silent)} of {len(given.chosen())} streams have no state: {names}", *found[:_MOST])

    for line in [line for line in found if line.body.get("type") in (None, "LEGACY")][:_MOST]:
        yield _at(given, "a state of the type LEGACY, which platforms refuse", line)

    for line in [line for line in found if (line.body.get("sourceStats") or {}).get("recordCount") is None][:_MOST]:
        yield _at(given, "a state without sourceStats.recordCount", line)


@named("read.lines")
def lines(given: Given) -> Iterable[Finding]:
    """RD10: stdout has messages alone, and stderr has none."""
    for line in given.run.strays[:_MOST]:
        yield _at(given, f"line {line.number} is no message: {line.problem}", line)

    for line in given.run.misplaced:
        text = line.raw[:200].decode(errors="replace")
        yield _at(given, f"line {line.number} on stderr is a message, and belongs on stdout: {text}")


@named("read.counts")
def counts(given: Given) -> Iterable[Finding]:
    """RD11: each state counts the records since the one before it."""
    since: Counter[Key] = Counter()
    bad = 0
    for line in given.run.lines:
        if line.type == "RECORD":
            since[key_of(line.body, "stream")] += 1
        elif line.type == "STATE":
            said = (line.body.get("sourceStats") or {}).get("recordCount")
            real = _take(since, line.body)
            if said is not None and said != real and bad < _MOST:
                bad += 1
                yield _at(given, f"it counts {said:g} records, and {real} came since the state before", line)


def _take(since: Counter[Key], state: Mapping[str, Any]) -> int:
    if state.get("type") == "STREAM":
        return since.pop(key_of(state["stream"]["stream_descriptor"]), 0)

    total = since.total()
    since.clear()
    return total


@named("read.files")
def files(given: Given) -> Iterable[Finding]:
    """RD12: a source of files reads each usual kind."""
    seen = {suffix.lower() for url in _urls(given) for suffix in PurePosixPath(str(url)).suffixes[-2:]}  # a.csv.gz
    if not seen:
        raise NotApplicableError("its records name no files (_ab_source_file_url)")

    for kinds in FILE_KINDS:
        if not kinds & seen:
            yield _at(given, f"no record is from a file of the kind {' or '.join(sorted(kinds))}")


def _urls(given: Given) -> Iterator[Any]:
    return (url for line in given.run.records if (url := line.body["data"].get("_ab_source_file_url")))
