"""The options of connectors that are images, on the command line and in a pipeline file: one name for each field."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airbyte_exec.cli._arguments import pairs_of
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec.aio import AsyncDestination, AsyncSource
    from airbyte_exec.executors.docker import DockerOptions

_VALUES = (
    ("network", "NAME", str, "the network: none, host, or one that exists; the engine's default by default"),
    ("memory", "SIZE", str, "the most memory: 512m, 2g"),
    ("cpus", "N", float, "how many processors: 1.5"),
    ("platform", "OS/ARCH", str, "linux/amd64 and the like, for an image of another machine's kind"),
    ("user", "USER", str, "in the place of the image's own user: a name, or 1000:1000"),
    ("local_mount", "FOLDER", str, "a folder of the host that the connector sees as /local"),
    ("engine", "ADDRESS", str, "the engine: unix://…, tcp://…, ssh://…, or a context of the docker client"),
)
_PAIRS = (
    ("extra_hosts", "add-host", "NAME=ADDRESS", "a name that the container knows; host-gateway stands for the host"),
    ("env", "env", "NAME=VALUE", "an environment variable; secrets belong into the config"),
    ("labels", "label", "NAME=VALUE", "a further label"),
)
FIELDS = (*(name for name, *_ in _VALUES), *(name for name, *_ in _PAIRS), "volumes", "pull_policy")
"""The fields of DockerOptions that the command line knows."""


def add_docker(parser: argparse.ArgumentParser) -> None:
    """Add how the containers of images are made; in a sync it holds for both connectors, where they are images."""
    group = parser.add_argument_group("images (docker:IMAGE)")
    for name, metavar, kind, text in _VALUES:
        group.add_argument(_option(name), dest=f"docker_{name}", metavar=metavar, type=kind, help=text)

    for name, option, metavar, text in _PAIRS:
        group.add_argument(
            f"--docker-{option}",
            dest=f"docker_{name}",
            metavar=metavar,
            action="append",
            help=f"{text}; repeatable",
        )

    group.add_argument(
        "--docker-volume",
        dest="docker_volumes",
        metavar="FROM:TO[:ro]",
        action="append",
        help="a folder of the host, or a volume, that the connector sees; repeatable",
    )
    group.add_argument(
        "--docker-pull",
        dest="docker_pull_policy",
        choices=["missing", "always", "never"],
        help="pull an image that is not there (the default), always, or never",
    )


def plain_docker(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of containers, by the names of a pipeline file.

    Raises:
        UsageError: one of them is not of the form that it must have.
    """
    said = {name: getattr(args, f"docker_{name}") for name in FIELDS}
    for name, option, *_ in _PAIRS:
        if said[name] is not None:
            said[name] = _pairs(f"--docker-{option}", said[name])

    return {name: value for name, value in said.items() if value is not None}


def docker_options(plain: Mapping[str, Any]) -> DockerOptions | None:
    """Return `DockerOptions` of plain values; None where nothing was said.

    Raises:
        PyAirbyteInputError: a value is not one that it takes.
    """
    if not plain:
        return None

    from airbyte_exec.executors.docker import DockerOptions

    pairs = {name: _texts(plain[name]) for name, *_ in _PAIRS if name in plain}
    user = {"user": str(plain["user"])} if "user" in plain else {}
    return DockerOptions(**{**plain, **pairs, **user})


def expect_image(plain: Mapping[str, Any], *connectors: AsyncSource | AsyncDestination) -> None:
    """Raise where something was said of containers, and none of the connectors is an image.

    Raises:
        PyAirbyteInputError: nobody would hear it.
    """
    if not plain:
        return

    from airbyte_exec.executors.docker import DockerExecutor

    if not any(isinstance(connector.executor, DockerExecutor) for connector in connectors):
        names = " and ".join(connector.name for connector in connectors)
        raise PyAirbyteInputError(
            message=f"{', '.join(plain)}: this is for connectors that are images; here it is {names}.",
            guidance="An image is named as docker:IMAGE.",
        )


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both: what stands above counts more, key by key where a value is a mapping."""
    both = {name: {**below[name], **above[name]} for name, *_ in _PAIRS if name in below and name in above}
    return {**below, **above, **both}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    # YAML makes a number of what a container sees as a text.
    return {name: str(value) for name, value in values.items()}


def _option(name: str) -> str:
    return f"--docker-{name.removesuffix('_mount')}"


def _pairs(option: str, given: list[str]) -> dict[str, Any]:
    # A value may be empty or hold an equals sign; a name cannot.
    return {name: value for text in given for name, value in _pair(option, text)}


def _pair(option: str, text: str) -> list[tuple[str, str]]:
    name, equals, value = text.partition("=")
    return [(name, value)] if equals and name else list(pairs_of(option, [text]).items())
