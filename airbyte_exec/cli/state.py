"""Look at the state that was committed, move it, or forget it.

State belongs to a pair: a source and a destination with their configs. `list` names the pairs; where a command needs
one pair and there are several, --pair or the names choose it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.cli._arguments import Parser, add_common, names_of
from airbyte_exec.cli._documents import read_bytes, read_config
from airbyte_exec.cli._output import Output
from airbyte_exec.cli._signals import Signals
from airbyte_exec.cli._stored import Choice, changes_of, identity, open_store, parse_state
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec._state.store import Pair, Saved

_SHOWN = 500  # characters of a state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of this command."""
    commands = parser.add_subparsers(title="Commands", metavar="COMMAND", required=True, parser_class=Parser)
    for function, words in (
        (run_list, "List the pairs that something is known of."),
        (run_show, "Show the state of each stream."),
        (run_export, "Print the state as the protocol's document, as a source takes it."),
        (run_import, "Take a state document as the state of a pair."),
        (run_clear, "Forget a pair, or some of its streams: the next sync begins anew."),
    ):
        own = commands.add_parser(function.__name__.removeprefix("run_"), help=words, description=words)
        where = own.add_mutually_exclusive_group()
        where.add_argument("--state", metavar="FILE", help="the state file; the default store by default")
        where.add_argument("--cache", metavar="FILE.duckdb", help="the cache that the state is in")
        own.add_argument("--pair", metavar="ID", help="the pair, by the id that `state list` shows")
        own.add_argument("--source", metavar="SOURCE", help="pairs of this source")
        own.add_argument("--destination", metavar="DESTINATION", help="pairs of this destination")
        if function is run_export:
            own.add_argument("--output", "-o", metavar="FILE", help="write it there; to stdout by default")
        elif function is run_import:
            own.add_argument("file", metavar="FILE", help="the document; - for stdin")
            own.add_argument("--source-config", metavar="FILE", help="the source's config, for a pair that is new")
            own.add_argument("--destination-config", metavar="FILE", help="the destination's config, likewise")
            own.add_argument("--state-key", metavar="NAME", help="the key that the pair's syncs are given")

        if function in (run_import, run_clear):
            own.add_argument("--streams", "-s", metavar="A,B", action="append", help=_STREAMS_HELP[function.__name__])

        if function is run_clear:
            own.add_argument("--all", action="store_true", help="also where there are several pairs")

        own.set_defaults(run=function)
        add_common(own)


_STREAMS_HELP = {
    "run_clear": "only these streams",
    "run_import": "the streams that a LEGACY state is of: it does not say so itself",
}


def run_list(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """List the pairs."""
    del signals
    store = open_store(args)
    found = [(pair, store.load(pair)) for pair in Choice.of(args).pairs(store)]
    output.text("\n".join(_line(pair, saved) for pair, saved in found) or "No state is kept here.")
    output.succeed([_pair(pair, saved) for pair, saved in found])
    return 0


def run_show(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Show what is saved."""
    del signals
    store = open_store(args)
    found = [(pair, store.load(pair)) for pair in Choice.of(args).pairs(store)]
    lines: list[str] = []
    for pair, saved in found:
        lines += [_line(pair, saved), *_streams(saved)]

    output.text("\n".join(lines) or "No state is kept here.")
    output.succeed([{**_pair(pair, saved), **_content(saved)} for pair, saved in found])
    return 0


def run_export(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Print the protocol's document."""
    del signals
    from airbyte_exec._state.provider import SavedStateProvider

    store = open_store(args)
    pair = Choice.of(args).pair(store)
    text = SavedStateProvider(store.load(pair)).to_state_input_file_text()
    if args.output is None:
        output.text(text)
    else:
        try:
            Path(args.output).expanduser().write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise PyAirbyteInputError(message=f"--output: {args.output} cannot be written: {error.strerror}.") from None

    output.succeed({"pair": identity(pair), "state": json.loads(text)})
    return 0


def run_import(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Take a document as the state of a pair."""
    states = parse_state(read_bytes(args.file, "FILE"), args.file)
    store = open_store(args, new=True)
    choice = Choice.of(args)
    configs = (args.source_config, args.destination_config)
    if args.state_key is not None or configs != (None, None):
        config, other = (read_config(text, "--source-config") for text in configs)
        pair = signals.run(choice.maker(store, config, other, state_key=args.state_key))
    else:
        pair = choice.pair(store)

    changes = changes_of(states, store.load(pair), names_of(args.streams))
    store.commit(pair, changes)
    output.report(f"{identity(pair)}: {changes.kind} state of {len(states)} messages imported")
    output.succeed(_pair(pair, store.load(pair)))
    return 0


def run_clear(args: argparse.Namespace, output: Output, signals: Signals) -> int:
    """Forget."""
    del signals
    store = open_store(args)
    choice = Choice.of(args)
    pairs = choice.pairs(store) if args.all else [choice.pair(store)]
    wanted = names_of(args.streams)
    for pair in pairs:
        saved = store.load(pair)
        known = {} if saved is None else saved.streams
        if wanted is None:
            store.forget(pair)
        else:
            unknown = set(wanted) - {name for stream in known for name in (stream.name, str(stream))}
            if unknown:
                from airbyte_exec.cli._near import unknown as unknown_names

                raise unknown_names("saved stream", sorted(unknown), [str(stream) for stream in known])

            store.forget(pair, [stream for stream in known if {stream.name, str(stream)} & set(wanted)])

        output.report(f"{identity(pair)}: {'forgotten' if wanted is None else 'forgotten: ' + ', '.join(wanted)}")

    output.succeed({"pairs": [identity(pair) for pair in pairs], "streams": wanted})
    return 0


def _line(pair: Pair, saved: Saved | None) -> str:
    number = 0 if saved is None else len(saved.streams)
    kind = (saved.kind if saved else None) or "no"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(saved.last_updated)) if saved else "-"
    return f"{identity(pair)}  {_name(pair)}  {kind} state, {number} streams, {when}"


def _name(pair: Pair) -> str:
    return f"{pair.source_name} -> {pair.destination_name or 'the rows of this cache'}"


def _pair(pair: Pair, saved: Saved | None) -> dict[str, Any]:
    return {
        "pair": identity(pair),
        "source": pair.source_name,
        "destination": pair.destination_name,
        "kind": saved.kind if saved else None,
        "last_updated": saved.last_updated if saved else None,
    }


def _streams(saved: Saved | None) -> list[str]:
    if saved is None:
        return []

    whole = [] if not saved.document else [f"  {saved.kind}: {_short(saved.document)}"]
    return whole + [
        f"  {stream}: {_short(known.state) if known.state else 'no state'}, generation {known.generation_id}"
        + ("" if known.complete else ", not complete")
        for stream, known in saved.streams.items()
    ]


def _short(state: bytes) -> str:
    text = state.decode(errors="replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} … ({len(text):,} characters)"


def _content(saved: Saved | None) -> dict[str, Any]:
    if saved is None:
        return {"document": None, "streams": []}

    return {
        "document": json.loads(saved.document) if saved.document else None,
        "streams": [
            {
                "name": stream.name,
                "namespace": stream.namespace,
                "state": json.loads(known.state) if known.state else None,
                "generation_id": known.generation_id,
                "complete": known.complete,
            }
            for stream, known in saved.streams.items()
        ],
    }
