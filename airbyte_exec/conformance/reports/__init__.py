"""A report as text: for people, for CI systems, for a browser. Each module renders one format; nothing is printed."""

from __future__ import annotations

import json
from collections.abc import Callable

from airbyte_exec.conformance.reports import ci, junit, page, table
from airbyte_exec.conformance.results import Report

_RENDERERS: dict[str, Callable[[Report], str]] = {
    "table": table.render,
    "json": lambda report: json.dumps(report.as_dict(), indent=2, ensure_ascii=False),
    "junit": junit.render,
    "sarif": ci.sarif,
    "github": ci.github,
    "html": page.render,
}


def render(report: Report, kind: str) -> str:
    """Return a report in a format: `table`, `json`, `junit`, `sarif`, `github` or `html`."""
    return _RENDERERS[kind](report)
