"""Forget what images answered.

What an image answers to spec, and to discover with the same config, is kept by the image's digest, so that a sync
need not ask again.
"""

from __future__ import annotations

import argparse

from airbyte_exec.cli._arguments import Parser, add_common
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this command."""
    commands = parser.add_subparsers(title="Commands", metavar="COMMAND", required=True, parser_class=Parser)
    words = "Forget the answers of all images: the next sync asks them again."
    own = commands.add_parser("clear", help=words, description=words)
    own.set_defaults(run=run_clear)
    add_common(own)


def run_clear(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Forget."""
    del args, signals
    from airbyte_exec.executors.docker import clear_answers

    images = clear_answers()
    output.report(f"The answers of {images:,} images are forgotten.")
    output.succeed({"images": images})
    return 0
