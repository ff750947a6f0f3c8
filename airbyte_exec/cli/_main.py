"""From an argument list to an exit code: the one place where errors become text, and text becomes a number.

    0    done
    1    a connector, the sync or this program failed
    2    wrong usage, or a config that cannot be used
    129  the terminal was closed (SIGHUP), 130 interrupted (Ctrl-C), 143 asked to end (SIGTERM)

A broken pipe on stdout ends the process by SIGPIPE, as the programs beside it in a pipeline do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from airbyte_exec.cli import _failure, cache, check, conformance, discover, prune, read, spec, state, sync, write
from airbyte_exec.cli._arguments import Parser, UsageError, add_common
from airbyte_exec.cli._output import Output, StdoutClosed
from airbyte_exec.cli._signals import Interrupted, Signals
from airbyte_exec.version import get_version

COMMANDS = (spec, check, discover, read, write, sync, conformance, state, cache, prune)
GROUPS = (state, cache)
DESCRIPTION = "Run Airbyte connectors as child processes and move data between them."
EPILOG = """A connector is named by one string: source-faker (on PATH, or what the registry says),
pypi:airbyte-source-faker==7.2.1, docker:airbyte/source-faker:7.2.1, path:./bin/source-x, or
bundled:destination-local.
`airbyte-exec COMMAND --help` tells the rest."""


def make_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="airbyte-exec", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"airbyte-exec {get_version()}")
    commands = parser.add_subparsers(title="Commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        summary = (command.__doc__ or "").partition("\n")[0]
        own = commands.add_parser(command.__name__.rpartition(".")[2], help=summary, description=command.__doc__)
        command.add_arguments(own)
        if command not in GROUPS:  # its own commands have them
            add_common(own)

    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Parameters:
        argv: the arguments; those of this process by default.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    output = Output(json="--json" in given)
    with Signals(output) as signals:
        try:
            args = make_parser().parse_args(given)
            output.take(args)
            code: int = args.run(args, output, signals)
        except UsageError as error:
            output.error(f"{error.usage}{error}")
            output.fail(_failure.describe(error))
            return 2
        except Interrupted as interruption:
            return _end_interrupted(interruption, output)
        except StdoutClosed:
            return _end_by_sigpipe()
        except Exception as error:  # noqa: BLE001 - the top of the command line: everything ends as text and a number
            return _fail(error, output)

        return code


def _fail(error: Exception, output: Output) -> int:
    if output.debug:
        import traceback

        output.error("".join(traceback.format_exception(error)).rstrip())

    output.error(_failure.headline(error, output.roles), _failure.text_of(error))
    try:
        output.fail(_failure.describe(error))
    except StdoutClosed:
        return _end_by_sigpipe()

    return _failure.exit_code(error)


def _end_interrupted(interruption: Interrupted, output: Output) -> int:
    output.error(f"Interrupted by {interruption.name}.", interruption.told)
    with suppress(StdoutClosed):
        output.fail(_failure.describe(interruption), status="interrupted")

    if interruption.leaves_threads:  # a write to a pipe that nobody reads cannot be called back
        sys.stderr.flush()
        os._exit(interruption.exit_code)

    return interruption.exit_code


def _end_by_sigpipe() -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE  # where the signal does not end us: the first process of a container
