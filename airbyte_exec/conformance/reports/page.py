"""One HTML page that needs nothing else: groups, what is broken with its evidence, and how a failing run went."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from airbyte_exec.conformance.results import Finding, Report, Result, shown
from airbyte_exec.conformance.rules import facts
from airbyte_exec.conformance.transcript import Transcript

_TIMELINE = 400  # messages of a run that are drawn
_GIVEN = 20_000  # characters of a file that a command was given
_ORDER = ("fail", "error", "warn", "info", "known", "pass", "skip")
_STYLE = """
:root{color-scheme:light dark;--fail:#c62828;--warn:#b26a00;--pass:#2e7d32;--skip:#757575;
--info:#1565c0;--known:#6a1b9a}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid #8884}
.rule{padding:.25rem .5rem;border-left:4px solid transparent}
.rule.fail,.rule.error{border-color:var(--fail)}.rule.warn{border-color:var(--warn)}.rule.info{border-color:var(--info)}
.rule.known{border-color:var(--known)}
.mark{display:inline-block;width:3.5rem;font-weight:600}
.mark.fail,.mark.error{color:var(--fail)}.mark.pass{color:var(--pass)}.mark.warn{color:var(--warn)}.mark.skip{color:var(--skip)}
.mark.info{color:var(--info)}.mark.known{color:var(--known)}
.id{font-family:ui-monospace,monospace}.code,.why,.reason{color:#888}
pre{background:#8881;padding:.5rem;overflow-x:auto;white-space:pre-wrap;word-break:break-all;
font-size:.85rem;margin:.3rem 0}
.timeline{position:relative;height:1.6rem;background:#8881;margin:.3rem 0}
.timeline i{position:absolute;top:.2rem;width:3px;height:1.2rem;background:#888}
.timeline i.RECORD{background:#90a4ae}.timeline i.STATE{background:var(--info)}.timeline i.TRACE{background:var(--warn)}
.timeline i.stray{background:var(--fail)}
nav a{margin-right:1rem}a.code{text-decoration:none}
.given summary{cursor:pointer;color:#888}.given pre{max-height:20rem;overflow:auto}
h3{font-size:1rem;margin:1.2rem 0 .2rem}dl{display:grid;grid-template-columns:9rem 1fr;gap:0 1rem;margin:.3rem 0}
dt{color:#888}dd{margin:0}section p{margin:.2rem 0}section:target{outline:2px solid var(--info);outline-offset:.3rem}
"""


def render(report: Report) -> str:
    """Return the page."""
    counts = report.counts
    summary = ", ".join(f"{counts[status]} {status}" for status in _ORDER if status in counts)
    return "".join(
        [
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            '<meta name=viewport content="width=device-width,initial-scale=1">',
            f"<title>Conformance of {escape(report.connector)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>Conformance of {escape(report.connector)}</h1>",
            f"<p id=summary>{escape(summary)}, in {report.seconds:.1f} s</p>",
            *_navigation(report),
            *_groups(report),
            *_rules(report),
            "</body></html>\n",
        ]
    )


def _navigation(report: Report) -> Iterator[str]:
    groups = dict.fromkeys(result.case.group for result in report.results)
    links = "".join(f'<a href="#{name}">{name}</a>' for name in (*groups, "rules"))
    yield f"<nav>{links}</nav>"
    if report.stale:
        yield f"<p>Stale in the baseline: {escape(', '.join(report.stale))}</p>"


def _groups(report: Report) -> Iterator[str]:
    group = ""
    for result in report.results:
        if result.case.group != group:
            group = result.case.group
            yield f'<h2 id="{group}">{group}</h2>'

        yield from _rule(result)


def _rule(result: Result) -> Iterator[str]:
    case = result.case
    head = (
        f'<span class="mark {result.status}">{result.status}</span> <span class=id>{escape(case.id)}</span> '
        f'<a class=code href="#rule.{case.id}">{case.code}</a> {escape(case.title)}'
    )
    if not result.findings:
        reason = f" <span class=reason>({escape(result.reason)})</span>" if result.reason else ""
        yield f'<div class="rule {result.status}" id="{case.id}">{head}{reason}</div>'
        return

    yield f'<details class="rule {result.status}" id="{case.id}" open><summary>{head}</summary>'
    yield f'<p class=why>{escape(case.why)} <a href="#rule.{case.id}">The rule {escape(case.id)}</a></p>'
    for finding in result.findings:
        yield from _finding(finding)

    for run in result.runs:
        yield from _run(run)

    yield "</details>"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"<p>{escape(finding.message)}</p>"
    if finding.lines:
        yield "<pre>" + escape("\n".join(f"{line.number}: {shown(line)}" for line in finding.lines)) + "</pre>"


def _run(run: Transcript) -> Iterator[str]:
    ended = f"exit code {run.exit_code}" if run.stop == "exit" else run.stop
    yield f"<p>By hand: <code>{escape(run.by_hand)}</code> ({escape(str(ended))}, {run.seconds:.2f} s)</p>"
    lines = run.lines[:_TIMELINE]
    whole = max([run.seconds, *(line.at for line in lines)]) or 1.0
    marks = "".join(
        f'<i class="{escape(line.type) or "stray"}" style="left:{100 * line.at / whole:.2f}%" '
        f'title="{escape(f"{line.at:.3f} s, line {line.number}: {line.type or line.problem}")}"></i>'
        for line in lines
    )
    yield f'<div class=timeline role=img aria-label="its messages over time">{marks}</div>'
    for name, text in _given(run):
        yield f"<details class=given><summary>{name}</summary><pre>{escape(text)}</pre></details>"

    if run.stderr:
        yield f"<pre>stderr:\n{escape(chr(10).join(run.stderr[-10:]))}</pre>"


def _given(run: Transcript) -> Iterator[tuple[str, str]]:
    """Yield the files that the command was given, secrets masked; of long ones the beginning."""
    yield from ((f"{name}.json", _beginning(text)) for name, text in run.inputs.items())
    if "stdin.jsonl" in run.files:
        yield "stdin.jsonl", _beginning(run.files["stdin.jsonl"].decode(errors="replace"))


def _beginning(text: str) -> str:
    return text if len(text) <= _GIVEN else f"{text[:_GIVEN]}… ({len(text)} characters)"


def _rules(report: Report) -> Iterator[str]:
    """Yield what each rule says: who reads the page need not have our repository."""
    yield '<h2 id="rules">rules</h2>'
    for case in (result.case for result in report.results):
        yield f'<section id="rule.{case.id}"><h3><span class=id>{escape(case.id)}</span> {case.code}</h3>'
        yield f"<p>{escape(case.title)}</p><dl>"
        yield "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in facts(case))
        yield "</dl></section>"
