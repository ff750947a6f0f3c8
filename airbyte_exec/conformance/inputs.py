"""From what a case says to what is run: configs, catalogs, states. Starts nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks import NotApplicableError
from airbyte_exec.conformance.checks.judging import Endless, Judge, schema_problem
from airbyte_exec.conformance.checks.values import number, seconds_of
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.conformance.transcript import Key, Transcript, key_of

GHOST = "__AIRBYTE__stream_that_does_not_exist"
FAR_YEAR = "2999-12-31"


def config_of(subject: Subject, which: str, spec: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the config that a case asks for.

    Parameters:
        which: `good`, `bad`, `fault`, `invalid` (a field is not what the spec allows) or `incomplete` (one is missing).

    Raises:
        NotApplicableError: there is none.
    """
    if which == "good":
        return subject.used_config

    if which in ("invalid", "incomplete"):
        return (_invalid if which == "invalid" else _incomplete)(subject.used_config, spec)

    found = subject.bad_config if which == "bad" else subject.fault_config
    if found is None:
        raise NotApplicableError(f"--{which}-config is not given")

    return found


def _invalid(config: Mapping[str, Any], spec: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the config with a field that the spec does not allow, a required one if there is any."""
    schema = (spec or {}).get("connectionSpecification") or {}
    properties = schema.get("properties") or {}
    required = [name for name in schema.get("required") or () if name in properties]
    for name in [*required, *properties]:
        for value in ({"not": "what the spec asks for"}, "not what the spec asks for"):
            wrong = {**config, name: value}
            if not _allows(schema, wrong):
                return wrong

    raise NotApplicableError("the spec allows every value of every field")


def _incomplete(config: Mapping[str, Any], spec: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the config without a field that the spec requires."""
    schema = (spec or {}).get("connectionSpecification") or {}
    for name in schema.get("required") or ():
        less = {other: value for other, value in config.items() if other != name}
        if name in config and not _allows(schema, less):
            return less

    raise NotApplicableError("the spec requires no field that the config has")


def _allows(schema: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Tell whether a config fits; one that nobody can judge counts as one that does."""
    if schema_problem(schema) is not None:
        return True

    try:
        return Judge(schema).fits(config)
    except Endless:
        return True


def catalog_of(subject: Subject, discovered: Mapping[str, Any] | None, which: str) -> dict[str, Any]:
    """Return a configured catalog.

    Parameters:
        which: `full_refresh`, `incremental` (the streams that can), `all` (each stream, incremental where it supports
            nothing else), or `unknown` (a stream that does not exist).

    Raises:
        NotApplicableError: there is no catalog, or no stream can be read so.
    """
    if which == "unknown":
        return {"streams": [_unknown()]}

    if subject.catalog is not None:
        configured = [dict(each) for each in subject.catalog["streams"]]
    elif discovered is not None:
        configured = [{"stream": dict(stream)} for stream in discovered["streams"]]
    else:
        raise NotApplicableError("discover gave no CATALOG")

    # Each once, the first one: a source whose catalog has a stream twice is not blamed for reading it twice.
    configured = list({key_of(each["stream"]): each for each in reversed(configured)}.values())
    configured.reverse()
    wanted = ("full_refresh", "incremental") if which == "all" else (which,)
    modes = [next((mode for mode in wanted if mode in _modes(each)), None) for each in configured]
    chosen = [(each, mode) for each, mode in zip(configured, modes, strict=True) if mode is not None]
    if which == "incremental":
        chosen = [(each, mode) for each, mode in chosen if _cursor(each)]

    if not chosen:
        raise NotApplicableError(f"no stream supports {' or '.join(wanted)}")

    return {"streams": [_configured(each, mode) for each, mode in chosen]}


def _modes(configured: Mapping[str, Any]) -> Collection[str]:
    return configured["stream"].get("supported_sync_modes", ["full_refresh"])  # type: ignore[no-any-return]


def _cursor(configured: Mapping[str, Any]) -> Any:
    stream = configured["stream"]
    return configured.get("cursor_field") or stream.get("default_cursor_field") or stream.get("source_defined_cursor")


def _configured(each: Mapping[str, Any], mode: str) -> dict[str, Any]:
    stream = each["stream"]
    made = {"destination_sync_mode": "append", **each, "sync_mode": mode}
    if mode == "incremental" and "cursor_field" not in made:
        made["cursor_field"] = stream.get("default_cursor_field") or []

    made.setdefault("primary_key", stream.get("source_defined_primary_key") or [])
    return made


def _unknown() -> dict[str, Any]:
    stream = {"name": GHOST, "json_schema": {"type": "object", "properties": {"f1": {"type": "string"}}}}
    return {
        "stream": {**stream, "supported_sync_modes": ["full_refresh"]},
        "sync_mode": "INVALID",
        "destination_sync_mode": "INVALID",
    }


def state_of(run: Transcript, which: str = "last", catalog: Mapping[str, Any] | None = None) -> list[Any]:
    """Return the document that goes on from where a read ended: the last state of each stream.

    Parameters:
        run: the read.
        which: `last`, or `future`: the same with the values of the cursors far ahead.
        catalog: the configured catalog, which tells the cursors.

    Raises:
        NotApplicableError: it wrote no state.
    """
    states = [line.body for line in run.states]
    if not states:
        raise NotApplicableError("the read before wrote no STATE")

    found = merged(states)
    if which != "future":
        return found

    ahead, streams = set_ahead(found, catalog or {"streams": []})
    if not streams:
        raise NotApplicableError("no state names a cursor that could be set far ahead")

    return ahead


def set_ahead(states: Sequence[Any], catalog: Mapping[str, Any]) -> tuple[list[Any], set[Key]]:
    """Return states with the cursors of their streams far ahead, and the streams for which there was one to be set.

    Parameters:
        states: what is in force at the end of a read.
        catalog: the configured catalog, which tells the cursors.
    """
    cursors = {key_of(each["stream"]): each.get("cursor_field") or [] for each in catalog["streams"]}
    streams: set[Key] = set()

    def ahead(value: Any, keys: Collection[Key]) -> Any:
        far = future(value, {cursors[key][-1] for key in keys if cursors.get(key)})
        streams.update(keys if far != value else ())
        return far

    def of_stream(state: Any) -> Any:
        return ahead(state, [key_of(state["stream_descriptor"])])

    made = []
    for state in states:
        if state.get("type") == "STREAM":
            made.append({**state, "stream": of_stream(state["stream"])})
        elif state.get("type") == "GLOBAL":
            inner = {
                name: ahead(value, list(cursors)) for name, value in state["global"].items() if name != "stream_states"
            }
            by_stream = [of_stream(each) for each in state["global"].get("stream_states") or ()]
            made.append({**state, "global": {**inner, "stream_states": by_stream}})
        else:
            made.append(ahead(state, list(cursors)))

    return made, streams


def spread(total: int, count: int) -> list[int]:
    """Return so many of the numbers from 0 on, spread evenly, the first and the last one among them.

    Parameters:
        total: how many there are.
        count: how many are wanted.
    """
    if total <= count:
        return list(range(total))

    return [round(step * (total - 1) / (count - 1)) for step in range(count)] if count > 1 else [total - 1]


def merged(states: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return what is in force after these states: the last GLOBAL one, or the last one of each stream."""
    last = states[-1]
    if last.get("type") != "STREAM":
        return [_plain(last)]

    by_stream = {
        json.dumps(state.get("stream", {}).get("stream_descriptor"), sort_keys=True): state for state in states
    }
    return [_plain(state) for state in by_stream.values()]


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in ("sourceStats", "destinationStats", "id")}


def future(state: Any, names: Collection[str], *, is_cursor: bool = False) -> Any:
    """Return a state with the times and numbers of its cursors far ahead; all else in it stays.

    Parameters:
        names: the fields that are cursors.
        is_cursor: the value is that of a cursor.
    """
    if isinstance(state, dict):
        named = {*names, "cursor"} if names_cursor(state, names) else names
        return {name: future(value, names, is_cursor=name in named) for name, value in state.items()}

    if isinstance(state, list):
        return [future(value, names, is_cursor=is_cursor) for value in state]

    if not is_cursor or isinstance(state, bool) or state is None:
        return state

    return state + _far(state) if isinstance(state, int | float) else _future_text(str(state))


def names_cursor(state: Mapping[str, Any], names: Collection[str]) -> bool:
    """Tell whether a state names its cursor, as sources of databases do: `{"cursor_field": […], "cursor": …}`."""
    field = state.get("cursor_field")
    path = field if isinstance(field, list) else [field]
    return "cursor" in state and bool(path) and path[-1] in names


def _far(value: float) -> int:
    """Return how much later thirty years are, if a number is a time, in the units of that number."""
    return 10**9 * max(1, seconds_of(value))


def _future_text(text: str) -> str:
    value = number(text)
    if value is not None:
        return str(value + _far(value))

    is_date = len(text) >= 10 and text[4:5] == "-" and text[7:8] == "-" and text[:4].isdigit()
    return FAR_YEAR + text[10:] if is_date else text
