"""The folder formats: parts are added by a rename, and a whole folder is replaced by an exchange of two names."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.durable import restore_aside, swap_folders, sync_paths, try_to_make
from airbyte_exec.connectors.destination_local.failure import DestinationFailure, wrong_config
from airbyte_exec.connectors.destination_local.parts import part_writer
from airbyte_exec.connectors.destination_local.place import (
    HIDDEN,
    Marker,
    Place,
    place_of,
    refuse_shared,
    remove,
    write_marker,
)
from airbyte_exec.connectors.destination_local.route import Route, Staged, route
from airbyte_exec.connectors.destination_local.settings import Settings
from airbyte_exec.types import StreamId


class FolderStore:
    """A folder with one folder for each stream, as `place` draws it."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.path
        self._schema = settings.schema
        self._scratch = self._root / HIDDEN / "scratch"
        self._writer = part_writer(settings, self._scratch)
        self._places: dict[StreamId, Place] = {}
        self._routes: dict[StreamId, Route] = {}
        self._lock = -1

    def open(self, streams: Sequence[ConfiguredStream]) -> None:
        """Take the folder; see `Store.open`."""
        self._take()
        places = [place_of(s, self._root, self._schema, self._writer.suffix) for s in streams]
        refuse_shared(places, self._root)
        for place in places:
            restore_aside(place.live, place.aside)
            place.load()
            self._places[place.stream.id] = place
            self._routes[place.stream.id] = route(place.stream, place.standing())

        self._settle([place for place in places if self._routes[place.stream.id].leftover != "none"])

    def write(self, batches: Mapping[StreamId, Sequence[bytes]]) -> None:
        """Add a part to each stream; see `Store.write`."""
        moves: list[tuple[Path, Path]] = []
        drafts: list[Path] = []
        for number, (stream, pieces) in enumerate(batches.items()):
            place = self._places[stream]
            folder = self._target(place, drafts)
            draft = self._scratch / f"{number}{self._writer.suffix}"
            self._writer.write(place.stream, pieces, draft)
            moves.append((draft, folder / place.name_part()))

        sync_paths([*(draft for draft, _ in moves), *drafts])
        for draft, path in moves:
            draft.rename(path)

        sync_paths(self._folders(path.parent for _, path in moves))

    def finish(self, streams: Collection[StreamId]) -> None:
        """Make visible what waits; see `Store.finish`."""
        self._finish([self._places[stream] for stream in streams])

    def close(self) -> None:
        """Let the folder go."""
        self._writer.close()
        remove(self._scratch)
        os.close(self._lock)

    def _take(self) -> None:
        try:
            self._scratch.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._root / HIDDEN / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise wrong_config(f"The folder {self._root} cannot be used: {error}") from error

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DestinationFailure(
                message=f"Another process writes to {self._root}.",
                guidance="One sync at a time can write to a folder: wait for the other, or choose another path.",
                failure_type="transient_error",
            ) from error

        remove(self._scratch)
        self._scratch.mkdir()

    def _settle(self, places: list[Place]) -> None:
        """Do with the rows that an earlier run left what the route says."""
        changed: list[Path] = []
        for place in places:
            way = self._routes[place.stream.id]
            if way.leftover == "drop":
                self._discard(place)
            elif way.leftover == "adopt" and place.staged_marker is not None:
                marker = place.marker(version=place.staged_marker.version, into=Staged("merge"))
                changed.append(self._mark(place.staged, marker))
                place.staged_marker = marker

        sync_paths(changed)
        folded = [p for p in places if self._routes[p.stream.id].leftover == "fold"]
        self._merge([p for p in folded if p.stream.merges])
        for place in folded:
            if not place.stream.merges:
                self._move_to_live(place)

    def _move_to_live(self, place: Place) -> None:
        drafts: list[Path] = []
        self._ensure_live(place, drafts)
        sync_paths(drafts)
        for part in place.parts(place.staged):
            part.rename(place.live / part.name)

        sync_paths(self._folders([place.live]))
        self._discard(place)

    def _discard(self, place: Place) -> None:
        remove(place.staged)
        place.staged_marker = None

    def _target(self, place: Place, drafts: list[Path]) -> Path:
        """Return the folder that takes this run's rows; what is made for it is added to `drafts`."""
        into = self._routes[place.stream.id].into
        if into is None:
            self._ensure_live(place, drafts)
            return place.live

        self._ensure_staged(place, into, drafts)
        return place.staged

    def _ensure_live(self, place: Place, drafts: list[Path]) -> None:
        if place.live_marker is None or place.live_marker.key is not None:
            place.live.mkdir(parents=True, exist_ok=True)
            # Rows that are merely added may repeat a key: the folder is no longer one of distinct keys.
            marker = place.marker(version=place.live_version or 1)
            drafts.append(self._mark(place.live, marker))
            place.live_marker = marker

    def _ensure_staged(self, place: Place, into: Staged, drafts: list[Path]) -> None:
        if place.staged_marker is None:
            remove(place.staged)
            place.staged.mkdir(parents=True)
            marker = place.marker(version=place.live_version + 1, into=into)
            drafts.append(self._mark(place.staged, marker))
            place.staged_marker = marker

    def _mark(self, folder: Path, marker: Marker) -> Path:
        return write_marker(folder, marker, self._scratch)

    def _finish(self, places: list[Place]) -> None:
        live, replaced, merged = [], [], []
        for place in places:
            into = self._routes[place.stream.id].into
            if into is None:
                live.append(place)
            elif place.stream.merges:
                merged.append(place)
            else:
                replaced.append(place)

        self._fill_live(live)
        self._replace(replaced)
        self._merge(merged)

    def _fill_live(self, places: list[Place]) -> None:
        """Give each live folder at least a part without rows: a reader finds a table and not an error."""
        drafts: list[Path] = []
        for place in places:
            if place.live_marker is None:
                self._ensure_live(place, drafts)

            self._put_empty(place, place.live, drafts)

        sync_paths([*drafts, *self._folders(p.parent for p in drafts)])

    def _put_empty(self, place: Place, folder: Path, drafts: list[Path]) -> None:
        if not place.parts(folder):
            draft = self._scratch / "empty"
            self._writer.write_empty(place.stream, draft)
            drafts.append(draft.rename(folder / place.name_part()))

    def _replace(self, places: list[Place]) -> None:
        drafts: list[Path] = []
        for place in places:
            into = self._routes[place.stream.id].into
            if into is not None:
                self._ensure_staged(place, into, drafts)
                self._put_empty(place, place.staged, drafts)

        sync_paths([*drafts, *(folder for p in places for folder in (p.staged, p.staged.parent))])
        self._swap([(place.staged, place) for place in places])

    def _merge(self, places: list[Place]) -> None:
        drafts: list[Path] = []
        swaps: list[tuple[Path, Place]] = []
        for place in places:
            if self._is_merged(place):
                continue

            into = place.standing().staged or self._routes[place.stream.id].into
            alone = into is not None and into.purpose == "replace"
            waiting = place.parts(place.staged) if place.staged_marker else []
            parts = waiting if alone else [*place.parts(place.live), *waiting]
            remove(place.merged)
            place.merged.mkdir(parents=True)
            part = place.merged / place.name_part()
            if not (parts and self._writer.merge(place.stream, parts, part)):
                self._writer.write_empty(place.stream, part)

            marker = place.marker(version=place.live_version + 2, into=into, merged=True)
            drafts += [part, self._mark(place.merged, marker), place.merged, place.merged.parent]
            swaps.append((place.merged, place))

        sync_paths(drafts)
        self._swap(swaps)

    def _is_merged(self, place: Place) -> bool:
        key = [list(path) for path in place.stream.primary_key]
        into = self._routes[place.stream.id].into
        nothing_waits = place.staged_marker is None and (into is None or into.purpose == "merge")
        return nothing_waits and place.live_marker is not None and place.live_marker.key == key

    def _swap(self, swaps: list[tuple[Path, Place]]) -> None:
        for folder, place in swaps:
            place.live.parent.mkdir(parents=True, exist_ok=True)
            swap_folders(folder, place.live, place.aside)

        # The names must be on disk before what was swapped out is removed.
        sync_paths(self._folders(path for folder, place in swaps for path in (place.live, folder.parent)))
        for folder, place in swaps:
            remove(folder)
            self._discard(place)
            place.load()

    def _folders(self, folders: Iterable[Path]) -> list[Path]:
        """Return the folders and those above them up to the root: a new name is in the folder above it."""
        wanted: dict[Path, None] = {}
        for folder in folders:
            step = folder
            while step not in wanted and step.is_relative_to(self._root):
                wanted[step] = None
                step = step.parent

        return list(wanted)


def check(settings: Settings) -> None:
    """Find out whether the folder can be written to; see `storage.check`.

    Raises:
        DestinationFailure: it cannot.
    """
    above = settings.path
    if above.exists() and not above.is_dir():
        raise wrong_config(f"{above} is a file; the format {settings.format} needs a folder.")

    try_to_make(above)
