"""The states that a destination gives back: those that were sent, as they were, each stream's in its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks.values import text_of
from airbyte_exec.conformance.messages import Sync
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import Key, Line, Transcript, key_of

_MOST = 5
_ADDED = ("destinationStats", "committedRecordsCount", "committedBytesCount", "rejectedRecordsCount")
"""What a destination may add to a state; by the third and the fourth one the platform counts, too."""


def _value(state: Mapping[str, Any]) -> str:
    """Return a state as text by which equal ones are equal, but for what a destination adds.

    What it holds of the connector (`stream_state`, `shared_state`, `data`) is one value; around it null is absence, and
    entries of a GLOBAL state have no order.
    """
    kept: dict[str, Any] = {"type": "LEGACY", **_filled({k: v for k, v in state.items() if k not in _ADDED})}
    if kept["type"] != "LEGACY":
        kept.pop("data", None)

    if kept["type"] == "STREAM":
        kept["stream"] = _of_stream(kept["stream"])
    elif kept["type"] == "GLOBAL":
        body = _filled(kept["global"])
        kept["global"] = {**body, "stream_states": sorted(map(text_of, map(_of_stream, body["stream_states"])))}

    if "sourceStats" in kept:
        kept["sourceStats"] = _filled(kept["sourceStats"])

    return text_of(kept)


def _of_stream(state: Mapping[str, Any]) -> dict[str, Any]:
    return {**_filled(state), "stream_descriptor": _filled(state["stream_descriptor"])}


def _filled(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def echoes(run: Transcript, sync: Sync, wanted: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the states that came back.

    Parameters:
        wanted: `all` (each, in the order of its stream), `last` (at least the last one, as it was), `sent` (nothing
            that was not sent), `none`, or None for no word on them.
    """
    if wanted is None:
        return

    came, sent = [(_value(line.body), line) for line in run.states], [_value(state) for state in sync.states]
    if wanted == "none":
        if came:
            yield Finding(message="it confirms a state whose records it did not write", lines=_lines(came), run=run)

        return

    yield from _strays(run)
    if wanted == "last":
        if not came or came[-1][0] != sent[-1]:
            message = "the last state that was sent is not the last one that came back"
            yield Finding(message=message, lines=_lines(came[-2:]), run=run)

        return

    if invented := [pair for pair in came if pair[0] not in sent]:
        message = f"{len(invented)} states came back that nobody sent, or not as they were sent"
        yield Finding(message=message, lines=_lines(invented), run=run)

    if wanted == "all" and not invented and _by_stream(line.body for line in run.states) != _by_stream(sync.states):
        message = f"{len(sent)} states were sent, and {len(came)} came back, or not in that order"
        yield Finding(message=message, lines=_lines(came), run=run)


def _by_stream(states: Iterable[Mapping[str, Any]]) -> dict[Key | None, list[str]]:
    """Return states by the stream that they are of, each list in order; None has those that are of no one stream.

    The order counts per stream for STREAM states, and in total for GLOBAL and LEGACY ones (airbyte-protocol.md).
    """
    found: dict[Key | None, list[str]] = {}
    for state in states:
        key = key_of(state["stream"]["stream_descriptor"]) if state.get("type") == "STREAM" else None
        found.setdefault(key, []).append(_value(state))

    return found


def _strays(run: Transcript) -> Iterator[Finding]:
    for line in run.strays:
        body = line.message or {}
        if body.get("type") in ("STREAM", "GLOBAL", "LEGACY") or "stream_state" in body:
            message = 'a state without its envelope ({"type": "STATE", "state": …}): nobody can take it for one'
            yield Finding(message=message, lines=(line,), run=run)
            return


def _lines(pairs: Sequence[tuple[str, Line]]) -> tuple[Line, ...]:
    return tuple(line for _, line in pairs[:_MOST])


def counts(run: Transcript, sync: Sync, *, needed: bool) -> Iterator[Finding]:
    """Yield what is wrong with the counts of the states that came back, in whatever order.

    Parameters:
        needed: a count must be there.
    """
    sent: dict[str, list[float]] = {}
    for state in sync.states:
        sent.setdefault(_value(state), []).append(state["sourceStats"]["recordCount"])

    for line in run.states:
        wanted = sent.get(_value(line.body))
        if not wanted:
            continue  # nobody sent it, which is told elsewhere

        count = wanted.pop(0)
        said = (line.body.get("destinationStats") or {}).get("recordCount")
        if said != count and (needed or said is not None):
            message = f"destinationStats.recordCount is {said}, and {count} records were sent before that state"
            yield Finding(message=message, lines=(line,), run=run)
