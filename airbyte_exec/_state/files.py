"""State in JSON files: the default store, and `--state FILE`.

One file holds the pairs of one source name and one destination name; `StateFolder` gives each such pair of names a file
of its own. A commit writes a new file beside the old one, makes it durable, and renames it: a reader sees all of a
commit or nothing of it. Writers take a lock file for the length of one commit, never for a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airbyte_exec import _crashpoints
from airbyte_exec._state.folders import make_private_folder, sync_folder
from airbyte_exec._state.runlock import LockPlace
from airbyte_exec._state.store import Changes, Pair, Saved, StreamSaved, merge_changes
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId

FORMAT = 1
_LONGEST_STEM = 180  # characters; a file system takes 255 bytes, and the names of its lock and its new copy are longer
LOCK_TIMEOUT = 30.0  # seconds; a commit holds the lock for milliseconds


class StateFile:
    """A `StateStore` in one JSON file.

    Parameters:
        path: the file; it and its folder are made when something is first committed.
        salt: the key of the digests; made at random and kept in the file where it is left out.
    """

    def __init__(self, path: Path, *, salt: Callable[[], bytes] | None = None) -> None:
        self.path = path
        self._outer_salt = salt
        self._own_salt: bytes | None = None

    @property
    def salt(self) -> bytes:
        """The key of the digests of configs in this file."""
        if self._outer_salt is not None:
            return self._outer_salt()

        if self._own_salt is None:
            with self._locked():
                document = self._read()
                self._own_salt = bytes.fromhex(document["salt"])
                if not self.path.exists():
                    self._write(document)

        return self._own_salt

    def load(self, pair: Pair) -> Saved | None:
        """Return what is known of the pair."""
        entry = _find(self._read(), pair)
        return None if entry is None else _saved(entry)

    def saved_as(self, pair: Pair) -> Pair:
        """Return the pair with the keys that it is saved under: one of its own may be an alias."""
        entry = _find(self._read(), pair)
        return pair if entry is None else _pair(entry)

    @property
    def lock_place(self) -> LockPlace:
        """Where the locks of runs lie."""
        return LockPlace(self.path.parent, self.path.name)

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        with self._locked():
            document = self._read()
            entry = _find(document, pair)
            saved = merge_changes(None if entry is None else _saved(entry), changes, now=time.time())
            if entry is None:
                document["pairs"].append(_entry(pair, saved))
            else:
                entry.update(_entry(_pair(entry), saved))

            self._write(document)

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        with self._locked():
            document = self._read()
            entry = _find(document, pair)
            if entry is None:
                return

            if streams is None:
                document["pairs"].remove(entry)
            else:
                saved = _saved(entry)
                kept = {stream: known for stream, known in saved.streams.items() if stream not in streams}
                text = saved.document if kept else None
                entry.update(_entry(_pair(entry), replace(saved, streams=kept, document=text)))

            self._write(document)

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        return [_pair(entry) for entry in self._read()["pairs"]]

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            salt = self._own_salt or secrets.token_bytes(16)
            return {"format": FORMAT, "salt": salt.hex(), "pairs": []}
        except (OSError, ValueError) as error:
            raise PyAirbyteStateError(
                message=f"The state file {self.path} cannot be read: {error}",
                guidance="Move it away to begin anew, or give another file.",
            ) from error

        if not _is_ours(document):
            raise PyAirbyteStateError(
                message=f"{self.path} is not a state file of this program.",
                guidance=f"It needs an object with `format` {FORMAT}, `salt` and `pairs`, as this program writes it.",
            )

        known: dict[str, Any] = document
        return known

    def _write(self, document: dict[str, Any]) -> None:
        folder = self.path.parent
        try:
            _crashpoints.reached("state_file.writing")
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.", suffix=".new")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    _crashpoints.reached("state_file.made")
                    json.dump(document, file, indent=1)
                    file.flush()
                    _crashpoints.reached("state_file.written")
                    os.fsync(file.fileno())

                _crashpoints.reached("state_file.synced")
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

            _crashpoints.reached("state_file.renamed")
            sync_folder(folder)
            _crashpoints.reached("state_file.durable")
        except OSError as error:
            raise PyAirbyteStateError(message=f"The state file {self.path} cannot be written: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            make_private_folder(self.path.parent)
            with FileLock(lock, timeout=LOCK_TIMEOUT, mode=0o600):
                yield
        except Timeout as error:
            raise PyAirbyteStateError(
                message=f"The state file {self.path} is locked for more than {LOCK_TIMEOUT:.0f} s.",
                guidance=f"Another process holds {lock}.",
            ) from error
        except OSError as error:
            raise PyAirbyteStateError(message=f"The state file {self.path} cannot be used: {error}") from error


class StateFolder:
    """A `StateStore` in a folder: one file for each source name and destination name.

    Parameters:
        path: the folder; it is made, readable by the user alone, when something is first stored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._salt: bytes | None = None

    @property
    def salt(self) -> bytes:
        """The key of the digests of configs in this folder."""
        if self._salt is None:
            self._salt = StateFile(self.path / "identity.json").salt

        return self._salt

    def load(self, pair: Pair) -> Saved | None:
        """Return what is known of the pair."""
        return self._file(pair).load(pair)

    def saved_as(self, pair: Pair) -> Pair:
        """Return the pair with the keys that it is saved under: one of its own may be an alias."""
        return self._file(pair).saved_as(pair)

    @property
    def lock_place(self) -> LockPlace:
        """Where the locks of runs lie."""
        return LockPlace(self.path)

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        self._file(pair).commit(pair, changes)

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        self._file(pair).forget(pair, streams)

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        files = sorted(self.path.glob("*--*.json"))
        return [pair for file in files for pair in StateFile(file, salt=lambda: self.salt).pairs()]

    def _file(self, pair: Pair) -> StateFile:
        names = [quote(name, safe="-_ ") for name in (pair.source_name, pair.destination_name or "cache")]
        stem = "--".join(names)
        if len(stem) > _LONGEST_STEM:
            stem = f"{stem[:_LONGEST_STEM]}--{hashlib.sha256(stem.encode()).hexdigest()[:16]}"

        return StateFile(self.path / f"{stem}.json", salt=lambda: self.salt)


_ENTRY_FIELDS = frozenset(
    {"source", "destination", "source_key", "destination_key", "aliases", "last_updated", "kind", "document", "streams"}
)


def _is_ours(document: object) -> bool:
    """Say whether a document has the shape that `_entry` gives it, as far as it is relied on."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return False

    salt, pairs = document.get("salt"), document.get("pairs")
    if not isinstance(salt, str) or not isinstance(pairs, list) or set(salt) - set("0123456789abcdef") or len(salt) % 2:
        return False

    return all(isinstance(entry, dict) and entry.keys() >= _ENTRY_FIELDS for entry in pairs)


def _find(document: dict[str, Any], pair: Pair) -> dict[str, Any] | None:
    pairs: list[dict[str, Any]] = document["pairs"]
    entries = [entry for entry in pairs if _names(entry) == (pair.source_name, pair.destination_name)]
    for entry in entries:
        if _pair(entry) == pair:
            return entry

    for entry in entries:
        known = {entry["source_key"], entry["destination_key"], *entry["aliases"]}
        if pair.source_key in known and pair.destination_key in known:
            return entry

    return None


def _names(entry: dict[str, Any]) -> tuple[str, str | None]:
    return entry["source"], entry["destination"]


def _pair(entry: dict[str, Any]) -> Pair:
    return Pair(*_names(entry), entry["source_key"], entry["destination_key"])


def _entry(pair: Pair, saved: Saved) -> dict[str, Any]:
    return {
        "source": pair.source_name,
        "destination": pair.destination_name,
        "source_key": pair.source_key,
        "destination_key": pair.destination_key,
        "aliases": sorted(saved.aliases),
        "last_updated": saved.last_updated,
        "kind": saved.kind,
        "document": _text(saved.document),
        "streams": [
            {
                "name": stream.name,
                "namespace": stream.namespace,
                "state": _text(known.state),
                "generation_id": known.generation_id,
                "minimum_generation_id": known.minimum_generation_id,
                "sync_id": known.sync_id,
                "full_refresh": known.full_refresh,
                "complete": known.complete,
                "journal": known.journal,
                "position": known.position,
            }
            for stream, known in saved.streams.items()
        ],
    }


def _saved(entry: dict[str, Any]) -> Saved:
    streams = {}
    for known in entry["streams"]:
        stream = StreamId(known["name"], known["namespace"])
        fields = {name: known[name] for name in known if name not in ("name", "namespace", "state")}
        streams[stream] = StreamSaved(state=_bytes(known["state"]), **fields)

    return Saved(entry["kind"], streams, _bytes(entry["document"]), frozenset(entry["aliases"]), entry["last_updated"])


def _text(state: bytes | None) -> str | None:
    return None if state is None else state.decode()


def _bytes(state: str | None) -> bytes | None:
    return None if state is None else state.encode()
