"""State in JSON files: the default store, and `--state FILE`.

One file holds the pairs of one source name and one destination name; `StateFolder` gives each such pair of names a file
of its own. A commit writes a new file beside the old one, makes it durable, and renames it: a reader sees all of a
commit or nothing of it. Writers take a lock file for the length of one commit, never for a run.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airbyte_exec import _crashpoints
from airbyte_exec._state.document import without_saved
from airbyte_exec._state.file_format import FORMAT, dump, entry_of, find, is_ours, pair_of, parse, saved_of
from airbyte_exec._state.folders import make_private_folder, sync_folder
from airbyte_exec._state.runlock import LockPlace
from airbyte_exec._state.store import Changes, Pair, Saved, merge_changes
from airbyte_exec.exceptions import PyAirbyteStateError
from airbyte_exec.types import StreamId

_LONGEST_STEM = 180  # characters; a file system takes 255 bytes, and the names of its lock and its new copy are longer
LOCK_TIMEOUT = 30.0  # seconds; a commit holds the lock for milliseconds


@dataclass(frozen=True, slots=True)
class _Written:
    """What a commit wrote: while the file is the same one, the next commit need not read it again.

    Parameters:
        document: all of it.
        file: which file it was written to.
        entry: the entry of one pair.
        saved: the same, parsed.
    """

    document: dict[str, Any]
    file: tuple[int, ...] | None = None
    entry: dict[str, Any] | None = None
    saved: Saved | None = None


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
        self._last: _Written | None = None  # used under the lock alone

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
        entry = find(self._read(), pair)
        return None if entry is None else saved_of(entry)

    def saved_as(self, pair: Pair) -> Pair:
        """Return the pair with the keys that it is saved under: one of its own may be an alias."""
        entry = find(self._read(), pair)
        return pair if entry is None else pair_of(entry)

    @property
    def lock_place(self) -> LockPlace:
        """Where the locks of runs lie."""
        return LockPlace(self.path.parent, self.path.name)

    def commit(self, pair: Pair, changes: Changes) -> None:
        """Make the changes durable, all or none, before this returns."""
        with self._locked():
            last, self._last = self._last, None
            if last is None or last.file != self._file_id():
                last = _Written(self._read())

            entry = find(last.document, pair)
            if entry is None:
                saved = merge_changes(None, changes, now=time.time())
                entry = entry_of(pair, saved)
                last.document["pairs"].append(entry)
            else:
                before = last.saved if last.entry is entry and last.saved is not None else saved_of(entry)
                saved = merge_changes(before, changes, now=time.time())
                entry.update(entry_of(pair_of(entry), saved))

            self._write(last.document)
            self._last = _Written(last.document, self._file_id(), entry, saved)

    def _file_id(self) -> tuple[int, ...] | None:
        """Return what tells this file from every other one that was ever renamed to its path."""
        try:
            found = self.path.stat()
        except OSError:
            return None

        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def forget(self, pair: Pair, streams: Collection[StreamId] | None = None) -> None:
        """Forget the streams named, or the whole pair."""
        with self._locked():
            document = self._read()
            entry = find(document, pair)
            if entry is None:
                return

            if streams is None:
                document["pairs"].remove(entry)
            else:
                entry.update(entry_of(pair_of(entry), without_saved(saved_of(entry), streams)))

            self._write(document)

    def pairs(self) -> list[Pair]:
        """Return every pair that something is known of."""
        return [pair_of(entry) for entry in self._read()["pairs"]]

    def _read(self) -> dict[str, Any]:
        try:
            document = parse(self.path.read_bytes())
        except FileNotFoundError:
            salt = self._own_salt or secrets.token_bytes(16)
            return {"format": FORMAT, "salt": salt.hex(), "pairs": []}
        except (OSError, ValueError) as error:
            raise PyAirbyteStateError(
                message=f"The state file {self.path} cannot be read: {error}",
                guidance="Move it away to begin anew, or give another file.",
            ) from error

        if not is_ours(document):
            raise PyAirbyteStateError(
                message=f"{self.path} is not a state file of this program.",
                guidance=f"It needs an object with `format` {FORMAT}, `salt` and `pairs`, as this program writes it.",
            )

        return document

    def _write(self, document: dict[str, Any]) -> None:
        folder = self.path.parent
        try:
            _crashpoints.reached("state_file.writing")
            # One name for all: the lock is held, and what a killed process left there is written over.
            new = folder / f".{self.path.name}.new"
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    _crashpoints.reached("state_file.made")
                    file.write(dump(document))
                    file.flush()
                    _crashpoints.reached("state_file.written")
                    os.fsync(file.fileno())

                _crashpoints.reached("state_file.synced")
                new.replace(self.path)
            except BaseException:
                new.unlink(missing_ok=True)
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
        self._files: dict[Path, StateFile] = {}

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

        path = self.path / f"{stem}.json"
        return self._files.setdefault(path, StateFile(path, salt=lambda: self.salt))
