"""What a rule says and how it is tried, in words: for whoever has a report and not this repository."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.cases import Case

_WIDTH = 100
_NEEDS = {
    "spec": "an answer to `spec`",
    "config": "--config",
    "bad_config": "--bad-config",
    "fault_config": "--fault-config",
    "expected_records": "--expected-records",
    "previous_spec": "--previous",
    "previous_catalog": "--previous",
    "stored_spec": "--spec",
    "metadata": "--metadata",
    "image": "an image",
    "read_back": "--read-back",
    "socket": "sockets",
}
_CONFIGS = {
    "bad": "with wrong credentials",
    "fault": "with a config that meets a fault",
    "invalid": "with a config that the spec does not allow",
    "incomplete": "without a field that the spec requires",
}
_CATALOGS = {
    "all": "of all streams (full_refresh, or incremental where a stream supports nothing else)",
    "unknown": "of a stream that does not exist",
}


def facts(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what there is to know of a rule: a word for it, and the text."""
    yield "why", case.why
    yield "from", case.source
    yield "a breach is", f"{'an' if case.severity[0] in 'aeiou' else 'a'} {case.severity}"
    yield "for", " and ".join(f"{kind}s" for kind in case.kinds)
    if case.needs:
        yield "needs", ", ".join(_need(need) for need in case.needs)

    yield "is run", "; then ".join(_tried(case)) or "nothing"
    if expected := list(_expected(case.expect)):
        yield "expected", ", ".join(expected)

    yield "time limit", f"{case.time_limit:g} s a command"
    if case.implies:
        yield "may break with it", ", ".join(case.implies)

    if case.is_optional:
        yield "is run only", f"where it is asked for: --rules {case.id}"


def explained(case: Case) -> str:
    """Return a rule as text for a terminal."""
    lines = [f"{case.id} ({case.code})", *textwrap.wrap(case.title, _WIDTH), ""]
    for word, text in facts(case):
        lines += textwrap.wrap(f"{word + ':':19}{text}", _WIDTH, subsequent_indent=" " * 19)

    return "\n".join(lines)


def _need(need: str) -> str:
    kind, _, value = need.partition(":")
    return f"the sync mode {value}" if kind == "mode" else _NEEDS[need]


def _tried(case: Case) -> Iterator[str]:
    if case.input.get("image"):
        yield "an inspection of the image"

    yield from (_run(each) for each in case.input.get("runs", ()))
    if count := case.input.get("sampled_states"):
        yield f"`read` from {count} and more of its states"

    for sync in case.input.get("syncs", ()):
        modes = sorted({about.get("mode", "append, or what it has instead") for about in sync["streams"]})
        killed = ", killed in the middle" if any("kill" in step for step in sync["send"]) else ""
        yield f"`write` of {len(sync['streams'])} stream(s), {' and '.join(modes)}{killed}"


def _run(about: Mapping[str, Any]) -> str:
    words = [f"`{about['command']}`", _CONFIGS.get(about.get("config", "good"), "")]
    if "catalog" in about:
        words.append(_CATALOGS.get(about["catalog"], f"({about['catalog']})"))

    if "state" in about:
        far = about["state"].get("which") == "future"
        words.append("from a state of the far future" if far else "from the state where the one before ended")

    if "expect" in about:
        words.append(f"(expected: {', '.join(_expected(about['expect']))})")

    return " ".join(word for word in words if word)


def _expected(expect: Mapping[str, Any]) -> Iterator[str]:
    if "exit_code" in expect:
        yield f"exit code {expect['exit_code']}"

    for kind, count in expect.get("messages", {}).items():
        yield f"{count} {kind}"

    if "trace_errors" in expect:
        yield f"{expect['trace_errors']} TRACE ERROR"

    if "status" in expect:
        yield f"the status {expect['status']}"
