"""SARIF, and the annotations of GitHub's workflow commands."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from airbyte_exec.conformance.reports.junit import evidence
from airbyte_exec.conformance.results import STATUS_OF, Report, Result, shown
from airbyte_exec.conformance.rules import explained
from airbyte_exec.logs import visible

_LEVELS = {"fail": "error", "warn": "warning", "info": "note"}
_COMMANDS = {"fail": "error", "error": "error", "warn": "warning", "info": "notice"}


def sarif(report: Report) -> str:
    """Return SARIF 2.1.0."""
    from airbyte_exec.version import get_version

    broken = [result for result in report.results if result.findings]
    driver = {
        "name": "airbyte-exec conformance",
        "version": get_version(),
        "rules": [_rule(result) for result in report.results],
    }
    run = {"tool": {"driver": driver}, "results": [found for result in broken for found in _found(report, result)]}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _rule(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "id": case.id,
        "name": case.code,
        "shortDescription": {"text": case.title},
        "fullDescription": {"text": f"{case.why} ({case.source})"},
        "help": {"text": explained(case)},
        "defaultConfiguration": {"level": _LEVELS[STATUS_OF[case.severity]]},
    }


def _found(report: Report, result: Result) -> list[dict[str, Any]]:
    # Code scanning takes no result without a file: the connector stands for it.
    file = {"artifactLocation": {"uri": quote(report.connector)}, "region": {"startLine": 1}}
    place = {"physicalLocation": file, "logicalLocations": [{"name": report.connector, "kind": "module"}]}
    known = {"suppressions": [{"kind": "external", "justification": "known"}]} if result.status == "known" else {}
    return [
        {
            "ruleId": result.case.id,
            "level": _LEVELS[STATUS_OF[result.case.severity]],
            "message": {"text": "\n".join([finding.message, *(shown(line) for line in finding.lines)])},
            "locations": [place],
            "partialFingerprints": {"rule/v1": f"{report.connector}:{result.case.id}"},
            **known,
        }
        for finding in result.findings
    ]


def github(report: Report) -> str:
    """Return a workflow command for each broken rule."""
    lines = []
    for result in report.results:
        if result.status in _COMMANDS:
            title = _property(f"{result.case.id} ({result.case.code})")
            lines.append(f"::{_COMMANDS[result.status]} title={title}::{_data(visible(evidence(result)))}")

    lines += [f"::error title=stale baseline::{rule} is kept, and the baseline names it" for rule in report.stale]
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
