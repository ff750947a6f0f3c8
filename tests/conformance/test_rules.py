"""Each rule has a case, each case a rule, each check is used; and what a user chooses is what is run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import anyio
import psutil
import pytest
from mini import SOURCE_MINI, last_run, source_config, step

from airbyte_exec.cli import main
from airbyte_exec.conformance import load_cases, select, stream, subject_of
from airbyte_exec.conformance.cases import GROUPS
from airbyte_exec.conformance.checks import all_checks
from airbyte_exec.conformance.rules import facts
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol import resources

PROTOCOL = Path(__file__).parents[2] / "protocol"
FILES = sorted((PROTOCOL / "cases").rglob("*.json"))
README = (PROTOCOL / "README.md").read_text(encoding="utf-8")
CASES = load_cases()
CODES = {
    *(f"SP{n}" for n in range(1, 16)),
    *(f"IM{n}" for n in range(1, 4)),
    *(f"CK{n}" for n in range(1, 5)),
    *(f"DI{n}" for n in range(1, 7)),
    *(f"RD{n}" for n in range(1, 13)),
    *(f"IN{n}" for n in range(1, 6)),
    *(f"DE{n}" for n in range(3, 22)),
    *("FR1", "FR2", "AT1"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_case_fits_the_schema_and_lies_where_its_id_says(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    assert [error.message for error in resources.validator("case").iter_errors(body)] == []
    assert body["id"] == f"{path.parent.name}.{path.stem}"


def test_each_rule_has_a_case_and_each_case_a_rule() -> None:
    headings = re.findall(r"^#### (\S+)$", README, re.MULTILINE)
    assert sorted(headings) == sorted(case.id for case in CASES)
    assert len(headings) == len(set(headings)) == len(FILES)
    assert {case.code for case in CASES} == CODES


def test_the_text_of_each_rule_is_that_of_its_case() -> None:
    for case in CASES:
        section = README.partition(f"#### {case.id}\n")[2].partition("\n#")[0]
        assert case.title in section
        assert case.why in section
        assert case.code in section


def test_each_check_is_used_and_each_one_that_is_named_exists() -> None:
    assert {case.check for case in CASES if case.check} == set(all_checks())


def test_a_rule_that_is_implied_exists() -> None:
    assert {rule for case in CASES for rule in case.implies} <= {case.id for case in CASES}


def test_each_link_of_a_report_leads_to_a_heading() -> None:
    anchors = {re.sub(r"[^\w-]", "", heading) for heading in re.findall(r"^#+ (\S+)$", README, re.MULTILINE)}
    assert {case.link.partition("#")[2] for case in CASES} <= anchors


def test_each_rule_can_be_explained_without_the_repository(capfd: pytest.CaptureFixture[str]) -> None:
    for case in CASES:
        words = dict(facts(case))
        assert words["why"] == case.why
        assert words["from"] == case.source
        assert words["is run"]

    assert main(["conformance", "--explain", "RD5,incremental.*"]) == 0
    told = capfd.readouterr().out
    assert "read.fields-filled (RD5)" in told
    assert "`read` from 10 and more of its states" in told
    page = Path(told.partition("All rules: ")[2].strip())
    assert page.read_text(encoding="utf-8") == README


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ("SP1", {"spec.answer"}),
        ("spec.answer,read.counts", {"spec.answer", "read.counts"}),
        ("image.*,-image.user", {"image.entrypoint", "image.labels"}),
        ("RD5", {"read.fields-filled"}),
    ],
)
def test_rules_are_chosen_by_id_code_and_pattern(patterns: str, wanted: set[str]) -> None:
    assert {case.id for case in select(CASES, patterns)} == wanted


def test_an_optional_rule_is_left_out_unless_it_is_named() -> None:
    usual = {case.id for case in select(CASES, None)}
    assert usual == {case.id for case in CASES if not case.is_optional}
    assert {case.id for case in select(CASES, "read.*")} <= usual
    assert {case.group for case in CASES} == set(GROUPS)


def test_a_pattern_that_names_nothing_is_an_error() -> None:
    with pytest.raises(PyAirbyteInputError, match=r"spec\.nothing"):
        select(CASES, "spec.nothing")


def test_results_are_streamed_and_to_leave_early_stops_what_still_runs(tmp_path: Path) -> None:
    fifo = tmp_path / "reads"
    os.mkfifo(fifo)
    steps = [step("wait_for", "start", path=str(fifo)), step("hang", "start")]
    config = source_config(path=str(tmp_path / "in"), script={"read": steps})
    subject = subject_of(f"path:{SOURCE_MINI}", config=config)

    async def left() -> str:
        with anyio.fail_after(60):
            async with stream(subject, rules="spec.enum-unique,read.answer") as results:
                async for result in results:
                    await anyio.to_thread.run_sync(fifo.write_bytes, b"", abandon_on_cancel=True)
                    return result.case.id

        raise AssertionError("no result came")

    assert anyio.run(left) == "spec.enum-unique"
    assert not psutil.pid_exists(last_run(tmp_path / "in", "read").pid)


def test_an_error_of_whoever_takes_the_results_comes_out_as_it_is() -> None:
    async def failed() -> None:
        async with stream(subject_of(f"path:{SOURCE_MINI}", config=source_config()), rules="spec.answer") as results:
            async for _ in results:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        anyio.run(failed)
