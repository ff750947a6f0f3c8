"""Print what the config of a connector may hold."""

from __future__ import annotations

import argparse
import json

from airbyte_exec.cli._arguments import add_connector, add_running
from airbyte_exec.cli._docker import add_docker, plain_docker
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals
from airbyte_exec.logs import visible


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_connector(parser, "CONNECTOR", config=False)
    parser.add_argument("--format", choices=["json", "yaml"], default="json", help="how it is printed")
    add_docker(parser)
    add_running(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Ask the connector for its spec and print all of it."""
    from airbyte_exec.cli._connectors import make_connector
    from airbyte_exec.cli._pipeline import session_options

    options = session_options(args)
    connector = make_connector(
        args.connector, None, output, python=args.python, docker=plain_docker(args), options=options
    )
    found = signals.run(connector.spec).to_dict()
    output.text(as_text(found, args.format))
    output.succeed(found)
    return 0


def as_text(document: object, kind: str) -> str:
    """Return a document as JSON or YAML text for people; in ASCII where it has what a terminal would obey."""
    text = _written(document, kind, is_ascii=False)
    return text if visible(text) == text else _written(document, kind, is_ascii=True)


def _written(document: object, kind: str, *, is_ascii: bool) -> str:
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=is_ascii)

    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=not is_ascii))
