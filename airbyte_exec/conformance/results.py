"""What a run of the suite found: typed, and told in one place. Prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airbyte_exec.conformance.cases import Case
from airbyte_exec.conformance.transcript import Line, Transcript
from airbyte_exec.secrets.masking import Masker

Status = Literal["pass", "fail", "warn", "info", "skip", "known", "error"]
STATUS_OF: dict[str, Status] = {"error": "fail", "warning": "warn", "info": "info"}
_LINE_SHOWN = 600  # characters of a line in the evidence


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One breach of a rule.

    Parameters:
        message: what is wrong.
        lines: the lines that show it.
        run: the run that they are of.
    """

    message: str
    lines: tuple[Line, ...] = ()
    run: Transcript | None = None


@dataclass(kw_only=True)
class Result:
    """What became of one case.

    Parameters:
        case: the case.
        status: `fail`, `warn` or `info` by the severity of the case; `known` for a failure of the baseline; `error`
            where the suite itself could not run it.
        findings: what was found.
        reason: why it was skipped, or could not be run.
        runs: the commands that it is about.
        seconds: how long it took.
    """

    case: Case
    status: Status
    findings: Sequence[Finding] = ()
    reason: str | None = None
    runs: Sequence[Transcript] = ()
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; `protocol/schema/conformance_report.json` describes it."""
        case = self.case
        return {
            "rule": case.id,
            "code": case.code,
            "group": case.group,
            "title": case.title,
            "why": case.why,
            "source": case.source,
            "severity": case.severity,
            "status": self.status,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "link": case.link,
            "explain": case.explain,
            "findings": [_finding(finding) for finding in self.findings],
            "commands": [run.by_hand for run in self.runs],
        }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "message": finding.message,
        "lines": [{"number": line.number, "text": shown(line)} for line in finding.lines],
        "command": finding.run.by_hand if finding.run else None,
    }


def shown(line: Line) -> str:
    """Return a line as evidence: its beginning, where it is long."""
    text = line.raw.decode(errors="backslashreplace")
    return text if len(text) <= _LINE_SHOWN else f"{text[:_LINE_SHOWN]}… ({len(line.raw)} bytes)"


def judged(case: Case, findings: Sequence[Finding], runs: Sequence[Transcript], seconds: float) -> Result:
    """Return the result of a case that was run."""
    status = STATUS_OF[case.severity] if findings else "pass"
    return Result(case=case, status=status, findings=findings, runs=runs, seconds=seconds)


def untried(case: Case, reason: str) -> Result:
    """Return the result of a case that the suite could not run: nobody knows whether its rule is kept."""
    return Result(case=case, status="error", reason=f"the suite could not run it: {reason}")


def masked(result: Result, masker: Masker) -> Result:
    """Return a result whose words hold no secret: a check judges what was really written, and may quote it."""
    findings = [replace(finding, message=masker.mask(finding.message)) for finding in result.findings]
    reason = None if result.reason is None else masker.mask(result.reason)
    return replace(result, findings=findings, reason=reason)


@dataclass(kw_only=True)
class Report:
    """The results of one run of the suite.

    Parameters:
        connector: its name.
        results: one for each case.
        seconds: how long all took.
        stale: rules of the baseline that are not broken any more.
    """

    connector: str
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0
    stale: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many results there are of each status."""
        return dict(Counter(result.status for result in self.results))

    @property
    def broken(self) -> list[Result]:
        """The failures."""
        return [result for result in self.results if result.status == "fail"]

    @property
    def exit_code(self) -> int:
        """0 where all rules are kept; 1 where one is broken or could not be tried, or the baseline is stale."""
        return 1 if self.broken or self.stale or any(result.status == "error" for result in self.results) else 0

    def against(self, baseline: Iterable[str]) -> None:
        """Let the failures of a baseline pass; an entry that does not fail any more is stale.

        Parameters:
            baseline: ids of rules.
        """
        known = set(baseline)
        ran = {result.case.id: result for result in self.results if result.status not in ("skip", "error")}
        for result in self.results:
            if result.case.id in known and result.findings:
                result.status = "known"

        self.stale = sorted(rule for rule in known if rule in ran and ran[rule].status != "known")

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        from airbyte_exec.version import get_version

        return {
            "connector": self.connector,
            "suite": get_version(),
            "seconds": round(self.seconds, 2),
            "exit_code": self.exit_code,
            "counts": self.counts,
            "stale": self.stale,
            "results": [result.as_dict() for result in self.results],
        }
