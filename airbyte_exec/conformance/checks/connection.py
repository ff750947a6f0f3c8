"""What `check` must answer, beyond the number of its messages."""

from __future__ import annotations

from collections.abc import Iterable

from airbyte_exec.conformance.checks import Given, named
from airbyte_exec.conformance.results import Finding


@named("connection.fault")
def fault(given: Given) -> Iterable[Finding]:
    """CK3: a fault is told by one TRACE ERROR with a message."""
    for line in given.run.errors:
        if not (line.body.get("error") or {}).get("message"):
            yield Finding(message="the TRACE ERROR has no message", lines=(line,), run=given.run)


@named("connection.no-stack-trace")
def no_stack_trace(given: Given) -> Iterable[Finding]:
    """CK4: who gave a wrong config is told what is wrong with it, not where our code was."""
    for line in given.run.of("CONNECTION_STATUS"):
        message = str(line.body.get("message") or "")
        if line.body["status"] != "FAILED":
            yield Finding(
                message="a config that the spec does not allow: FAILED expected", lines=(line,), run=given.run
            )
        elif "Traceback (most recent call last)" in message or "\n\tat " in message:
            yield Finding(message="the message for the user holds a stack trace", lines=(line,), run=given.run)
