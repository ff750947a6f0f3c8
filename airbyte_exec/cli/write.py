"""Write protocol lines into a destination: what a source printed, from stdin or from a file.

    airbyte-exec read SOURCE --raw | airbyte-exec write DESTINATION --config FILE --catalog FILE

`airbyte-exec discover SOURCE --configured` prints the catalog. No state is kept: --raw prints the states that the
destination confirmed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from airbyte_exec.cli._arguments import UsageError, add_connector, add_running
from airbyte_exec.cli._display import Watch, shown
from airbyte_exec.cli._docker import add_docker, expect_image, plain_docker
from airbyte_exec.cli._documents import read_bytes, read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._pipeline import plain_options, write_options
from airbyte_exec.cli._signals import Signals
from airbyte_exec.cli.read import parse_catalog
from airbyte_exec.cli.sync import report
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec.results import WriteResult

_READ_SIZE = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_connector(parser, "DESTINATION")
    parser.add_argument("--catalog", metavar="FILE", required=True, help="the configured catalog of the lines")
    parser.add_argument("--input", "-i", metavar="FILE", default="-", help="the lines; stdin by default")
    parser.add_argument("--raw", action="store_true", help="print the states that the destination confirmed")
    parser.add_argument(
        "--no-check", dest="check", action="store_false", default=None, help="do not let it check its config first"
    )
    parser.add_argument(
        "--on-count-mismatch",
        choices=["fail", "warn", "off"],
        help="what is done where somebody counts other than we do; warn by default",
    )
    add_docker(parser)
    add_running(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Write the lines, and tell what was done."""
    from airbyte_exec.aio._lines import LinesFlow
    from airbyte_exec.cli._connectors import make_destination

    if [args.config, args.catalog, args.input].count("-") > 1:
        raise UsageError("only one of --config, --catalog and --input can be stdin")

    if args.raw and args.json:
        raise UsageError("--raw and --json do not go together: both want stdout")

    config, catalog = read_config(args.config, "--config"), parse_catalog(read_bytes(args.catalog, "--catalog"))
    options = write_options(plain_options(args))
    name = "stdin" if args.input == "-" else Path(args.input).name
    with _Input(args.input) as lines:
        docker = plain_docker(args)
        destination = make_destination(
            args.connector, config, output, python=args.python, docker=docker, options=options.session
        )
        expect_image(docker, destination)
        watch = Watch(f"{name} -> {destination.name}")
        output.roles[name] = "input"
        flow = LinesFlow(
            destination=destination,
            read=lines.read,
            name=name,
            catalog=catalog,
            options=replace(options, on_progress=watch),
            on_states=_printer(output) if args.raw else None,
        )

        async def write() -> WriteResult:
            return await flow.run()

        with shown(watch, output):
            result = signals.run(write)

    report(result, output, stdout=not args.raw)
    output.succeed(result.to_dict())
    return 0


def _printer(output: Output) -> Callable[[bytes], Awaitable[None]]:
    async def tell(lines: bytes) -> None:
        await output.stream(lines)

    return tell


class _Input:
    """The lines, open for reading.

    Parameters:
        name: a file, or `-` for stdin.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._fd = 0

    def __enter__(self) -> Self:
        if self._name != "-":
            try:
                self._fd = os.open(Path(self._name).expanduser(), os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise PyAirbyteInputError(message=f"--input: {self._name} cannot be read: {error.strerror}.") from None

        return self

    def __exit__(self, *_: object) -> None:
        if self._fd:
            os.close(self._fd)

    async def read(self) -> bytes:
        """Return the next bytes; nothing at the end. A pipe that is empty is waited for, and the wait can be ended."""
        import anyio

        try:
            await anyio.wait_readable(self._fd)
        except OSError:  # a file is always ready, and no selector takes it
            await anyio.lowlevel.checkpoint()

        return os.read(self._fd, _READ_SIZE)
