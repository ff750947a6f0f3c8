"""A report in each of its forms: well-formed, true to the schema, and safe whatever a connector wrote."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from mini import SOURCE_MINI, source_config, step, stream

from airbyte_exec.cli import conformance as conformance_command
from airbyte_exec.cli import main
from airbyte_exec.conformance import Report, load_cases, reports, run, subject_of
from airbyte_exec.conformance.results import untried
from airbyte_exec.protocol import resources

NASTY = 'DEBUG <script>alert("x")</script> ]]> \x1b[31m \x00 %0A ::error::'


@pytest.fixture(scope="module")
def report() -> Report:
    config = source_config(script=[step("noise", {"record": 5}, text=NASTY)], emitted_at="now")
    return run(subject_of(f"path:{SOURCE_MINI}", config=config), rules="spec.*,image.user,read.lines,read.answer")


def test_the_json_report_fits_its_schema(report: Report) -> None:
    document = json.loads(reports.render(report, "json"))
    assert [error.message for error in resources.validator("conformance_report").iter_errors(document)] == []
    assert document["exit_code"] == 1
    assert document["counts"]["fail"] == 1


def test_junit_has_a_test_for_each_rule(report: Report) -> None:
    root = ET.fromstring(reports.render(report, "junit"))
    assert {case.get("name") for case in root.iter("testcase")} == {result.case.id for result in report.results}
    (failure,) = root.iter("failure")
    assert failure.get("type") == "RD10"
    assert "<script>" in (failure.text or "")
    assert len(list(root.iter("skipped"))) == report.counts["skip"]
    for element in (root, *root):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
            assert element.get(name) == str(len(list(element.iter(tag))))


def test_sarif_names_each_rule_and_each_breach(report: Report) -> None:
    (found,) = json.loads(reports.render(report, "sarif"))["runs"]
    assert {rule["id"] for rule in found["tool"]["driver"]["rules"]} == {result.case.id for result in report.results}
    assert {(result["ruleId"], result["level"]) for result in found["results"]} == {("read.lines", "error")}
    (result,) = found["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "source-mini"
    assert "<script>" in result["message"]["text"]
    assert "suppressions" not in result


def test_sarif_holds_what_is_known_as_suppressed(report: Report) -> None:
    again = replace(report, results=[replace(result) for result in report.results])
    again.against(["read.lines"])
    (found,) = json.loads(reports.render(again, "sarif"))["runs"]
    assert [result["suppressions"][0]["kind"] for result in found["results"]] == ["external"]


def test_an_annotation_is_one_line_whatever_the_evidence_holds(report: Report) -> None:
    (line,) = reports.render(report, "github").splitlines()
    assert line.startswith("::error title=read.lines (RD10)::")
    assert "%250A" in line


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_stands_alone_and_runs_nothing(report: Report) -> None:
    page = Page()
    page.feed(reports.render(report, "html"))
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert not {"link", "img", "iframe"} & set(tags)
    assert {attrs.get("id") for _, attrs in page.tags} >= {result.case.id for result in report.results}
    ids = {attrs.get("id") for _, attrs in page.tags}
    links = {attrs["href"] or "" for tag, attrs in page.tags if tag == "a"}
    assert {link.removeprefix("#") for link in links} <= ids
    assert {f"#rule.{result.case.id}" for result in report.results} <= links
    marks = [attrs for tag, attrs in page.tags if tag == "i"]
    assert "stray" in {attrs["class"] for attrs in marks}
    assert "RECORD" in {attrs["class"] for attrs in marks}


def test_the_table_shows_the_line_the_reason_and_the_command(report: Report) -> None:
    text = reports.render(report, "table")
    assert "fail: read.lines (RD10)" in text
    assert "it is no image" in text
    assert "by hand: " in text
    assert "See: airbyte-exec conformance --explain read.lines" in text


def test_what_a_connector_wrote_does_not_reach_the_terminal_as_it_is(report: Report) -> None:
    assert "\\x00" in reports.render(report, "table")
    for kind in ("table", "github", "junit"):
        assert not {"\x1b", "\x00"} & set(reports.render(report, kind)), kind


def arguments(folder: Path, *more: str, **config: object) -> list[str]:
    path = folder / "config.json"
    path.write_text(json.dumps(source_config(emitted_at="now") | config), encoding="utf-8")
    return ["conformance", f"path:{SOURCE_MINI}", "--config", str(path), "-q", *more]


def test_the_exit_code_tells_whether_all_rules_are_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "--rules", "RD11")) == 0
    assert main(arguments(tmp_path, "--rules", "RD11", source_stats="wrong")) == 1
    assert main(arguments(tmp_path, "--rules", "no.such-rule")) == 2
    assert main(["conformance"]) == 2
    assert main(arguments(tmp_path, "--report", "word=x")) == 2
    assert main(arguments(tmp_path, "--report", f"html={tmp_path}/nowhere/r.html")) == 2
    assert "read.counts" in capfd.readouterr().out


def test_a_report_that_cannot_be_written_is_told_before_anything_is_run(tmp_path: Path) -> None:
    called = str(tmp_path / "calls")
    (folder := tmp_path / "folder").mkdir()
    for where in ("/proc/x.html", str(folder), f"{tmp_path}/config.json/r.html"):
        assert main(arguments(tmp_path, "--rules", "SP1", "--report", f"html={where}", path=called)) == 2

    assert not Path(called).exists()
    assert main(arguments(tmp_path, "--rules", "no.such-rule", "--report", f"html={tmp_path}/new.html")) == 2
    assert not (tmp_path / "new.html").exists()


def test_what_is_printed_does_not_wait_for_a_file_that_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance_command, "_try_to_write", lambda _path: None)  # the disk is full only later
    assert main(arguments(tmp_path, "--rules", "SP1", "--report", "html=/proc/x.html")) != 0
    assert "1 pass" in capfd.readouterr().out


def test_rules_that_are_for_no_connector_of_its_kind_are_wrong_usage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path, "--rules", "destination.*")) == 2
    assert "none of these rules is for a source" in capfd.readouterr().err


@pytest.mark.parametrize("baseline", ['{"Known": ["SP2"]}', '{"x": 1}', '{"known": null}', '{"known": "SP2"}', "{}"])
def test_a_baseline_that_names_no_list_of_rules_is_wrong_usage(tmp_path: Path, baseline: str) -> None:
    assert main(arguments(tmp_path, "--rules", "SP1", "--baseline", baseline)) == 2


def test_a_known_failure_passes_and_a_stale_one_does_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    known = tmp_path / "known.json"
    known.write_text('["read.counts"]', encoding="utf-8")
    baseline = ("--rules", "RD11", "--baseline", str(known))
    assert main(arguments(tmp_path, *baseline, source_stats="wrong")) == 0
    assert main(arguments(tmp_path, *baseline)) == 1
    assert "stale: the baseline names read.counts" in capfd.readouterr().out


def test_a_warning_can_be_known_and_a_rule_is_named_by_either_of_its_ids(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.json"
    known.write_text('["DI6", "discovery.types", "RD11"]', encoding="utf-8")
    fields = {"properties": {"id": {"type": "integer"}, "updated_at": {"type": "string", "airbyte_type": "money"}}}
    baseline = ("--rules", "DI6,RD11", "--baseline", str(known))
    odd = [stream(fields={"type": "object", **fields})]
    assert main(arguments(tmp_path, *baseline, source_stats="wrong", streams=odd)) == 0
    assert "2 known" in capfd.readouterr().out


def test_a_stale_rule_fails_in_junit_too(report: Report) -> None:
    root = ET.fromstring(reports.render(replace(report, stale=["spec.answer"]), "junit"))
    suite = root.find("testsuite[@name='source-mini.baseline']")
    assert suite is not None
    assert suite.get("failures") == "1"
    assert [case.get("name") for case in suite.iter("testcase")] == ["spec.answer"]


def test_half_a_character_in_the_evidence_is_written_all_the_same(tmp_path: Path) -> None:
    half = '{"type": "LOG", "log": "\\ud800"}'
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "json", "junit", "sarif", "github", "table")}
    written = [word for kind, path in files.items() for word in ("--report", f"{kind}={path}")]
    script = [step("noise", {"record": 5}, text=half)]
    assert main(arguments(tmp_path, "--rules", "RD10", *written, script=script)) == 1
    assert json.loads(files["json"].read_text(encoding="utf-8"))["exit_code"] == 1
    assert all(path.stat().st_size > 0 for path in files.values())


def test_what_is_kept_repeats_a_broken_run_and_is_its_owners_alone(tmp_path: Path) -> None:
    written, kept = tmp_path / "report.json", tmp_path / "kept" / "here"
    options = ("--rules", "RD11,SP1", "--keep", str(kept), "--report", f"json={written}")
    assert main(arguments(tmp_path, *options, source_stats="wrong", emitted_at=1, api_key="s3cr3t-key")) == 1
    (result,) = (each for each in json.loads(written.read_text(encoding="utf-8"))["results"] if each["findings"])
    folder = kept / "read.counts" / "1-read"
    assert list(kept.iterdir()) == [kept / "read.counts"]
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & (folder / "config.json").stat().st_mode & 0o044 == 0o044, "an image cannot read it"
    assert "s3cr3t-key" in (folder / "config.json").read_text(encoding="utf-8")
    again = subprocess.run(result["commands"][0], shell=True, capture_output=True, check=True, timeout=60)
    assert again.stdout == (folder / "stdout.jsonl").read_bytes()


def test_what_an_earlier_report_kept_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    options = ("--rules", "IN2,RD11", "--keep", str(kept))
    assert main(arguments(tmp_path, *options, resumes="at_start", source_stats="wrong")) == 1
    assert len(list((kept / "incremental.goes-on").iterdir())) > 1
    (own := kept / "incremental.goes-on" / "1-read" / "notes.txt").write_text("mine", encoding="utf-8")
    (other := kept / "other.txt").write_text("mine", encoding="utf-8")

    assert main(arguments(tmp_path, *options, source_stats="wrong")) == 1
    assert {path for path in kept.rglob("*") if path.is_file() and path.parent.parent.name != "read.counts"} == {
        own,
        other,
    }
    assert (kept / "read.counts" / "1-read" / "stdout.jsonl").is_file()


def test_reports_are_written_beside_what_is_printed(tmp_path: Path) -> None:
    page, xml = tmp_path / "r.html", tmp_path / "r.xml"
    assert main(arguments(tmp_path, "--rules", "SP1", "--report", f"html={page}", "--report", f"junit={xml}")) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert ET.parse(xml).getroot().tag == "testsuites"


def test_what_could_not_be_run_is_an_error_in_every_report() -> None:
    case = next(case for case in load_cases() if case.code == "SP1")
    stuck = Report(connector="source-x", results=[untried(case, "the disk is full")])
    assert stuck.exit_code == 1
    assert "1 error" in reports.render(stuck, "table")
    assert json.loads(reports.render(stuck, "json"))["results"][0]["status"] == "error"
    (error,) = ET.fromstring(reports.render(stuck, "junit")).iter("error")
    assert "the disk is full" in error.get("message", "")
    assert reports.render(stuck, "github").startswith("::error title=spec.answer")
    assert 'class="rule error"' in reports.render(stuck, "html")
