"""Two reads side by side: what a second one repeats, and where it goes on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.checks import Given, NotApplicableError, named, stream_name
from airbyte_exec.conformance.checks.values import at_path, behind, highest, lowest, text_of
from airbyte_exec.conformance.expectations import stopped
from airbyte_exec.conformance.inputs import merged, names_cursor, set_ahead
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import Key, Line, Transcript, key_of

_MOST = 5
_NO_CURSORS = ("partition", "parent_state")  # as the CDK names which part of a stream is meant, and its parents' states


def _records(run: Transcript) -> dict[Key, list[Line]]:
    found: dict[Key, list[Line]] = defaultdict(list)
    for line in run.records:
        found[key_of(line.body, "stream")].append(line)

    return found


@named("incremental.emitted-later")
def emitted_later(given: Given) -> Iterable[Finding]:
    """FR1: a later read is emitted later."""
    first, second = given.runs
    if not first.records or not second.records:
        raise NotApplicableError("a read gave no records")

    last = max(first.records, key=lambda line: int(line.body["emitted_at"]))
    early = min(second.records, key=lambda line: int(line.body["emitted_at"]))
    if last.body["emitted_at"] >= early.body["emitted_at"]:
        message = f"the second read emits at {early.body['emitted_at']}, the first one at {last.body['emitted_at']}"
        yield Finding(message=message, lines=(last, early), run=second)


@named("incremental.repeatable")
def repeatable(given: Given) -> Iterable[Finding]:
    """FR2: what one full read gives, the next one gives again."""
    first, second = (_records(run) for run in given.runs)
    for key, configured in given.chosen().items():
        paths = configured.get("primary_key") or []

        def name_of(line: Line, paths: list[list[str]] = paths) -> str:
            data = line.body["data"]
            ignored = given.subject.ignored_fields
            return json.dumps([at_path(data, path) for path in paths]) if paths else text_of(data, ignored)

        again = {name_of(line) for line in second.get(key, [])}
        lost = [line for line in first.get(key, []) if name_of(line) not in again]
        if lost:
            message = f"{stream_name(key)}: {len(lost)} records of the first read are not in the second"
            yield Finding(message=message, lines=tuple(lost[:_MOST]), run=given.runs[0])


def _cursors(given: Given) -> dict[Key, list[str]]:
    return {
        key: configured.get("cursor_field") or configured["stream"].get("default_cursor_field") or []
        for key, configured in given.chosen(0).items()
    }


@named("incremental.cursors")
def cursors(given: Given) -> Iterable[Finding]:
    """IN1: the cursor of each record can be found."""
    paths = _cursors(given)
    for key, lines in _records(given.runs[0]).items():
        if paths.get(key) and all(at_path(line.body["data"], paths[key]) is None for line in lines):
            message = f"{stream_name(key)}: no record has its cursor {'.'.join(paths[key])}"
            yield Finding(message=message, lines=tuple(lines[:1]), run=given.runs[0])


def _cursors_of(lines: Iterable[Line], path: list[str]) -> list[Any]:
    return [value for line in lines if path and (value := at_path(line.body["data"], path)) is not None]


@named("incremental.goes-on")
def goes_on(given: Given) -> Iterable[Finding]:
    """IN2: with its states a read goes on, and does not begin again."""
    first, second = (_records(run) for run in given.runs)
    paths, days = _cursors(given), given.subject.threshold_days
    if strange := set(second) - set(first):
        names = ", ".join(stream_name(key) for key in sorted(strange, key=str))
        yield Finding(message=f"the second read has streams that the first one had not: {names}", run=given.run)

    for key, lines in second.items():
        before = first.get(key, [])
        ignored = given.subject.ignored_fields
        both = [[text_of(line.body["data"], ignored) for line in part] for part in (before, lines)]
        if both[0] == both[1]:
            yield Finding(
                message=f"{stream_name(key)}: it was read again from the start", lines=tuple(lines[:1]), run=given.run
            )
            continue

        path = paths.get(key, [])
        ended = _reached(_state_of((line.body for line in given.runs[0].states), key), path)
        # The partitions of a stream end each at a place of its own, and go on there.
        end = lowest(ended) if len(ended) > 1 else highest(_cursors_of(before, path))
        early = [line for line in lines if behind(at_path(line.body["data"], path), end, days=days)]
        if early:
            message = f"{stream_name(key)}: {len(early)} records lie before {end}, where the first read ended"
            yield Finding(message=message, lines=tuple(early[:_MOST]), run=given.run)


def _reached(state: Any, path: list[str]) -> list[Any]:
    """Return the values of a stream's cursor in its state: one, or one for each partition of the stream.

    The low-code CDK writes a partition as `{"partition": …, "cursor": {<field>: <value>}}`, sources of databases a
    stream as `{"cursor_field": [<field>], "cursor": <value>}`.
    """
    return list(_values(state, path[-1])) if path else []


def _values(state: Any, name: str) -> Iterator[Any]:
    """Yield the values of a field, wherever it is in a state that is not about another stream."""
    if isinstance(state, Mapping):
        if names_cursor(state, {name}) and isinstance(state["cursor"], str | int | float):
            yield state["cursor"]

        for key, value in state.items():
            if key == name and value is not None and not isinstance(value, Mapping | list):
                yield value

            if key not in _NO_CURSORS:
                yield from _values(value, name)
    elif isinstance(state, list):
        for value in state:
            yield from _values(value, name)


def _state_of(states: Iterable[Mapping[str, Any]], key: Key) -> Any:
    """Return what the last of some states says of a stream."""
    found = None
    for state in states:
        if state.get("type") == "STREAM" and key_of(state["stream"]["stream_descriptor"]) == key:
            found = state["stream"].get("stream_state")
        elif state.get("type") == "GLOBAL":
            for each in state["global"].get("stream_states") or ():
                if key_of(each["stream_descriptor"]) == key:
                    found = each.get("stream_state")

    return found


@named("incremental.state-covers")
def state_covers(given: Given) -> Iterable[Finding]:
    """IN3: the last state is behind no record."""
    run, paths = given.runs[0], _cursors(given)
    told = False
    for key, lines in _records(run).items():
        path = paths.get(key) or []
        state = _state_of((line.body for line in run.states), key)
        reached = highest(_reached(state, path))
        if reached is None:
            continue

        told = True
        beyond = [line for line in lines if behind(reached, at_path(line.body["data"], path), days=0)]
        if beyond:
            message = f"{stream_name(key)}: {len(beyond)} records lie beyond the last state ({path[-1]} {reached})"
            yield Finding(message=message, lines=tuple(beyond[:_MOST]), run=run)

    if not told:
        raise NotApplicableError("no state names a cursor that could be compared")


@named("incremental.resumes")
def resumes(given: Given) -> Iterable[Finding]:
    """IN4: a read goes on from any state between, and not before it.

    Where a stream has partitions, not before the one that has come least far, once the state names all of them.
    """
    paths, days = _cursors(given), given.subject.threshold_days
    last = [line.body for line in given.runs[0].states]
    for states, run in given.facts["after"]:
        if run.stop != "exit" or run.exit_code != 0:
            how = f"exit code {run.exit_code}" if run.stop == "exit" else stopped(run, given.case.time_limit)
            yield Finding(message=f"it cannot go on from its own state: {how}", run=run)
            continue

        for key, lines in _records(run).items():
            path = paths.get(key) or []
            values, all_of_them = _reached(_state_of(states, key), path), _reached(_state_of(last, key), path)
            reached = lowest(values) if len(values) >= len(all_of_them) else None
            early = [line for line in lines if behind(at_path(line.body["data"], path), reached, days=days)]
            if early:
                message = f"{stream_name(key)}: {len(early)} records lie before the state ({path[-1]} {reached})"
                yield Finding(message=message, lines=tuple(early[:_MOST]), run=run)


@named("incremental.future")
def future(given: Given) -> Iterable[Finding]:
    """IN5: behind a state of the far future there is nothing, and the state is told again.

    Nothing is said of a stream whose state holds no cursor that could be set ahead, such as the token of a page.
    """
    run = given.run
    _, ahead = set_ahead(merged([line.body for line in given.runs[0].states]), given.configured[1])
    records = [line for line in run.records if key_of(line.body, "stream") in ahead]
    if records:
        message = f"{len(records)} records lie behind a state of the far future"
        yield Finding(message=message, lines=tuple(records[:_MOST]), run=run)

    if not run.states:
        yield Finding(message="it wrote no state", run=run)
