"""Where one stream lies in the folder formats, and the small file that says what a folder is.

    PATH/[namespace/]stream/part-00000001-g7.jsonl      what a reader sees: exactly the live rows
    PATH/[namespace/]stream/.airbyte.json               the folder's marker
    PATH/.airbyte/staged/namespace/stream/              rows that wait, in the same form
    PATH/.airbyte/merged/namespace/stream/              a result that is being built
    PATH/.airbyte/aside/namespace/stream/               the old rows, for a moment, where names cannot be exchanged

Each folder has a version. Staged rows count only while their version is above that of the live folder: whatever moment
a kill chooses, what was swapped out or merged already is told from what still waits.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream
from airbyte_exec.connectors.destination_local.failure import wrong_config
from airbyte_exec.connectors.destination_local.names import file_name
from airbyte_exec.connectors.destination_local.route import Staged, Standing
from airbyte_exec.types import StreamId

HIDDEN = ".airbyte"
MARKER = ".airbyte.json"
_PART = re.compile(r"part-(\d{8,})-g\d+(\.\w+)")


class Marker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a folder is.

    Parameters:
        stream: whose rows these are.
        namespace: whose rows these are.
        version: grows with each swap.
        replaced: the generation that the rows began with, once they are live.
        purpose: what staged rows wait for.
        generation: the generation that replaces.
        key: the primary key by which the rows were merged last: they have one row for each value of it.
    """

    stream: str
    namespace: str | None = None
    version: int = 1
    replaced: int | None = None
    purpose: str | None = None
    generation: int | None = None
    key: list[list[str]] | None = None


@dataclass(slots=True)
class Place:
    """One stream on disk. Nothing is listed before it is needed: most streams of a large catalog have no rows.

    Parameters:
        stream: the stream.
        root: the folder of the config.
        schema: where streams without a namespace go, where the user chose it.
        suffix: how the names of parts end.
    """

    stream: ConfiguredStream
    live: Path
    staged: Path
    merged: Path
    aside: Path
    suffix: str
    live_marker: Marker | None = None
    staged_marker: Marker | None = None
    next_part: int = 0

    def standing(self) -> Standing:
        """Return how the stream stands."""
        replaced = self.live_marker.replaced if self.live_marker else None
        marker = self.staged_marker
        if marker is None:
            return Standing(replaced)

        if marker.purpose == "replace":
            return Standing(replaced, Staged("replace", marker.generation))

        return Standing(replaced, Staged("merge"))

    def load(self) -> None:
        """Read the markers, and remove what a killed run left without a meaning.

        Raises:
            DestinationFailure: the folder belongs to somebody else.
        """
        self.live_marker = read_marker(self.live)
        self.refuse_stranger()
        self.staged_marker = read_marker(self.staged)
        if self.staged_marker is None or self.staged_marker.version <= self.live_version:
            self.staged_marker = None
            remove(self.staged)

        remove(self.merged)

    @property
    def live_version(self) -> int:
        """The version of the live folder; 0 where there is none."""
        return self.live_marker.version if self.live_marker else 0

    def refuse_stranger(self) -> None:
        """Raise where the live folder holds what is not this stream's."""
        marker = self.live_marker
        said = str(self.stream.id)
        if marker is not None and StreamId(marker.stream, marker.namespace) != self.stream.id:
            raise wrong_config(
                f"Stream {said!r} would share the folder {self.live} with stream "
                f"{str(StreamId(marker.stream, marker.namespace))!r}.",
            )

        if marker is None and self.live.exists() and any(entry.name != MARKER for entry in self.live.iterdir()):
            raise wrong_config(
                f"Stream {said!r} belongs into {self.live}, which holds files that are not from this destination.",
                "Choose another path, or move them away.",
            )

    def parts(self, folder: Path) -> list[Path]:
        """Return the parts of a folder in the order in which they were written."""
        if not folder.exists():
            return []

        names = [entry.name for entry in os.scandir(folder)]
        self._refuse_other_format(names)
        return [folder / name for _, name in sorted((_number(n), n) for n in names if n.endswith(self.suffix))]

    def name_part(self) -> str:
        """Return the name of the next part."""
        if not self.next_part:
            parts = [*self.parts(self.live), *self.parts(self.staged)]
            self.next_part = max((_number(part.name) for part in parts), default=0) + 1

        name = f"part-{self.next_part:08d}-g{self.stream.generation or 0}{self.suffix}"
        self.next_part += 1
        return name

    def _refuse_other_format(self, names: list[str]) -> None:
        other = next((n for n in names if (m := _PART.fullmatch(n)) and m[2] != self.suffix), None)
        if other is not None:
            raise wrong_config(
                f"Stream {str(self.stream.id)!r} is stored in another format: {self.live / other}.",
                "Keep the format, or choose another path.",
            )

    def marker(self, *, version: int, into: Staged | None = None, merged: bool = False) -> Marker:
        """Return the marker of a folder of this stream."""
        old = self.live_marker.replaced if self.live_marker else None
        replaced = into.generation if into is not None and into.purpose == "replace" else old
        return Marker(
            stream=self.stream.id.name,
            namespace=self.stream.id.namespace,
            version=version,
            replaced=replaced,
            purpose=into.purpose if into and not merged else None,
            generation=into.generation if into and not merged else None,
            key=[list(path) for path in self.stream.primary_key] if merged else None,
        )


def place_of(stream: ConfiguredStream, root: Path, schema: str | None, suffix: str) -> Place:
    """Return where a stream lies."""
    namespace = stream.id.namespace if stream.id.namespace is not None else schema
    above = root if namespace is None else root / file_name(namespace)
    hidden, name = root / HIDDEN, file_name(stream.id.name)
    inner = Path("%none" if namespace is None else file_name(namespace)) / name
    return Place(
        stream, above / name, hidden / "staged" / inner, hidden / "merged" / inner, hidden / "aside" / inner, suffix
    )


def refuse_shared(places: list[Place], root: Path) -> None:
    """Raise where two streams would lie in one folder, or one within the folder of another.

    Raises:
        DestinationFailure: naming both.
    """
    taken: dict[Path, Place] = {}
    for place in places:
        other = taken.setdefault(place.live, place)
        if other is not place:
            raise _shared(place, other)

    for place in places:
        above = place.live.parent
        if above in taken:
            raise _shared(place, taken[above])

        if above != root and (above / MARKER).exists():
            raise wrong_config(
                f"Stream {str(place.stream.id)!r} would lie within {above}, the folder of another stream."
            )


def _shared(one: Place, other: Place) -> Exception:
    return wrong_config(
        f"Streams {str(one.stream.id)!r} and {str(other.stream.id)!r} would share the folder {other.live}.",
        "Give the streams without a namespace one of their own by the config's `schema`.",
    )


def read_marker(folder: Path) -> Marker | None:
    """Return what a folder says of itself; None where it says nothing.

    An empty marker is one that a power cut kept from the disk: nothing else was in the folder yet.
    """
    try:
        text = (folder / MARKER).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None

    try:
        return msgspec.json.decode(text, type=Marker) if text else None
    except msgspec.MsgspecError as error:
        raise wrong_config(f"{folder / MARKER} cannot be read: {error}") from error


def write_marker(folder: Path, marker: Marker, scratch: Path) -> Path:
    """Write a folder's marker at once, by way of `scratch`; return its path, which is not synced yet."""
    draft = scratch / "marker"
    draft.write_bytes(msgspec.json.encode(marker))
    return draft.rename(folder / MARKER)


def remove(folder: Path) -> None:
    """Remove a folder that no one looks at any more."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _number(name: str) -> int:
    found = _PART.fullmatch(name)
    return int(found[1]) if found else 0
