"""What a sync is told, from a pipeline file, from the command line, or from both: then the command line counts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airbyte_exec.cli._arguments import (
    names_of,
    pairs_of,
    primary_key,
    seconds,
    size,
    time_limits,
)
from airbyte_exec.cli._docker import expect_image, merged, plain_docker
from airbyte_exec.cli._documents import read_config, read_document
from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from airbyte_exec._connector.options import SessionOptions
    from airbyte_exec._engine.options import WriteOptions
    from airbyte_exec.aio import AsyncSource
    from airbyte_exec.cli._output import Output
    from airbyte_exec.strategies import WriteStrategy

SCHEMA_FILE = Path(__file__).with_name("pipeline.schema.json")


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a pipeline.

    Parameters:
        connector: the connector string.
        config: its config.
        python: the Python that it is installed with.
        docker: how its containers are made, where it is an image: fields of `DockerOptions`.
    """

    connector: str
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    python: str | None = None
    docker: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A sync, as a file or a command line tells it. None: it was not told.

    Parameters:
        source: where the data comes from.
        destination: where it goes.
        streams: which streams; None for all.
        cursors: the cursor of a stream, by name.
        primary_keys: the primary key of a stream, by name.
        strategy: how rows meet those that are there.
        full_refresh: read everything again.
        cache: a DuckDB file to read into first.
        state: a file to keep state in; False for none.
        options: the fields of `WriteOptions`, in plain values.
    """

    source: End
    destination: End
    streams: list[str] | None = None
    cursors: dict[str, str] = field(default_factory=dict)
    primary_keys: dict[str, list[str]] = field(default_factory=dict)
    strategy: str | None = None
    full_refresh: bool = False
    cache: str | None = None
    state: str | Literal[False] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def with_arguments(self, args: argparse.Namespace) -> Pipeline:
        """Return the pipeline with what the command line says instead."""
        said: dict[str, Any] = {
            "strategy": args.strategy,
            "full_refresh": args.full_refresh,
            "cache": args.cache,
            "state": False if args.no_state else args.state,
        }
        if args.streams is not None:
            said["streams"] = names_of(args.streams)
            given = {"streams"}
        else:
            given = set()

        containers = plain_docker(args)
        changes = {name: value for name, value in said.items() if value is not None or name in given}
        return replace(
            self,
            source=replace(self.source, docker=merged(self.source.docker, containers)),
            destination=replace(self.destination, docker=merged(self.destination.docker, containers)),
            cursors={**self.cursors, **pairs_of("--cursor", args.cursor)},
            primary_keys={**self.primary_keys, **pairs_of("--primary-key", args.primary_key, primary_key)},
            options={**self.options, **plain_options(args)},
            **changes,
        )

    def write_options(self, *, retries: int | bool = False) -> WriteOptions:
        """Return what the library is told beside the arguments of `write`.

        Parameters:
            retries: what is tried again where the pipeline does not say it.

        Raises:
            PyAirbyteInputError: a value is not one that it takes.
        """
        return write_options({"retries": retries, **self.options})


def read_pipeline(name: str) -> Pipeline:
    """Return the pipeline that a file holds, with `${NAME}` replaced by environment variables.

    Raises:
        PyAirbyteInputError: it cannot be read, or is no pipeline.
    """
    from airbyte_exec.cli._schema import check_pipeline
    from airbyte_exec.secrets.hydration import expand_env

    document = read_document(name, "PIPELINE")
    check_pipeline(document, name)
    content = expand_env(document)
    limits = {key: seconds(str(value)) for key, value in content.get("time_limits", {}).items()}
    options = {key: content[key] for key in _OPTION_KEYS if key in content}
    if "max_line" in options:
        options["max_line"] = size(str(options["max_line"]))

    streams = content.get("streams", "*")
    keys = content.get("primary_keys", {})
    return Pipeline(
        source=_end(content["source"], "source"),
        destination=_end(content["destination"], "destination"),
        streams=None if streams == "*" or "*" in streams else list(streams),
        cursors=dict(content.get("cursors", {})),
        primary_keys={stream: [key] if isinstance(key, str) else list(key) for stream, key in keys.items()},
        strategy=content.get("strategy"),
        full_refresh=content.get("full_refresh", False),
        cache=content.get("cache"),
        state=content.get("state"),
        options={**options, **({"time_limits": limits} if limits else {})},
    )


_OPTION_KEYS = (
    "state_key",
    "namespace",
    "prefix",
    "on_malformed",
    "on_count_mismatch",
    "max_line",
    "pass_env",
    "check",
    "retries",
)


def _end(content: Any, role: str) -> End:
    if isinstance(content, str):
        return End(connector=content)

    config = content.get("config", {})
    if isinstance(config, str):
        config = read_config(config, f"{role}.config")

    return End(
        connector=content["connector"],
        config=config,
        python=content.get("python"),
        docker=dict(content.get("docker", {})),
    )


def plain_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of `WriteOptions`, by the names of a pipeline file."""
    said = {name: getattr(args, name, None) for name in _OPTION_KEYS}
    said["pass_env"] = names_of(said["pass_env"])
    said["time_limits"] = pairs_of("--time-limit", args.time_limit, seconds) or None
    return {name: value for name, value in said.items() if value is not None}


def write_options(plain: Mapping[str, Any]) -> WriteOptions:
    """Return `WriteOptions` of plain values, under the names of a pipeline file."""
    from airbyte_exec._engine.options import NameMapping, WriteOptions

    names = {name: plain[name] for name in ("namespace", "prefix") if name in plain}
    same = ("state_key", "on_malformed", "on_count_mismatch", "max_line", "check", "retries")
    return WriteOptions(
        limits=time_limits(plain.get("time_limits", {})),
        names=NameMapping(**names),
        environment=frozenset(plain["pass_env"]) if "pass_env" in plain else None,
        **{name: plain[name] for name in same if name in plain},
    )


def session_options(args: argparse.Namespace) -> SessionOptions:
    """Return how a single connector is run, as the command line says."""
    return write_options(plain_options(args)).session


def strategy_of(name: str | None) -> WriteStrategy:
    """Return the write strategy of that name."""
    from airbyte_exec.strategies import WriteStrategy

    return WriteStrategy(name or "auto")


def source_of(
    args: argparse.Namespace, config: Mapping[str, Any], output: Output
) -> tuple[AsyncSource, list[str] | Literal["*"]]:
    """Return the source of a command that has one connector, and the streams that it is about."""
    from airbyte_exec.cli._connectors import make_source

    docker = plain_docker(args)
    source = make_source(
        args.connector,
        config,
        output,
        python=args.python,
        docker=docker,
        options=session_options(args),
        cursors=pairs_of("--cursor", args.cursor),
        primary_keys=pairs_of("--primary-key", args.primary_key, primary_key),
    )
    expect_image(docker, source)
    return source, names_of(args.streams) or "*"


def is_pipeline_file(name: str) -> bool:
    """Say whether a single argument of `sync` names a file and not a connector."""
    return name == "-" or name.endswith((".yaml", ".yml", ".json"))


def cache_file(name: str) -> Path:
    """Return the path of a cache.

    Raises:
        PyAirbyteInputError: it is a folder, or its folder is not there.
    """
    path = Path(name).expanduser()
    if path.is_dir() or not path.absolute().parent.is_dir():
        reason = "it is a folder" if path.is_dir() else "its folder is not there"
        raise PyAirbyteInputError(message=f"The cache {name} cannot be used: {reason}.")

    return path
