"""What an author gives beside a connector, in words: read, and checked, before any rule is tried."""

from __future__ import annotations

import glob
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from airbyte_exec.conformance.bench import PRELUDE_LIMIT
from airbyte_exec.conformance.documents import part_of, previous_of
from airbyte_exec.conformance.expectations import stopped
from airbyte_exec.conformance.jobs import Job
from airbyte_exec.conformance.lab import Lab
from airbyte_exec.conformance.readback import PLACE, Files, ReadBack, read_back
from airbyte_exec.conformance.subject import Subject, subject_of
from airbyte_exec.conformance.tables import Sql
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.exceptions import PyAirbyteInputError

ReadConfig = Callable[[str, str], dict[str, Any]]
ReadBytes = Callable[[str, str], bytes]
Ask = Callable[[Callable[[], Awaitable[dict[str, Any]]]], dict[str, Any]]
_FILES = (".json", ".yaml", ".yml", ".jsonl")
_SHOWN = 300  # characters of what an earlier version says at its end


def subject_given(
    connector: str, words: Mapping[str, Any], *, read: ReadConfig, read_bytes: ReadBytes, ask: Ask, **how: Any
) -> Subject:
    """Return the subject.

    Parameters:
        connector: a connector string.
        words: the values of the options by their names, such as `bad_config`; empty for what is not given.
        read: reads a config; it is told the option, for errors.
        read_bytes: reads a file, likewise.
        ask: runs what asks an earlier version of the connector.
        how: how a connector is installed or run; see `airbyte_exec.executors.resolve_executor`.

    Raises:
        PyAirbyteInputError: something of it cannot be read, or is not what it should be.
        AirbyteConnectorError: the connector is not there, or cannot be installed.
    """

    adapter = words.get("read_back")
    rows = read_back(adapter, namespace=words.get("default_namespace") or "") if adapter else None
    given = _given(words, read, read_bytes)
    subject = subject_of(connector, kind=words.get("kind"), how=how, **given)
    previous: dict[str, Any] = {}
    for text in words.get("previous") or ():
        previous.update(_previous(text, subject, read, ask, how))

    return replace(subject, previous=previous, read_back=rows or _own_read_back(subject))


def _given(words: Mapping[str, Any], read: ReadConfig, read_bytes: ReadBytes) -> dict[str, Any]:
    """Return the fields of the subject that are documents, names and numbers."""

    def document(name: str) -> dict[str, Any] | None:
        text = words.get(name)
        return read(text, f"--{name.replace('_', '-')}") if text else None

    catalog, spec, records = document("catalog"), document("spec"), words.get("expected_records")
    return {
        "config": document("config"),
        "bad_config": document("bad_config"),
        "fault_config": document("fault_config"),
        "catalog": None if catalog is None else part_of(catalog, "configured_catalog", "--catalog"),
        "stored_spec": None if spec is None else part_of(spec, "spec", "--spec"),
        "metadata": document("metadata"),
        "expected_records": _records(read_bytes(records, "--expected-records")) if records else (),
        "exact_order": bool(words.get("exact_order")),
        "fail_on_extra_columns": bool(words.get("fail_on_extra_columns")),
        "oauth_is_exempt": bool(words.get("oauth_exempt")),
        "empty_streams": _names(words.get("empty_streams")),
        "keyless_streams": _names(words.get("keyless_streams")),
        "ignored_fields": _names(words.get("ignored_fields")),
        "threshold_days": _days(words.get("threshold_days")),
        "longest_text": _bytes(words.get("longest_text")),
    }


def _days(text: str | float | None) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        raise PyAirbyteInputError(message=f"--threshold-days: {text!r} is no number.") from None


def _bytes(text: str | int | None) -> int | None:
    if text is None:
        return None

    try:
        found = int(text)
    except ValueError:
        found = 0

    if found < 1:
        raise PyAirbyteInputError(message=f"--longest-text: {text!r} is no number of bytes.")

    return found


def _names(text: str | None) -> frozenset[str]:
    return frozenset(name.strip() for name in (text or "").split(",") if name.strip())


def _records(content: bytes) -> tuple[dict[str, Any], ...]:
    try:
        found = [json.loads(line) for line in content.splitlines() if line.strip()]
        plain = [each.get("record", each) for each in found]
        if not all(isinstance(each["stream"], str) and isinstance(each["data"], dict) for each in plain):
            raise TypeError

        return tuple(
            {"stream": each["stream"], "namespace": each.get("namespace"), "data": each["data"]} for each in plain
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        raise PyAirbyteInputError(
            message='--expected-records must be JSON lines: {"stream": …, "data": {…}}, or RECORD messages.'
        ) from None


def _previous(text: str, subject: Subject, read: ReadConfig, ask: Ask, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec, the catalog, or both, of the version before."""
    if text.lstrip().startswith("{") or Path(text).is_file() or text.endswith(_FILES):
        return previous_of(read(text, "--previous"), "--previous")

    return ask(lambda: _asked(text, subject, how))


async def _asked(text: str, subject: Subject, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an earlier version says of itself.

    Raises:
        PyAirbyteInputError: it says nothing; the message tells how its commands ended.
    """
    lab = Lab(subject_of(text, kind=subject.kind, config=subject.used_config, how=dict(how)))
    jobs = [(Job(command="spec"), "SPEC")]
    if subject.kind == "source":
        jobs.append((Job(command="discover", config=subject.used_config, time_limit=PRELUDE_LIMIT), "CATALOG"))

    found: dict[str, Any] = {}
    reasons = []
    for job, kind in jobs:
        run = await lab.run(job)
        reasons.append(_ended(run, job.time_limit))
        for line in run.of(kind):
            found[kind.lower()] = line.body

    if not found:
        message = f"--previous: {text} gives neither a SPEC nor a CATALOG: {'; '.join(reasons)}."
        raise PyAirbyteInputError(message=lab.masker.mask(message))

    return found


def _ended(run: Transcript, limit: float) -> str:
    """Return how a command came to its end, with the last that it said."""
    ended = stopped(run, limit) if run.stop != "exit" else f"`{run.command}` ended with exit code {run.exit_code}"
    told = [str(error.get("message")) for error in run.trace_errors[-1:]] if run.errors else run.stderr[-1:]
    return " ".join([ended, *(f"({said[:_SHOWN]})" for said in told)])


def _own_read_back(subject: Subject) -> ReadBack | None:
    """Return how the rows of our own destination are read, which its config tells; None for any other."""
    path = subject.used_config.get("path")
    if subject.name != "destination-local" or not isinstance(path, str):
        return None

    # Not through a text such as --read-back: what divides one there may stand in a path.
    path = str(Path(path).expanduser())
    kind, schema = subject.used_config.get("format", "duckdb"), subject.used_config.get("schema") or ""
    if kind == "duckdb":
        return Sql(url="duckdb://", file=path, default=schema or "main")

    return Files(template=f"{_plain(path)}/{{namespace}}/{{stream}}/*.{kind}", default=schema)


def _plain(path: str) -> str:
    """Return a path as a template that means nothing but it; the place of a case stays one."""
    doubled = glob.escape(path).replace("{", "{{").replace("}", "}}")
    return doubled.replace("{" + PLACE + "}", PLACE)
