"""One command of a connector for a test of one's own: run, and given back as a transcript. Judges nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airbyte_exec import _portal
from airbyte_exec._process import kept_guardian
from airbyte_exec.conformance.bench import Bench
from airbyte_exec.conformance.jobs import Job, Send
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.conformance.transcript import Line, Transcript


def call(
    subject: Subject,
    command: str,
    *,
    catalog: Mapping[str, Any] | None = None,
    state: Sequence[Any] | None = None,
    stdin: bytes = b"",
    time_limit: float = 60.0,
) -> Transcript:
    """Run one command with the config of the subject; blocking. Whatever the connector does, a transcript comes back.

    An end by an error that told none is a TRACE ERROR at the end of it.

    The spec is asked for first: it says what of the config is secret, and must not be in what a test shows.

    Parameters:
        subject: the connector.
        command: `spec`, `check`, `discover`, `read` or `write`.
        catalog: the configured catalog, for `read` and `write`.
        state: the states to go on from, for `read`.
        stdin: what is written to a destination, lines with their newlines.
        time_limit: seconds until it is stopped.
    """

    async def called() -> Transcript:
        with kept_guardian():
            lab = Lab(subject)
            await Bench(lab).prepare()
            job = Job(
                command=command,
                config=None if command == "spec" else subject.used_config,
                catalog=catalog,
                state=state,
                send=(Send(lines=stdin),) if stdin else (),
                time_limit=time_limit,
            )
            run = await lab.run(job)
            if run.exit_code != 0 and not run.errors:
                run.lines.append(_untold_error(run))

            lines = [replace(line, message=lab.masker.mask_values(line.message)) for line in run.lines]
            return replace(run, lines=lines)

    return _portal.run(called)


def _untold_error(run: Transcript) -> Line:
    if run.stop == "exit":
        reason = run.stderr[-1] if run.stderr else f"it ended with exit code {run.exit_code}"
    else:
        reason = f"it was stopped ({run.stop})" if run.problem is None else f"{run.stop}: {run.problem}"

    error = {"message": reason, "failure_type": "system_error", "stack_trace": "\n".join(run.stderr)}
    now = run.started_at + round(run.seconds * 1000)
    message = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": now, "error": error}}
    number = run.lines[-1].number + 1 if run.lines else 1
    return Line(number=number, raw=json.dumps(message).encode(), at=run.seconds, message=message)
