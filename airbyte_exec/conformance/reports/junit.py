"""JUnit XML, as CI systems read it: a suite a group, a test case a rule."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from airbyte_exec.conformance.cases import GROUPS
from airbyte_exec.conformance.results import Report, Result, shown

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def render(report: Report) -> str:
    """Return the XML."""
    root = ET.Element("testsuites", name=f"conformance of {report.connector}", time=f"{report.seconds:.3f}")
    for group in GROUPS:
        results = [result for result in report.results if result.case.group == group]
        if not results:
            continue

        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{report.connector}.{group}",
            tests=str(len(results)),
            failures=str(sum(result.status == "fail" for result in results)),
            skipped=str(sum(result.status == "skip" for result in results)),
            errors=str(sum(result.status == "error" for result in results)),
            time=f"{sum(result.seconds for result in results):.3f}",
        )
        for result in results:
            _case(suite, report, result)

    if report.stale:
        _stale(root, report)

    for name in ("tests", "failures", "skipped", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))

    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode")


def _case(suite: ET.Element, report: Report, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{report.connector}.{result.case.group}",
        name=result.case.id,
        time=f"{result.seconds:.3f}",
    )
    if result.status == "skip":
        ET.SubElement(case, "skipped", message=_text(result.reason or ""))
    elif result.status == "error":
        ET.SubElement(case, "error", message=_text(result.reason or ""))
    elif result.status == "fail":
        message = result.findings[0].message if result.findings else result.case.title
        ET.SubElement(case, "failure", message=_text(message), type=result.case.code).text = _text(evidence(result))
    elif result.findings:
        ET.SubElement(case, "system-out").text = _text(evidence(result))


def _stale(root: ET.Element, report: Report) -> None:
    """Fail for what the baseline names and is kept, as the exit code does: CI systems look at one or the other."""
    name, count = f"{report.connector}.baseline", str(len(report.stale))
    suite = ET.SubElement(root, "testsuite", name=name, tests=count, failures=count, skipped="0", errors="0", time="0")
    for rule in report.stale:
        case = ET.SubElement(suite, "testcase", classname=name, name=rule, time="0")
        ET.SubElement(case, "failure", message="the baseline names this rule, and it is kept", type="stale")


def evidence(result: Result) -> str:
    """Return the evidence of a result as plain text."""
    lines = [f"{result.case.code}: {result.case.title}", f"{result.case.why} See: {result.case.explain}"]
    lines += [result.reason] if result.reason else []
    for finding in result.findings:
        lines.append(f"- {finding.message}")
        lines += [f"    {line.number}: {shown(line)}" for line in finding.lines]

    lines += [f"by hand: {command}" for command in dict.fromkeys(run.by_hand for run in result.runs)]
    return "\n".join(lines)


def _text(text: str) -> str:
    return _CONTROLS.sub("\ufffd", text)
