"""Let a connector check its config and its connection."""

from __future__ import annotations

import argparse

from airbyte_exec.cli._arguments import add_connector, add_running
from airbyte_exec.cli._docker import add_docker, plain_docker
from airbyte_exec.cli._documents import read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_connector(parser, "CONNECTOR")
    add_docker(parser)
    add_running(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Check the config against the spec, then let the connector check it."""
    from airbyte_exec.cli._connectors import make_connector
    from airbyte_exec.cli._pipeline import session_options

    connector = make_connector(
        args.connector,
        read_config(args.config, "--config"),
        output,
        python=args.python,
        docker=plain_docker(args),
        options=session_options(args),
    )

    async def check() -> None:
        await connector.validate_config()
        await connector.check()

    signals.run(check)
    output.report(f"{connector.name}: the check succeeded.")
    output.succeed({"connector": connector.name, "check": "SUCCEEDED"})
    return 0
