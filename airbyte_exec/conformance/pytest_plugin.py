"""Runs the suite as tests: `pytest --airbyte-connector CONNECTOR --airbyte-config F`, one test a case, ids = rule ids.

Without `--airbyte-connector` it does nothing. All cases run when the first test begins, at once, as on the command
line; each test then tells its own result. This module is loaded by every run of pytest in an environment that has
airbyte_exec: it imports nothing heavy before it is asked to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airbyte_exec.conformance import Report, Result
    from airbyte_exec.exceptions import PyAirbyteError

_OPTIONS = (
    ("config", "its config: a JSON or YAML file, or the JSON text itself"),
    ("bad-config", "a config with wrong credentials"),
    ("fault-config", "a config with which `check` meets an unexpected fault"),
    ("catalog", "the configured catalog to read"),
    ("expected-records", "records that a read must give: JSON lines"),
    (
        "previous",
        "the version before: its SPEC or CATALOG as a file, or its connector string; several divided by spaces",
    ),
    ("spec", "the spec as it is kept in the repository"),
    ("metadata", "the metadata.yaml of the connector"),
    ("read-back", "how the rows of a destination are read"),
    ("default-namespace", "where streams without a namespace are stored"),
    ("empty-streams", "streams that may have no records, divided by commas"),
    ("keyless-streams", "streams that need no primary key, divided by commas"),
    ("ignored-fields", "fields that change from read to read, divided by commas"),
    ("threshold-days", "how far a source looks back behind its cursor"),
    ("longest-text", "the bytes of the longest text that a destination can store"),
    ("rules", "which rules: 'read.*,-read.statuses'"),
    ("baseline", "known failures: a JSON list of rules"),
)
_FLAGS = (
    ("exact-order", "the expected records are the first ones that come of their streams, in their order"),
    ("fail-on-extra-columns", "a record may have no field at its top that its json_schema does not have"),
    ("oauth-exempt", "OAuth need not be the first way to log in"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("airbyte", "conformance of an Airbyte connector")
    group.addoption(
        "--airbyte-connector", metavar="CONNECTOR", help="the connector: path:FILE, pypi:PACKAGE, docker:IMAGE"
    )
    group.addoption("--airbyte-kind", choices=["source", "destination"], help="where its name does not tell")
    for name, text in _OPTIONS:
        group.addoption(f"--airbyte-{name}", metavar="WHAT", help=text)

    for name, text in _FLAGS:
        group.addoption(f"--airbyte-{name}", action="store_true", help=text)


def pytest_collection(session: pytest.Session) -> None:
    """Collect the rules where a connector is named."""
    if session.config.getoption("airbyte_connector"):
        if session.config.args_source is not pytest.Config.ArgsSource.ARGS:
            session.config.args = []  # nobody asked for the tests of this folder

        session.config.pluginmanager.register(_Collector(), "airbyte-conformance-rules")


class _Collector:
    """Adds the rules to what pytest has collected."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Iterator[None]:
        suite = RuleSuite.from_parent(session, name=config.getoption("airbyte_connector"), nodeid="conformance")
        rules = suite.collect()
        items[:] = [*items, *rules]
        counted = pytest.CollectReport(nodeid=suite.nodeid, outcome="passed", longrepr=None, result=[*rules])
        session.ihook.pytest_collectreport(report=counted)
        yield


class RuleSuite(pytest.Collector):
    """All rules of one connector; they are run when the first result is wanted."""

    _report: Report | None = None
    _failure: PyAirbyteError | None = None

    def collect(self) -> list[pytest.Item]:
        """Return one item a rule.

        Raises:
            UsageError: no rule is chosen, or one that does not exist.
        """
        from airbyte_exec.conformance import load_cases, select
        from airbyte_exec.conformance.subject import kind_of
        from airbyte_exec.exceptions import PyAirbyteInputError

        kind = self._given("kind") or kind_of(self.name)
        try:
            chosen = select(load_cases(), self._given("rules"))
        except PyAirbyteInputError as error:
            raise pytest.UsageError(f"--airbyte-rules: {error.get_message()}") from error

        cases = [case for case in chosen if kind is None or kind in case.kinds]
        if not cases:
            raise pytest.UsageError(f"--airbyte-rules: none of these rules is for a {kind}")

        return [RuleItem.from_parent(self, name=case.id) for case in cases]

    def _given(self, name: str) -> Any:
        return self.config.getoption(f"airbyte_{name}")

    def result(self, rule: str) -> Result:
        """Return the result of a rule.

        Raises:
            RuleNotTried: the connector cannot be had, or what is given beside it cannot be read.
        """
        from airbyte_exec.exceptions import PyAirbyteError

        if self._report is None and self._failure is None:
            try:
                self._report = self._run()
            except PyAirbyteError as error:
                self._failure = error  # an installation that failed once is not tried again by each rule

        if self._report is None:
            raise RuleNotTried(str(self._failure)) from self._failure

        return next(result for result in self._report.results if result.case.id == rule)

    def _run(self) -> Report:
        from airbyte_exec import _documents, _portal
        from airbyte_exec.conformance import documents, run
        from airbyte_exec.conformance.given import subject_given

        words: dict[str, Any] = {
            name: self._given(name) for name in ("kind", *(name.replace("-", "_") for name, _ in (*_OPTIONS, *_FLAGS)))
        }
        words["previous"] = _divided(words["previous"] or "")
        subject = subject_given(
            self.name,
            words,
            read=lambda text, option: _documents.read_object(text, _own(option)),
            read_bytes=lambda text, option: _documents.read_bytes(text, _own(option)),
            ask=_portal.run,
        )
        chosen = [item.name for item in self.session.items if item.parent is self]  # without what -k leaves out
        report = run(subject, rules=",".join(chosen))
        report.against(documents.read_baseline(self._given("baseline")))
        return report


def _own(option: str) -> str:
    """Return an option of the command line as it is called here."""
    return option.replace("--", "--airbyte-", 1)


def _divided(text: str) -> list[str]:
    """Return the words of a text that is divided by spaces; a JSON text is one.

    Raises:
        PyAirbyteInputError: a quote in it has no end.
    """
    from airbyte_exec.exceptions import PyAirbyteInputError

    if text.lstrip().startswith("{"):
        return [text.strip()]

    try:
        return shlex.split(text)
    except ValueError as error:
        raise PyAirbyteInputError(message=f"--previous: {text!r} is not divided by spaces: {error}.") from error


class RuleItem(pytest.Item):
    """One rule."""

    def runtest(self) -> None:
        """Fail where the rule is broken; skip where it says nothing of this connector."""
        assert isinstance(self.parent, RuleSuite)
        result = self.parent.result(self.name)
        if result.status == "skip":
            pytest.skip(result.reason or "")

        if result.status == "error":
            raise RuleNotTried(result.reason)

        if self.name in (self.parent._report.stale if self.parent._report else ()):
            raise RuleBroken("the baseline names this rule, and it is kept")

        if result.status == "fail":
            from airbyte_exec.conformance.reports.junit import evidence

            raise RuleBroken(evidence(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the evidence, and no traceback of ours."""
        is_ours = isinstance(excinfo.value, (RuleBroken, RuleNotTried))
        return str(excinfo.value) if is_ours else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Name the rule."""
        return "conformance", None, f"rule {self.name}"  # by its id alone, pytest would divide it at the dot


class RuleBroken(AssertionError):  # noqa: N818 - what pytest shows of it is its text
    """A rule is broken; the text is the evidence."""


class RuleNotTried(Exception):  # noqa: N818 - likewise
    """Nothing can be said of any rule; the text is the reason."""
