"""An image: what it says of itself, and how it comes here."""

from __future__ import annotations

import json
import logging
import re
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.docker.engine import Engine
from airbyte_exec.executors.docker.errors import refusal

logger = logging.getLogger(__name__)

ENTRYPOINT_VARIABLE = "AIRBYTE_ENTRYPOINT"
VERSION_LABEL = "io.airbyte.version"
_SAY_EVERY = 2.0
"""Seconds between two log lines about a pull."""
_SHELL_SYNTAX = re.compile(r"[$;&|<>`(){}*?~]")


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an image says of itself.

    Parameters:
        name: as it was asked for.
        digest: its id: the digest of its configuration, which holds the digests of its layers.
        user: whom it runs as; empty for root.
        entrypoint: the program that is run, in the place of the image's own ENTRYPOINT; empty for that.
        labels: its labels.
        platform: such as `linux/amd64`.
    """

    name: str
    digest: str
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""

    @property
    def version(self) -> str | None:
        """The connector's version, as its label says."""
        return self.labels.get(VERSION_LABEL) or None


def find_image(engine: Engine, name: str) -> Image | None:
    """Return what the engine has under that name, None where it has nothing.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or the image says not what is to be run.
    """
    import docker.errors

    with engine.errors("looking at the image", name):
        try:
            found: dict[str, Any] = engine.api.inspect_image(name)
        except docker.errors.ImageNotFound:
            return None

    config = found.get("Config") or {}
    return Image(
        name=name,
        digest=found["Id"],
        user=config.get("User") or "",
        entrypoint=_entrypoint(name, config),
        labels=config.get("Labels") or {},
        platform=f"{found.get('Os', 'linux')}/{found.get('Architecture', '')}",
    )


def _entrypoint(name: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is to be run: what the Airbyte platform runs, which is in a variable, or the image's own."""
    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    said = variables.get(ENTRYPOINT_VARIABLE, "").strip()
    if not said:
        if config.get("Entrypoint"):
            return ()

        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"The image {name} does not say what is to be run.",
            guidance="An image of a connector sets ENTRYPOINT and AIRBYTE_ENTRYPOINT. Is it a connector?",
            context={"reason": "entrypoint_missing"},
        )

    try:
        words = shlex.split(said)
    except ValueError:
        words = []

    # The platform evaluates it in a shell; without a shell's syntax there is no need of one.
    return tuple(words) if words and not _SHELL_SYNTAX.search(said) else ("/bin/sh", "-c", f'{said} "$@"', "sh")


def pull_image(engine: Engine, name: str, *, platform: str | None) -> None:
    """Let the engine fetch an image from its registry.

    Raises:
        AirbyteConnectorInstallationError: it is not there, is refused, or there is no space for it.
    """
    logger.info("Pulling the image %s", name)
    repository, tag = _split(name)
    with engine.errors("pulling the image", name):
        # Without a tag the SDK would fetch all of them.
        _follow(name, engine.api.pull(repository, tag=tag, stream=True, platform=platform))

    logger.info("Pulled the image %s", name)


def _split(name: str) -> tuple[str, str]:
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest

    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{slash}{repository}", tag or "latest"


def _follow(name: str, lines: Iterable[bytes]) -> None:
    """Read the engine's reports to their end; tell of the progress now and then."""
    layers: dict[str, tuple[int, int]] = {}
    said = time.monotonic()
    for report in _reports(lines):
        if "error" in report:
            raise refusal(str(report["error"]), doing="pulling the image", image=name)

        detail = report.get("progressDetail") or {}
        if report.get("status") == "Downloading" and "total" in detail:
            layers[report.get("id", "")] = (detail.get("current", 0), detail["total"])
        elif report.get("status") == "Download complete" and report.get("id") in layers:
            total = layers[report["id"]][1]
            layers[report["id"]] = (total, total)

        if layers and time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            done, size = (sum(sizes) / 1e6 for sizes in zip(*layers.values(), strict=True))
            logger.info("Pulling %s: %.0f of %.0f MB", name, done, size)


def _reports(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    """Yield the JSON objects, one a line, however the pieces are cut."""
    rest = b""
    for piece in lines:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (json.loads(line) for line in whole if line.strip())

    if rest.strip():
        yield json.loads(rest)
