"""Fetches the registry's document and takes from it what we need.

The document is some tens of MB, most of it specifications: only the fields that are named here are decoded,
and only they are kept.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from airbyte_exec import exceptions as exc
from airbyte_exec.constants import offline_mode
from airbyte_exec.version import get_version

logger = logging.getLogger(__name__)

REGISTRY_URL = "https://connectors.airbyte.com/files/registries/v0/oss_registry.json"
REGISTRY_ENV_VAR = "AIRBYTE_LOCAL_REGISTRY"
_DISABLED = frozenset({"0", "F", "FALSE"})

NETWORK_TIMEOUT = 5.0
"""Seconds that one step of fetching the registry (to connect, to read a part) may take."""
DOWNLOAD_TIMEOUT = 60.0
"""Seconds that fetching the whole registry may take."""
DOWNLOAD_LIMIT = 256 * 2**20
KEEP_SECONDS = 3600.0
KEEP_FAILURE_SECONDS = 60.0
"""Seconds in which an unreachable registry is not asked again: each attempt may take `NETWORK_TIMEOUT`."""


class Entry(msgspec.Struct, rename="camel", frozen=True):
    """One connector, with the registry's own names; all but the image's name may be missing."""

    docker_repository: str
    name: str | None = None
    docker_image_tag: str | None = None
    source_definition_id: str | None = None
    destination_definition_id: str | None = None
    language: str | None = None
    tags: list[str] | None = None
    remote_registries: dict[str, Any] | None = None
    suggested_streams: dict[str, Any] | None = None
    support_level: str | None = None
    release_stage: str | None = None
    source_type: str | None = None
    documentation_url: str | None = None
    external_documentation_urls: list[dict[str, Any]] | None = None
    release_date: str | None = None
    github_issue_label: str | None = None

    @property
    def connector_name(self) -> str:
        """The connector's name: that of its image, without the owner."""
        return self.docker_repository.removeprefix("airbyte/")


class _Document(msgspec.Struct):
    sources: list[msgspec.Raw] | None = None
    destinations: list[msgspec.Raw] | None = None


class _SpecOnly(msgspec.Struct, rename="camel"):
    docker_repository: str
    spec: dict[str, Any] | None = None


class _Kept(NamedTuple):
    until: float
    entries: dict[str, Entry] | None
    """None where the registry could not be read."""


_kept: dict[str, _Kept] = {}


def location() -> str | None:
    """Return the URL or path of the registry, or None where it is turned off."""
    chosen = os.environ.get(REGISTRY_ENV_VAR, "").strip() or REGISTRY_URL

    if chosen.upper() in _DISABLED or (_is_remote(chosen) and offline_mode()):
        return None

    return chosen


def load_entries() -> dict[str, Entry] | None:
    """Return the registry by connector name, or None where it is turned off.

    Raises:
        AirbyteConnectorRegistryError: it cannot be read.
    """
    where = location()

    if where is None:
        return None

    now = time.monotonic()
    # A file is cheap to read, and may have changed.
    kept = _kept.get(where) if _is_remote(where) else None

    if kept is not None and now < kept.until:
        if kept.entries is None:
            raise _unreadable(where, "it could not be reached a moment ago")

        return kept.entries

    try:
        entries = _index(_decode(where))
    except exc.AirbyteConnectorRegistryError:
        _kept[where] = _Kept(now + KEEP_FAILURE_SECONDS, None)
        raise

    _kept[where] = _Kept(now + KEEP_SECONDS, entries)
    return entries


def load_spec(name: str) -> dict[str, Any] | None:
    """Return the specification that the registry holds of a connector, or None where it holds none.

    Specifications are not kept: this reads the whole document.

    Raises:
        AirbyteConnectorRegistryError: the registry cannot be read.
    """
    where = location()

    if where is None:
        return None

    for raw in _decode(where):
        try:
            found = msgspec.json.decode(raw, type=_SpecOnly)
        except msgspec.DecodeError:
            continue

        if found.docker_repository.removeprefix("airbyte/") == name:
            return found.spec

    return None


def _is_remote(where: str) -> bool:
    return where.startswith(("http://", "https://"))


def _unreadable(where: str, reason: str) -> exc.AirbyteConnectorRegistryError:
    return exc.AirbyteConnectorRegistryError(
        message=f"The connector registry cannot be read: {reason}",
        guidance=(
            f"Without network access set AIRBYTE_OFFLINE_MODE=1; {REGISTRY_ENV_VAR} names another registry "
            "(a URL or a file). Or say how the connector is installed: `pip_url` and `local_executable` ask "
            "no registry."
        ),
        context={"registry": where},
    )


def _decode(where: str) -> list[msgspec.Raw]:
    try:
        data = _download(where) if _is_remote(where) else _path(where).read_bytes()
        document = msgspec.json.decode(data, type=_Document)
    except (OSError, ValueError) as error:
        raise _unreadable(where, str(error)) from error

    return [*(document.sources or ()), *(document.destinations or ())]


def _path(where: str) -> Path:
    return Path(where.removeprefix("file://")).expanduser()


def _download(where: str) -> bytes:
    import urllib.request
    from http.client import HTTPException

    # _is_remote has checked the scheme, and urllib follows no redirect to a file.
    request = urllib.request.Request(where, headers={"User-Agent": f"airbyte_exec/{get_version()}"})  # noqa: S310
    deadline = time.monotonic() + DOWNLOAD_TIMEOUT
    data = bytearray()

    try:
        with urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT) as response:  # noqa: S310
            while part := response.read1(2**20):
                data += part

                if len(data) > DOWNLOAD_LIMIT or time.monotonic() > deadline:
                    msg = f"it is larger than {DOWNLOAD_LIMIT} bytes or takes longer than {DOWNLOAD_TIMEOUT:g} s"
                    raise TimeoutError(msg)
    except HTTPException as error:
        raise ConnectionError(repr(error)) from error

    return bytes(data)


def _index(raws: list[msgspec.Raw]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}

    for raw in raws:
        try:
            entry = msgspec.json.decode(raw, type=Entry)
        except msgspec.DecodeError as error:
            logger.warning("The connector registry holds an entry that cannot be read: %s", error)
            continue

        found[entry.connector_name] = entry

    if not found:
        logger.warning("The connector registry is empty.")

    return found
