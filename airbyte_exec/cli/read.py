"""Read a source: print its records, or its lines as they are, or fill a cache.

Without an option each record is one line of JSON on stdout: {"stream": …, "data": {…}}, with "namespace" where there is
one. State is only used and kept with --cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec.cli._arguments import UsageError, add_connector, add_running, add_strategy, add_streams
from airbyte_exec.cli._display import Watch, shown
from airbyte_exec.cli._docker import add_docker
from airbyte_exec.cli._documents import read_bytes, read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._pipeline import cache_file, plain_options, source_of, strategy_of, write_options
from airbyte_exec.cli._signals import Signals
from airbyte_exec.cli.sync import report

if TYPE_CHECKING:
    from airbyte_exec.aio import AsyncSource
    from airbyte_exec.protocol.envelope import Item, Records
    from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog
    from airbyte_exec.results import ReadResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_connector(parser, "SOURCE")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--raw",
        action="store_true",
        help="print the protocol's lines as they come; secrets in LOG and TRACE are masked, CONTROL is left out",
    )
    where.add_argument("--cache", metavar="FILE.duckdb", help="read into this cache, and print nothing")
    parser.add_argument("--limit", metavar="N", type=_count, help="stop after so many records")
    parser.add_argument("--catalog", metavar="FILE", help="the configured catalog; made of the streams by default")
    parser.add_argument(
        "--input-state", metavar="FILE", help="the protocol's state document, as `state export` prints it"
    )
    add_streams(parser)
    add_strategy(parser)
    add_docker(parser)
    add_running(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Read."""
    given = [name for name in ("limit", "catalog", "input_state") if getattr(args, name) is not None]
    if args.cache is not None and given:
        raise UsageError(f"--cache does not go together with --{given[0].replace('_', '-')}")

    if args.json and args.cache is None:
        raise UsageError("--json is for the result of a read into a --cache: the records are JSON anyway")

    file = None if args.cache is None else cache_file(args.cache)
    source, streams = source_of(args, read_config(args.config, "--config"), output)
    if file is not None:
        return _fill(args, source, streams, path=file, output=output, signals=signals)

    catalog, state = _document(args.catalog, "--catalog"), _document(args.input_state, "--input-state")

    async def print_all() -> int:
        return await _print(args, source, await _catalog(args, source, streams, catalog), state, output)

    records = signals.run(print_all)
    output.say(f"{source.name}: {records:,} records")
    return 0


def _fill(
    args: argparse.Namespace,
    source: AsyncSource,
    streams: list[str] | Literal["*"],
    *,
    path: Path,
    output: Output,
    signals: Signals,
) -> int:
    from airbyte_exec.caches import DuckDBCache

    watch = Watch(f"{source.name} -> {path.name}")
    options = replace(write_options(plain_options(args)), on_progress=watch)

    async def read() -> ReadResult:
        try:
            return await source.read(
                DuckDBCache(path),
                streams=streams,
                write_strategy=strategy_of(args.strategy),
                force_full_refresh=bool(args.full_refresh),
                options=options,
            )
        finally:
            signals.told = watch.kept()

    with shown(watch, output):
        result = signals.run(read)

    report(result.summary, output)
    output.succeed({**result.summary.to_dict(), "cache": str(path)})
    return 0


async def _catalog(
    args: argparse.Namespace, source: AsyncSource, streams: list[str] | Literal["*"], given: bytes | None
) -> ConfiguredAirbyteCatalog:
    await source.validate_config()
    if given is not None:
        return parse_catalog(given)

    plan = await source.plan(streams, strategy=strategy_of(args.strategy), force_full_refresh=bool(args.full_refresh))
    return plan.catalog


async def _print(
    args: argparse.Namespace,
    source: AsyncSource,
    catalog: ConfiguredAirbyteCatalog,
    state: bytes | None,
    output: Output,
) -> int:
    """Print until the source has ended or the limit is reached; return the number of records."""
    from airbyte_exec.aio._items import read_items
    from airbyte_exec.protocol.envelope import Records

    left, number = args.limit, 0
    form = _raw_line if args.raw else _json_lines
    async with aclosing(read_items(source, catalog, state=state, messages=args.raw)) as batches:
        async for items in batches:
            kept, left = _first(items, left)
            number += sum(len(item) for item in kept if isinstance(item, Records))
            await output.stream(b"".join(map(form, kept)))
            if left == 0:
                break

    return number


def _first(items: list[Item], left: int | None) -> tuple[list[Item], int | None]:
    """Return the items up to so many records, and how many are left to come."""
    from airbyte_exec.protocol.envelope import Records

    if left is None:
        return items, None

    kept: list[Item] = []
    for item in items:
        if left == 0:
            break

        if isinstance(item, Records) and len(item) > left:
            order = None if item.order is None else item.order[:left]
            item = Records(b"".join(item.lines()[:left]), _counts(item, left), order)  # noqa: PLW2901 - cut

        left -= len(item) if isinstance(item, Records) else 0
        kept.append(item)

    return kept, left


def _counts(records: Records, number: int) -> dict[Any, int]:
    if records.order is None:
        return dict.fromkeys(records.counts, number)

    counts: dict[Any, int] = {}
    for stream in records.order[:number]:
        counts[stream] = counts.get(stream, 0) + 1

    return counts


def _raw_line(item: Item) -> bytes:
    from airbyte_exec.protocol.envelope import Records

    return item.data if isinstance(item, Records) else item.line


def _json_lines(item: Item) -> bytes:
    """Return the records of an item, one line of JSON each; `data` is the text that the source wrote."""
    from airbyte_exec.protocol.envelope import Records

    return b"".join(map(_json_line, item.lines())) if isinstance(item, Records) else b""


def _json_line(line: bytes) -> bytes:
    import msgspec

    try:
        record = _record_decoder()(line).record
        return b"".join((_head(record.stream, record.namespace), record.data, b"}\n"))
    except msgspec.MsgspecError:  # NaN and the like: it is a record all the same
        found = json.loads(line)["record"]
        return _head(found["stream"], found.get("namespace")) + json.dumps(found["data"]).encode() + b"}\n"


@lru_cache(maxsize=1024)
def _head(stream: str, namespace: str | None) -> bytes:
    names = {"stream": stream} if namespace is None else {"stream": stream, "namespace": namespace}
    return json.dumps(names)[:-1].encode() + b', "data": '


@cache
def _record_decoder() -> Callable[[bytes], Any]:
    import msgspec

    record = msgspec.defstruct(
        "Record", [("stream", str), ("data", msgspec.Raw), ("namespace", str | None, None)], gc=False
    )
    return msgspec.json.Decoder(msgspec.defstruct("Line", [("record", record)], gc=False)).decode


def parse_catalog(text: bytes) -> ConfiguredAirbyteCatalog:
    """Return the configured catalog that a document holds.

    Raises:
        PyAirbyteInputError: it is none.
    """
    from pydantic import ValidationError

    from airbyte_exec.exceptions import PyAirbyteInputError
    from airbyte_exec.protocol.models import ConfiguredAirbyteCatalog

    try:
        return ConfiguredAirbyteCatalog.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PyAirbyteInputError(
            message=f"--catalog is no configured catalog: {place or 'it'}: {first['msg']}",
            guidance="`airbyte-exec discover SOURCE --configured` prints one.",
        ) from None


def _document(name: str | None, option: str) -> bytes | None:
    text = None if name is None else read_bytes(name, option)
    return None if text is None or text.strip() in (b"", b"[]", b"{}") else text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")

    return int(text)
