"""Says which rules of the protocol a connector breaks: the cases of `protocol/cases`, run against any connector."""

from __future__ import annotations

from airbyte_exec.conformance.cases import Case, load_cases, select
from airbyte_exec.conformance.readback import read_back
from airbyte_exec.conformance.results import Finding, Report, Result
from airbyte_exec.conformance.runner import run, run_all
from airbyte_exec.conformance.subject import Subject, subject_of
from airbyte_exec.conformance.transcript import Line, Transcript

__all__ = [
    "Case",
    "Finding",
    "Line",
    "Report",
    "Result",
    "Subject",
    "Transcript",
    "load_cases",
    "read_back",
    "run",
    "run_all",
    "select",
    "subject_of",
]
