"""Move data from a source into a destination, and continue where the last sync ended.

The two connectors are named on the command line, or everything stands in a pipeline file:

    airbyte-exec sync SOURCE DESTINATION --source-config FILE --destination-config FILE
    airbyte-exec sync pipeline.yaml
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.cli._arguments import (
    CONFIG_HELP,
    PYTHON_HELP,
    UsageError,
    add_running,
    add_strategy,
    add_streams,
    whole_number,
)
from airbyte_exec.cli._display import Watch, megabytes, shown
from airbyte_exec.cli._docker import add_docker, expect_image
from airbyte_exec.cli._documents import read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._pipeline import End, Pipeline, cache_file, is_pipeline_file, read_pipeline, strategy_of
from airbyte_exec.cli._signals import Signals

if TYPE_CHECKING:
    from airbyte_exec.aio import AsyncDestination, AsyncSource
    from airbyte_exec.results import Attempt, StreamResult, WriteResult

STREAMS_TOLD = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("source", metavar="SOURCE|PIPELINE", help="the source, or a pipeline file")
    parser.add_argument("destination", metavar="DESTINATION", nargs="?", help="the destination")
    group = parser.add_argument_group("connectors")
    group.add_argument("--source-config", metavar="FILE", help=f"the source: {CONFIG_HELP}")
    group.add_argument("--destination-config", metavar="FILE", help=f"the destination: {CONFIG_HELP}")
    group.add_argument("--source-python", metavar="PYTHON", help=f"the source: {PYTHON_HELP}")
    group.add_argument("--destination-python", metavar="PYTHON", help=f"the destination: {PYTHON_HELP}")
    group.add_argument(
        "--no-check", dest="check", action="store_false", default=None, help="do not let them check their configs first"
    )
    add_docker(parser)
    add_strategy(parser)
    add_streams(parser)
    state = parser.add_argument_group("state and cache")
    where = state.add_mutually_exclusive_group()
    where.add_argument("--state", metavar="FILE", help="keep state in this file; by default in the default store")
    where.add_argument("--no-state", action="store_true", help="keep no state: each run begins anew")
    state.add_argument("--state-key", metavar="NAME", help="keep state under this name, also when a config changes")
    state.add_argument("--cache", metavar="FILE.duckdb", help="read into this cache first, and write from there")
    names = parser.add_argument_group("names")
    names.add_argument(
        "--namespace",
        metavar="NAME",
        help="the namespace that the destination sees: source (the default), destination, or a text of your own, in "
        "which ${SOURCE_NAMESPACE} stands for the source's",
    )
    names.add_argument("--prefix", metavar="TEXT", help="put before the name of each stream")
    add_running(parser)
    parser.add_argument(
        "--on-count-mismatch",
        choices=["fail", "warn", "off"],
        help="what is done where a connector counts other than we do; warn by default",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=whole_number,
        help="attempts after a failed one, each from the last committed state; 0 for none. By default as the Airbyte "
        "platform does it: up to 4 after failures without progress, up to 19 after failures with progress",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Sync, and tell what was done."""
    pipeline = pipeline_of(args)
    options = pipeline.write_options(retries=True)
    source, destination = connectors_of(pipeline, output)
    watch = Watch(f"{source.name} -> {destination.name}")

    async def write() -> WriteResult:
        try:
            return await destination.write(
                source,
                streams=pipeline.streams or "*",
                write_strategy=strategy_of(pipeline.strategy),
                force_full_refresh=pipeline.full_refresh,
                options=replace(options, on_progress=watch),
                **_places(pipeline),
            )
        finally:
            signals.told = watch.kept()

    with shown(watch, output):
        result = signals.run(write)

    report(result, output)
    output.succeed(result.to_dict())
    return 0


def pipeline_of(args: argparse.Namespace) -> Pipeline:
    """Return the pipeline that the arguments tell, or name."""
    if args.destination is not None:
        if args.source_config == args.destination_config == "-":
            raise UsageError("only one config can come from stdin")

        told = Pipeline(
            source=End(
                connector=args.source,
                config=read_config(args.source_config, "--source-config"),
                python=args.source_python,
            ),
            destination=End(
                connector=args.destination,
                config=read_config(args.destination_config, "--destination-config"),
                python=args.destination_python,
            ),
        )
    elif is_pipeline_file(args.source) or Path(args.source).is_file():
        told = _with_ends(read_pipeline(args.source), args)
    else:
        raise UsageError("a DESTINATION is missing, or the name of a pipeline file (.yaml, .yml or .json)")

    told = told.with_arguments(args)
    if told.cache is not None and isinstance(told.state, str):
        raise UsageError("state is kept in the cache: --cache and --state do not go together")

    if told.cache is not None:
        cache_file(told.cache)  # told before anything is installed

    return told


def _with_ends(pipeline: Pipeline, args: argparse.Namespace) -> Pipeline:
    """Let the command line replace the config or the Python of an end."""
    changed = {}
    for role, end in (("source", pipeline.source), ("destination", pipeline.destination)):
        config, python = getattr(args, f"{role}_config"), getattr(args, f"{role}_python")
        changed[role] = replace(
            end,
            config=end.config if config is None else read_config(config, f"--{role}-config"),
            python=end.python if python is None else python,
        )

    return replace(pipeline, source=changed["source"], destination=changed["destination"])


def connectors_of(pipeline: Pipeline, output: Output) -> tuple[AsyncSource, AsyncDestination]:
    """Return both connectors, installed."""
    from airbyte_exec.cli._connectors import make_destination, make_source

    session = pipeline.write_options().session
    source = make_source(
        pipeline.source.connector,
        pipeline.source.config,
        output,
        python=pipeline.source.python,
        docker=pipeline.source.docker,
        options=session,
        cursors=pipeline.cursors,
        primary_keys=pipeline.primary_keys,
    )
    destination = make_destination(
        pipeline.destination.connector,
        pipeline.destination.config,
        output,
        python=pipeline.destination.python,
        docker=pipeline.destination.docker,
        options=session,
    )
    expect_image({**pipeline.source.docker, **pipeline.destination.docker}, source, destination)
    return source, destination


def _places(pipeline: Pipeline) -> dict[str, Any]:
    """Return the cache and the store of the state."""
    from airbyte_exec._state.files import StateFile

    places: dict[str, Any] = {"cache": False}
    if pipeline.cache is not None:
        from airbyte_exec.caches import DuckDBCache

        places["cache"] = DuckDBCache(cache_file(pipeline.cache))

    if pipeline.state is False:
        places["state_cache"] = False
    elif pipeline.state is not None:
        places["state_cache"] = StateFile(Path(pipeline.state).expanduser().absolute())

    return places


def report(result: WriteResult, output: Output, *, stdout: bool = True) -> None:
    """Tell what a sync did: in all, and for each stream; on stderr where stdout is for data."""
    rate = result.processed_records / max(result.duration_seconds, 0.001)
    head = (
        f"{result.source_name} -> {result.destination_name}: {result.processed_records:,} records, "
        f"{megabytes(result.bytes_read)}, {result.duration_seconds:.1f} s ({rate:,.0f} records/s), "
        f"{result.states_committed:,} of {result.states_sent:,} states committed"
    )
    streams = list(result.streams.items())
    lines = [head, *(f"  {stream}: {_told(found)}" for stream, found in streams[:STREAMS_TOLD])]
    if len(streams) > STREAMS_TOLD:
        lines.append(f"  and {len(streams) - STREAMS_TOLD:,} more streams")

    if len(result.attempts) > 1:
        lines.append(f"  in {len(result.attempts)} attempts: {'; '.join(map(_attempt, result.attempts))}")

    if result.malformed_lines:
        kept = f": {', '.join(map(str, result.quarantine_files))}" if result.quarantine_files else ""
        lines.append(f"{result.malformed_lines:,} malformed lines were left out{kept}")

    (output.report if stdout else output.say)("\n".join(lines))
    for warning in result.warnings:
        output.warn(warning)


def _attempt(attempt: Attempt) -> str:
    how = "succeeded" if attempt.error is None else f"{attempt.failure_type}: {attempt.message}"
    return f"{attempt.states_committed:,} states, {how}"


def _told(found: StreamResult) -> str:
    said = [f"{found.records_delivered:,} records"]
    if found.continued:
        said.append("continued from state")

    if found.status != "complete":
        said.append(found.status)

    return ", ".join(said)
