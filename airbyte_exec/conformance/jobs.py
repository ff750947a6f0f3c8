"""Commands that are to be run: what they are given, and how a person repeats them. Runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.secrets.masking import Masker


@dataclass(frozen=True, kw_only=True)
class Send:
    """One step of what is written to a destination: lines, then perhaps a wait, then perhaps a kill.

    Parameters:
        lines: what is written, with newlines.
        echoes: how many states must have come back before the next step.
        kill: kill the destination, with no end of input.
    """

    lines: bytes = b""
    echoes: int = 0
    kill: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command to be run.

    Parameters:
        command: such as `read`.
        config: the config as the user gave it; None for `spec`.
        catalog: the configured catalog.
        state: the states to go on from.
        send: what is written to its stdin.
        time_limit: seconds for all of it.
        turn: tells apart runs that are alike and must each be run.
        after: seconds to wait before the start.
    """

    command: str
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    catalog: Mapping[str, Any] | None = None
    state: Sequence[Any] | None = None
    send: tuple[Send, ...] = ()
    time_limit: float = 60.0
    turn: int = 0
    after: float = 0.0

    @property
    def digest(self) -> str:
        """Equal for commands that get the same input."""
        parts = [self.command, self.config, self.catalog, self.state, self.turn, repr(self.send)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def argv_of(subject: Subject, job: Job) -> tuple[str, ...]:
    """Return a command that repeats the run by hand; the files are shown beside it."""
    files = [name for name in ("config", "catalog", "state") if getattr(job, name) is not None]
    tail = [part for name in files for part in (f"--{name}", f"{name}.json")]
    return (*_program(subject, job.command, bool(files)), job.command, *tail)


def _program(subject: Subject, command: str, has_files: bool) -> tuple[str, ...]:
    image = getattr(subject.executor, "image", None)
    if image is not None:
        mount = ("-v", ".:/work", "-w", "/work") if has_files else ()
        return ("docker", "run", "--rm", *(("-i",) if command == "write" else ()), *mount, str(image))

    try:
        return subject.executor.launch().argv
    except exc.PyAirbyteError:
        return (subject.name,)


def inputs_of(job: Job, masker: Masker) -> dict[str, str]:
    """Return the files that a command is given, by option, without secrets."""
    given = {"config": job.config, "catalog": job.catalog, "state": job.state}
    return {name: masker.mask(json.dumps(value)) for name, value in given.items() if value is not None}


def files_of(job: Job, config: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files that repeat a command by hand, secrets and all."""
    given = {"config": None if job.config is None else config, "catalog": job.catalog, "state": job.state}
    files = {f"{name}.json": json.dumps(value, indent=2).encode() for name, value in given.items() if value is not None}
    return {**files, "stdin.jsonl": b"".join(step.lines for step in job.send)} if job.command == "write" else files
