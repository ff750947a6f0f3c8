"""Says which rules of the protocol a connector breaks: the cases of `protocol/cases`, run against any connector."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airbyte_exec.conformance.cases import Case, load_cases, select
    from airbyte_exec.conformance.readback import ReadBack, read_back
    from airbyte_exec.conformance.results import Finding, Report, Result
    from airbyte_exec.conformance.runner import run, run_all, stream
    from airbyte_exec.conformance.subject import Subject, subject_of
    from airbyte_exec.conformance.transcript import Line, Transcript
    from airbyte_exec.conformance.wrapper import call

__all__ = [
    "Case",
    "Finding",
    "Line",
    "ReadBack",
    "Report",
    "Result",
    "Subject",
    "Transcript",
    "call",
    "load_cases",
    "read_back",
    "run",
    "run_all",
    "select",
    "stream",
    "subject_of",
]

# Loaded when they are used: the pytest plugin stands in this package, and every run of pytest loads that.
_HOMES = {
    "cases": ("Case", "load_cases", "select"),
    "readback": ("ReadBack", "read_back"),
    "results": ("Finding", "Report", "Result"),
    "runner": ("run", "run_all", "stream"),
    "subject": ("Subject", "subject_of"),
    "transcript": ("Line", "Transcript"),
    "wrapper": ("call",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
