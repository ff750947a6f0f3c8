"""Finds streams of a discovered catalog by what a caller calls them, and says what is near where there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from airbyte_exec.exceptions import (
    AirbyteConnectorDiscoverFailedError,
    AirbyteStreamNotFoundError,
    PyAirbyteInputError,
    PyAirbyteNoStreamsSelectedError,
)
from airbyte_exec.protocol.models import AirbyteCatalog, AirbyteStream
from airbyte_exec.types import StreamId

Selection: TypeAlias = str | StreamId | Collection[str | StreamId] | None
"""Names of streams (of every namespace), `namespace.name`, ids; None or `"*"` for all."""

# An error names so many streams: a catalog may hold tens of thousands.
_NAMES_SHOWN = 10
_NEAR_NAMES_OF = 5


def select_streams(
    catalog: AirbyteCatalog, streams: Selection = None, *, connector_name: str | None = None
) -> list[AirbyteStream]:
    """Return the named streams, in the order of the catalog.

    Parameters:
        catalog: what the source discovered.
        streams: which streams; a name stands for the streams of that name in every namespace.
        connector_name: the source, for errors.

    Raises:
        AirbyteStreamNotFoundError: a name is not in the catalog; the error lists those near to it.
        PyAirbyteInputError: `streams` is something else.
        PyAirbyteNoStreamsSelectedError: no stream is left.
        AirbyteConnectorDiscoverFailedError: the catalog has a selected stream twice.
    """
    names = _names(streams)
    selected = catalog.streams if names is None else _find(catalog, names, connector_name)
    if not selected:
        raise PyAirbyteNoStreamsSelectedError(
            connector_name=connector_name,
            available_streams=[stream.name for stream in catalog.streams[:_NAMES_SHOWN]],
        )

    seen: set[StreamId] = set()
    for stream in selected:
        if stream_id(stream) in seen:
            raise AirbyteConnectorDiscoverFailedError(
                message="The source's catalog holds a stream twice.",
                connector_name=connector_name,
                stream_name=str(stream_id(stream)),
            )

        seen.add(stream_id(stream))

    return list(selected)


def stream_id(stream: AirbyteStream) -> StreamId:
    """Return the identity of a stream of a catalog."""
    return StreamId(stream.name, stream.namespace)


def _names(streams: object) -> list[str | StreamId] | None:
    if streams is None or streams == "*":
        return None

    if isinstance(streams, str | StreamId):
        return [streams]

    if not isinstance(streams, Collection) or not all(isinstance(name, str | StreamId) for name in streams):
        raise PyAirbyteInputError(
            message="Streams are named by a text, a list of texts, or '*'.", input_value=repr(streams)
        )

    return None if "*" in streams else list(streams)


def _find(catalog: AirbyteCatalog, names: Sequence[str | StreamId], connector_name: str | None) -> list[AirbyteStream]:
    places: dict[str | StreamId, list[int]] = {}
    qualified: dict[str, list[int]] = {}
    for at, stream in enumerate(catalog.streams):
        places.setdefault(stream.name, []).append(at)
        places.setdefault(stream_id(stream), []).append(at)
        qualified.setdefault(str(stream_id(stream)), []).append(at)

    # A name may hold a dot: "namespace.name" counts only where no stream is called so.
    found = [places.get(name) or (qualified.get(name) if isinstance(name, str) else None) for name in names]
    unknown = [name for name, at in zip(names, found, strict=True) if not at]
    if unknown:
        raise _not_found(unknown, catalog, connector_name)

    chosen = {at for places_of_one in found for at in places_of_one or ()}
    return [stream for at, stream in enumerate(catalog.streams) if at in chosen]


def _not_found(
    unknown: Sequence[str | StreamId], catalog: AirbyteCatalog, connector_name: str | None
) -> AirbyteStreamNotFoundError:
    texts = [str(name) for name in unknown]
    folded: dict[str, list[str]] = {}
    for stream in catalog.streams:
        for text in dict.fromkeys((stream.name, str(stream_id(stream)))):
            folded.setdefault(text.casefold(), []).append(text)

    near = [
        name
        for text in texts[:_NEAR_NAMES_OF]
        for match in get_close_matches(text.casefold(), folded)
        for name in folded[match]
    ]
    near = list(dict.fromkeys(near))[:_NAMES_SHOWN]
    return AirbyteStreamNotFoundError(
        message=f"The source has no stream {some(texts)}.",
        connector_name=connector_name,
        stream_name=texts[0],
        available_streams=near or [stream.name for stream in catalog.streams[:_NAMES_SHOWN]],
        guidance=f"Did you mean {some(near, ' or ')}?" if near else None,
        context={"streams_in_the_catalog": len(catalog.streams)},
    )


def some(names: Sequence[str], joint: str = ", ") -> str:
    """Return the names for a sentence: the first ones, and how many more there are."""
    shown = joint.join(repr(name) for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def by_stream(overrides: Mapping[str, Any], catalog: AirbyteCatalog, connector_name: str | None) -> dict[str, Any]:
    """Return the values by the names that streams really have, of values by names as a caller wrote them.

    Parameters:
        overrides: the values; a name that is no stream's own is compared without regard to case.
        catalog: what the source discovered.
        connector_name: the source, for errors.

    Raises:
        AirbyteStreamNotFoundError: a name is not in the catalog.
    """
    if not overrides:
        return {}

    names = {stream.name for stream in catalog.streams}
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)

    exact = {key: value for key, value in overrides.items() if key in names}
    loose = {key: value for key, value in overrides.items() if key not in names}
    unknown = [key for key in loose if key.casefold() not in folded]
    if unknown:
        raise _not_found(unknown, catalog, connector_name)

    return {name: value for key, value in loose.items() for name in folded[key.casefold()]} | exact
