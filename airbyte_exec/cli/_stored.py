"""Where state is kept, whose it is, and what a state document says: what the `state` commands share."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec._state.store import Changes, Pair, Saved, StateStore
    from airbyte_exec.protocol.envelope import State


def open_store(args: argparse.Namespace, *, new: bool = False) -> StateStore:
    """Return the store that the arguments name.

    Parameters:
        args: `--state` or `--cache`, or none of them for the default store.
        new: it may be one that is not there yet.

    Raises:
        PyAirbyteInputError: there is no such file.
    """
    from airbyte_exec import constants
    from airbyte_exec._state.files import StateFile, StateFolder

    given = args.state or args.cache
    path = None if given is None else Path(given).expanduser().absolute()
    if path is not None and not path.is_file() and not (new and path.parent.is_dir()):
        raise PyAirbyteInputError(message=f"There is no file {given}.")

    if path is None:
        return StateFolder(constants.cache_root() / "state")

    if args.state is not None:
        return StateFile(path)

    from airbyte_exec.caches import DuckDBCache

    return DuckDBCache(path).state_store()


def identity(pair: Pair) -> str:
    """Return a short id of a pair; it stays the same."""
    text = json.dumps([pair.source_name, pair.destination_name, pair.source_key, pair.destination_key])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which pairs are meant.

    Parameters:
        pair_id: the id of one.
        source: the name of a source.
        destination: the name of a destination.
    """

    pair_id: str | None
    source: str | None
    destination: str | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Choice:
        """Return what the arguments choose; a connector may be given by its string."""
        from airbyte_exec.executors import parse_connector_string

        names = [
            None if text is None else parse_connector_string(text).name for text in (args.source, args.destination)
        ]
        return cls(pair_id=args.pair, source=names[0], destination=names[1])

    def pairs(self, store: StateStore) -> list[Pair]:
        """Return the pairs of a store that are meant."""
        return [
            pair
            for pair in store.pairs()
            if self.pair_id in (None, identity(pair))
            and self.source in (None, pair.source_name)
            and self.destination in (None, pair.destination_name)
        ]

    def pair(self, store: StateStore) -> Pair:
        """Return the one pair that is meant.

        Raises:
            PyAirbyteInputError: it is none, or more than one.
        """
        found = self.pairs(store)
        if len(found) == 1:
            return found[0]

        names = [f"{identity(pair)} ({pair.source_name} -> {pair.destination_name})" for pair in found or store.pairs()]
        raise PyAirbyteInputError(
            message="Several pairs are meant." if found else "There is no such pair.",
            guidance=f"Choose one by --pair: {', '.join(names[:20])}." if names else "Nothing is kept here.",
        )

    def maker(
        self,
        store: StateStore,
        source_config: Mapping[str, Any],
        destination_config: Mapping[str, Any],
        *,
        state_key: str | None,
    ) -> Callable[[], Awaitable[Pair]]:
        """Return what makes the pair of these configs, or of this key.

        Raises:
            PyAirbyteInputError: the names are missing.
        """
        source_name, destination_name = self.source, self.destination
        if source_name is None or destination_name is None:
            raise PyAirbyteInputError(message="A new pair needs its --source and its --destination.")

        async def make() -> Pair:
            from airbyte_exec._state.pair import open_pair

            state = await open_pair(
                store,
                source_name=source_name,
                source_config=source_config,
                destination_name=destination_name,
                destination_config=destination_config,
                state_key=state_key,
            )
            return state.pair

        return make


def parse_state(text: bytes, name: str) -> list[State]:
    """Return the states of a document: a list of state messages, one such message, or the object of a LEGACY state.

    Raises:
        PyAirbyteInputError: it is none of them.
    """
    import msgspec

    from airbyte_exec.protocol.envelope import parse_state as parse

    try:
        value = msgspec.json.decode(text, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
        if isinstance(value, dict):
            typed = "type" in value and ("stream" in value or "global" in value)
            entries = [text.strip() if typed else b'{"type":"LEGACY","data":' + text.strip() + b"}"]
        else:
            entries = [bytes(entry) for entry in value]

        states = [parse(b'{"type":"STATE","state":' + entry + b"}") for entry in entries]
    except (msgspec.MsgspecError, ValueError) as error:
        raise PyAirbyteInputError(message=f"{name} is no state document: {error}") from None

    kinds = {state.kind for state in states}
    if len(kinds) != 1 or (len(states) > 1 and kinds != {"STREAM"}):
        raise PyAirbyteInputError(
            message=f"{name} is no state document: it has {len(states)} states of {len(kinds)} kinds."
        )

    return states


def changes_of(states: list[State], saved: Saved | None, streams: list[str] | None) -> Changes:
    """Return what makes the states the whole of what is known; generations stay.

    Parameters:
        states: from `parse_state`.
        saved: what is known now.
        streams: the streams that a LEGACY state is of.

    Raises:
        PyAirbyteInputError: a LEGACY state is of no stream that is known.
    """
    from airbyte_exec._state.store import Changes, StreamSaved
    from airbyte_exec.types import StreamId

    known = {} if saved is None else dict(saved.streams)
    kind = states[0].kind
    told = {stream: text for state in states for stream, text in state.streams}
    if kind == "LEGACY":
        told = {StreamId(name): None for name in streams or ()} or dict.fromkeys(known)
        if not told:
            raise PyAirbyteInputError(message="A LEGACY state does not say its streams: name them by --streams.")

    entries = {stream: replace(entry, state=None) for stream, entry in known.items()}
    for stream, text in told.items():
        entries[stream] = replace(
            known.get(stream, StreamSaved()),
            state=text if kind == "STREAM" else None,
            full_refresh=False,
            complete=True,
            minimum_generation_id=0,
        )

    document = b"" if kind == "STREAM" else states[0].body
    return Changes(kind=kind, streams=entries, document=document)
