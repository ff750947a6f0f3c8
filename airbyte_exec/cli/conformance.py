"""Say which rules of the protocol a connector breaks."""

from __future__ import annotations

import argparse
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from airbyte_exec.cli._arguments import CONFIG_HELP, CONNECTOR_HELP, PYTHON_HELP, UsageError
from airbyte_exec.cli._docker import add_docker, docker_options, plain_docker
from airbyte_exec.cli._documents import read_bytes, read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals

if TYPE_CHECKING:
    from airbyte_exec.conformance import Report, Result, Subject

FORMATS = ("table", "json", "junit", "sarif", "github", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("connector", metavar="CONNECTOR", nargs="?", help=CONNECTOR_HELP)
    parser.add_argument("--config", "-c", metavar="FILE", help=CONFIG_HELP)
    parser.add_argument("--python", metavar="PYTHON", help=PYTHON_HELP)
    parser.add_argument("--kind", choices=["source", "destination"], help="where its name does not tell")
    given = parser.add_argument_group("what its author gives")
    given.add_argument("--bad-config", metavar="FILE", help="a config with wrong credentials")
    given.add_argument("--fault-config", metavar="FILE", help="a config with which `check` meets an unexpected fault")
    given.add_argument("--catalog", metavar="FILE", help="the configured catalog to read; all streams by default")
    given.add_argument(
        "--expected-records", metavar="FILE", help="records that a read must give, by their primary keys: JSON lines"
    )
    given.add_argument(
        "--exact-order",
        action="store_true",
        help="the expected records are the first ones that come of their streams, in their order",
    )
    given.add_argument(
        "--fail-on-extra-columns",
        action="store_true",
        help="a record may have no field at its top that its json_schema does not have",
    )
    given.add_argument("--oauth-exempt", action="store_true", help="OAuth need not be the first way to log in")
    given.add_argument(
        "--previous",
        metavar="WHAT",
        action="append",
        default=[],
        help="the version before: its SPEC or CATALOG as a JSON file, or its connector string, such as an image; "
        "repeatable",
    )
    given.add_argument("--spec", metavar="FILE", help="the spec as it is kept in the repository")
    given.add_argument("--metadata", metavar="FILE", help="the metadata.yaml of the connector")
    given.add_argument(
        "--read-back",
        metavar="WHERE",
        help="how the rows of a destination are read: 'files:/data/{namespace}/{stream}/*.parquet', the URL of a "
        "database, or 'command:PROGRAM', which prints rows as JSON lines",
    )
    given.add_argument("--default-namespace", metavar="NAME", default="", help="where streams without one are stored")
    given.add_argument("--empty-streams", metavar="A,B", default="", help="streams that may have no records")
    given.add_argument("--keyless-streams", metavar="A,B", default="", help="streams that need no primary key")
    given.add_argument("--ignored-fields", metavar="A,B", default="", help="fields that change from read to read")
    given.add_argument(
        "--threshold-days", metavar="N", type=float, default=0.0, help="how far a source looks back behind its cursor"
    )
    given.add_argument(
        "--longest-text",
        metavar="BYTES",
        type=int,
        help="the longest text that a destination can store",
    )
    chosen = parser.add_argument_group("rules")
    chosen.add_argument(
        "--rules",
        metavar="A,-B",
        help="which rules: 'destination.*,-spec.order', or RD11; --rules=-spec.* begins with a minus",
    )
    chosen.add_argument("--list", action="store_true", help="list the rules and end")
    chosen.add_argument("--explain", metavar="A,-B", help="say what rules are and how they are tried, and end")
    chosen.add_argument("--baseline", metavar="FILE", help="known failures: a JSON list of rules; they pass")
    chosen.add_argument("--at-once", metavar="N", type=int, help="how many commands run at a time")
    reports = parser.add_argument_group("reports")
    reports.add_argument("--format", choices=FORMATS, default="table", help="what is printed on stdout")
    reports.add_argument(
        "--report",
        metavar="FORMAT=FILE",
        action="append",
        default=[],
        help="write a report into a file too: json, junit, sarif, github or html; repeatable",
    )
    reports.add_argument(
        "--keep",
        metavar="FOLDER",
        help="write down what each broken rule was tried with (its config too), so that its command can be repeated",
    )
    add_docker(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Run the suite, print its report, and tell by the exit code whether all rules are kept."""
    from airbyte_exec.conformance import load_cases, run_all, select
    from airbyte_exec.conformance.documents import read_baseline
    from airbyte_exec.conformance.kept import keep

    if args.list or args.explain:
        output.text(_rules(args))
        return 0

    files = [_report(text) for text in args.report]
    select(load_cases(), args.rules)
    baseline = read_baseline(args.baseline)
    subject = _subject(args, output, signals)
    if args.keep:
        Path(args.keep).expanduser().mkdir(parents=True, exist_ok=True)  # not after minutes that it cannot be

    chosen = [case for case in select(load_cases(), args.rules) if subject.kind in case.kinds]
    if not chosen:
        raise UsageError(f"argument --rules: none of these rules is for a {subject.kind}")

    done = count(1)

    def told(result: Result) -> None:
        output.say(f"[{next(done)}/{len(chosen)}] {result.status:5} {result.case.id} ({result.seconds:.1f} s)")

    async def work() -> Report:
        return await run_all(subject, rules=args.rules, at_once=args.at_once, told=told)

    report = signals.run(work)
    report.against(baseline)
    if args.keep:
        keep(report, Path(args.keep).expanduser())

    _show(report, files, args, output)
    return report.exit_code


def _show(report: Report, files: list[tuple[str, Path]], args: argparse.Namespace, output: Output) -> None:
    from airbyte_exec.conformance import reports

    try:
        if args.json:
            output.succeed(report.as_dict())
        else:
            output.text(reports.render(report, args.format))
    finally:
        for kind, path in files:
            path.write_text(reports.render(report, kind), encoding="utf-8", errors="backslashreplace")


def _rules(args: argparse.Namespace) -> str:
    """Return the rules that are asked for: a line each, or all there is to know of them."""
    from airbyte_exec.conformance import load_cases, select
    from airbyte_exec.conformance.rules import explained
    from airbyte_exec.protocol import resources

    cases = select(load_cases(), args.explain or args.rules or "*", optional=True)
    if args.explain:
        page = f"All rules: {resources.data_folder() / 'README.md'}"
        return "\n\n".join([*(explained(case) for case in cases), page])

    return "\n".join(f"{case.code:5} {case.id:34} {case.title}" for case in cases)


def _report(text: str) -> tuple[str, Path]:
    kind, equals, path = text.partition("=")
    if not equals or kind not in FORMATS or not path:
        raise UsageError(f"argument --report: {text!r} is not of the form FORMAT=FILE ({', '.join(FORMATS)})")

    where = Path(path).expanduser()
    try:
        _try_to_write(where)
    except OSError as error:  # not after minutes
        raise UsageError(f"argument --report: no file can be written at {path}: {error.strerror}") from error

    return kind, where


def _try_to_write(path: Path) -> None:
    """Raise where a file cannot be written; leave what is there as it is."""
    is_new = not path.exists()
    if is_new or path.is_file() or path.is_dir():  # whoever opens a pipe waits for its reader
        path.open("ab").close()

    if is_new:
        path.unlink()


def _subject(args: argparse.Namespace, output: Output, signals: Signals) -> Subject:
    from airbyte_exec.conformance.given import subject_given

    if not args.connector:
        raise UsageError("the following arguments are required: CONNECTOR\nSee: airbyte-exec conformance --help")

    if args.at_once is not None and args.at_once < 1:
        raise UsageError("argument --at-once: at least one command must run")

    subject = subject_given(
        args.connector,
        vars(args),
        read=read_config,
        read_bytes=read_bytes,
        ask=signals.run,
        use_python=args.python,
        docker_options=docker_options(plain_docker(args)),
    )
    output.roles[subject.name] = subject.kind
    return subject
