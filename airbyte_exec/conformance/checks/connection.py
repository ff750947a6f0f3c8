"""What `check` must answer, beyond the number of its messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from airbyte_exec.conformance.checks import Given, named
from airbyte_exec.conformance.results import Finding

_STACK_TRACE = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"\n]{1,300}\", line \d+, in "  # Python
    r"|^[ \t]+at [^\s(]{1,300}\([^()\n]{0,300}\)"  # Java, Kotlin, C#
    r"|^[ \t]+at [^\n]{1,300}:\d+:\d+\)?[ \t\r]*$"  # JavaScript
    r"|^goroutine \d+ \["  # Go
    r"|\.rb:\d+:in "  # Ruby
    r"|^thread '[^'\n]{1,200}' (?:\(\d+\) )?panicked at|^stack backtrace:"  # Rust
    r"|^#\d+ [^\n]{1,300}\(\d+\): ",  # PHP
    re.MULTILINE,
)


@named("connection.fault")
def fault(given: Given) -> Iterable[Finding]:
    """CK3: a fault is told by one TRACE ERROR with a message."""
    for line in given.run.errors:
        if not str(line.error.get("message") or "").strip():
            yield Finding(message="the TRACE ERROR has no message", lines=(line,), run=given.run)


@named("connection.no-stack-trace")
def no_stack_trace(given: Given) -> Iterable[Finding]:
    """CK4: who gave a wrong config is told what is wrong with it, not where our code was."""
    for run in given.runs:
        for line in run.of("CONNECTION_STATUS"):
            message = str(line.body.get("message") or "")
            if line.body["status"] != "FAILED":
                yield Finding(message="a config that the spec does not allow: FAILED expected", lines=(line,), run=run)
            elif has_stack_trace(message):
                yield Finding(message="the message for the user holds a stack trace", lines=(line,), run=run)

        for line in run.errors:
            if has_stack_trace(str(line.error.get("message") or "")):
                yield Finding(message="the message for the user holds a stack trace", lines=(line,), run=run)


def has_stack_trace(text: str) -> bool:
    """Tell whether a text holds a stack trace, as a language that connectors are written in prints it."""
    return _STACK_TRACE.search(text) is not None
