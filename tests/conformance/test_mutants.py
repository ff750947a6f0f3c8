"""The suite checks itself: each rule has a connector that breaks it, and the suite names that rule and no other.

A mutant is a scripted connector that writes something else; the suite does not know that it is one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import subjects

from airbyte_exec.conformance import Report, Subject, load_cases, run
from airbyte_exec.connectors.destination_local.settings import SPEC

CASES = {case.code: case for case in load_cases()}
FILLED = "*,read.fields-filled"
NO_MUTANT_HERE = {"IM1", "IM2", "IM3", "DE21"}
"""Images have mutants of their own, for an engine; nothing that speaks over pipes can be tried over sockets."""

pytestmark = [pytest.mark.slow, pytest.mark.long]


def broken(report: Report) -> set[str]:
    return {result.case.id for result in report.results if result.findings}


def assert_named(code: str, report: Report) -> None:
    case = CASES[code]
    told = {
        result.case.id: [finding.message for finding in result.findings] for result in report.results if result.findings
    }
    assert case.id in told, told
    assert set(told) - {case.id} <= set(case.implies), told


def ids(mutants: list[tuple[str, str, subjects.Change]]) -> list[str]:
    return [f"{code}: {what}" for code, what, _ in mutants]


def test_the_clean_source_keeps_all_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = subjects.source_parts(tmp_path)
    parts.given["fail_on_extra_columns"] = True
    report = run(subjects.source_subject(parts, monkeypatch))
    assert broken(report) == set()
    skipped = {result.case.code for result in report.results if result.status == "skip"}
    assert skipped == {"IM1", "IM2", "IM3", "DI5"}


def test_the_clean_destination_keeps_all_rules(tmp_path: Path) -> None:
    report = run(subjects.destination_subject(subjects.destination_parts(tmp_path)))
    assert broken(report) == set()
    skipped = {result.case.code for result in report.results if result.status == "skip"}
    assert skipped == {"IM1", "IM2", "IM3", "SP3", "SP15", "DE21"}


@pytest.mark.parametrize(("code", "what", "change"), subjects.SOURCES, ids=ids(subjects.SOURCES))
def test_a_source_that_breaks_a_rule_is_told_so_and_of_no_other(
    code: str, what: str, change: subjects.Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = subjects.source_parts(tmp_path)
    change(parts)
    assert_named(code, run(subjects.source_subject(parts, monkeypatch), rules=FILLED if code == "RD5" else None))


@pytest.mark.parametrize(("code", "what", "change"), subjects.DESTINATIONS, ids=ids(subjects.DESTINATIONS))
def test_a_destination_that_breaks_a_rule_is_told_so_and_of_no_other(
    code: str, what: str, change: subjects.Change, tmp_path: Path
) -> None:
    parts = subjects.destination_parts(tmp_path)
    change(parts)
    assert_named(code, run(subjects.destination_subject(parts)))


def test_every_rule_has_a_mutant() -> None:
    tried = {code for code, _, _ in [*subjects.SOURCES, *subjects.DESTINATIONS]}
    assert set(CASES) - tried == NO_MUTANT_HERE


def test_destination_local_keeps_all_rules(tmp_path: Path) -> None:
    report = run(destination_local(tmp_path))
    assert broken(report) == set()
    assert {result.case.code for result in report.results if result.status == "skip"} == NO_MUTANT_HERE


def destination_local(folder: Path) -> Subject:
    from airbyte_exec.conformance import read_back, subject_of

    return subject_of(
        "bundled:destination-local",
        config={"path": f"{folder}/{{case}}.duckdb"},
        bad_config={"path": "/dev/null/nowhere.duckdb"},
        fault_config={"path": f"{folder}/{'x' * 300}.duckdb"},  # no file system can even look for it
        stored_spec=SPEC,
        previous={"spec": SPEC},
        read_back=read_back(f"duckdb:///{folder}/{{case}}.duckdb", namespace="main"),
    )
