"""List the streams of a source."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from airbyte_exec.cli._arguments import add_connector, add_running, add_strategy, add_streams
from airbyte_exec.cli._docker import add_docker
from airbyte_exec.cli._documents import read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals
from airbyte_exec.logs import visible

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteCatalog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_connector(parser, "SOURCE")
    parser.add_argument(
        "--format", choices=["text", "json", "yaml"], help="text lists the streams; json and yaml print the catalog"
    )
    parser.add_argument(
        "--configured",
        action="store_true",
        help="print the catalog that a read of --streams by --strategy is given, for `write --catalog`",
    )
    add_streams(parser)
    add_strategy(parser)
    add_docker(parser)
    add_running(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Discover, and print what was found."""
    from airbyte_exec.cli._pipeline import source_of, strategy_of
    from airbyte_exec.cli.spec import as_text

    source, streams = source_of(args, read_config(args.config, "--config"), output)

    async def discover() -> AirbyteCatalog:
        await source.validate_config()
        return await source.discover()

    async def configure() -> Any:
        await source.validate_config()
        return await source.plan(
            streams, strategy=strategy_of(args.strategy), force_full_refresh=bool(args.full_refresh)
        )

    if args.configured:
        plan = signals.run(configure)
        for warning in plan.warnings:
            output.warn(warning)

        document = plan.catalog.to_dict()
    else:
        document = signals.run(discover).to_dict()

    kind = args.format or ("json" if args.configured else "text")
    output.text(table(document) if kind == "text" else as_text(document, kind))
    output.succeed(document)
    return 0


def table(catalog: dict[str, Any]) -> str:
    """Return a line for each stream: name, sync modes, primary key and cursor."""
    rows = [("stream", "sync modes", "primary key", "cursor")]
    for entry in catalog["streams"]:
        stream = entry.get("stream", entry)
        name = stream["name"] if stream.get("namespace") is None else f"{stream['namespace']}.{stream['name']}"
        keys = entry.get("primary_key") or stream.get("source_defined_primary_key") or []
        cursor = entry.get("cursor_field") or stream.get("default_cursor_field") or []
        modes = [entry["sync_mode"]] if "sync_mode" in entry else stream.get("supported_sync_modes") or []
        row = (name, ", ".join(modes), ", ".join(".".join(path) for path in keys), ".".join(cursor))
        rows.append((row[0], row[1], row[2] or "-", row[3] or "-"))

    shown = [[visible(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in shown) for at in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    )
