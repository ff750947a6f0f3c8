"""Finds out whether a connector in a folder can be used: it is installed, asked for its spec, and tried.

python -m airbyte_exec.validate --connector-dir DIR [--sample-config FILE | --validate-install-only]
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airbyte_exec.exceptions import (
    AirbyteConnectorError,
    AirbyteNoDataFromConnectorError,
    PyAirbyteError,
    PyAirbyteInputError,
)
from airbyte_exec.sources.base import Source
from airbyte_exec.sources.util import get_source

__all__ = ["run", "validate"]

logger = logging.getLogger(__name__)


def validate(
    connector_dir: str | Path, sample_config: str | Path | None = None, *, validate_install_only: bool = False
) -> None:
    """Install a source from a folder into an environment of its own, and try it: spec, check, discover, one record.

    Parameters:
        connector_dir: the folder: a Python package with a `metadata.yaml`, which names the connector.
        sample_config: a JSON file with a config that works.
        validate_install_only: stop after the spec; then no config is needed.

    Raises:
        PyAirbyteInputError: the folder has no such file, or there is no config.
        AirbyteConnectorInstallationError: it cannot be installed.
        AirbyteConnectorError: one of its commands failed.
        AirbyteNoDataFromConnectorError: no stream gave a record.
    """
    name = _connector_name(Path(connector_dir))
    if not validate_install_only and sample_config is None:
        raise PyAirbyteInputError(
            message="A config is needed to try the connector.",
            guidance="Give `sample_config`, or `validate_install_only`.",
        )

    with tempfile.TemporaryDirectory(prefix="airbyte-exec-validate-") as root:
        folder = str(Path(connector_dir).resolve())
        source = get_source(name, pip_url=shlex.quote(folder), install_root=Path(root))
        source.config_spec  # noqa: B018 - asking is the test
        logger.info("%s is installed and has a spec.", name)
        if not validate_install_only:
            source.set_config(_config(Path(str(sample_config))))
            _try(source)


def _try(source: Source) -> None:
    source.check()
    streams = source.get_available_streams()
    failures: dict[str, str] = {}
    for stream in streams:
        try:
            if source.get_records(stream, limit=1).fetch_all():
                logger.info("%s gives records of stream %s.", source.name, stream)
                return
        except AirbyteConnectorError as error:
            failures[stream] = error.get_message()
            logger.warning("%s: stream %s cannot be read: %s", source.name, stream, error.get_message())

    raise AirbyteNoDataFromConnectorError(
        message=f"No stream of {source.name} gave a record.",
        connector_name=source.name,
        context={"streams": streams[:20], "failures": dict(list(failures.items())[:20])},
    )


def _connector_name(folder: Path) -> str:
    import yaml

    path = folder / "metadata.yaml"
    try:
        repository = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["dockerRepository"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise PyAirbyteInputError(
            message=f"{path} does not name a connector: {error!r}.",
            guidance="Its `data.dockerRepository` is the connector's name, with `airbyte/` before it.",
            input_value=str(folder),
        ) from error

    return str(repository).removeprefix("airbyte/")


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PyAirbyteInputError(message=f"The config {path} cannot be read: {error}.") from error

    if not isinstance(config, dict):
        raise PyAirbyteInputError(message=f"The config {path} is no JSON object.")

    return config


def run(arguments: Sequence[str] | None = None) -> None:
    """Run it as a command: the exit code is 0 where the connector can be used, else 1.

    Parameters:
        arguments: those of the command line; those of this process by default.
    """
    parser = argparse.ArgumentParser(prog="python -m airbyte_exec.validate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--connector-dir", required=True, metavar="DIR", help="the connector's folder")
    parser.add_argument("--sample-config", metavar="FILE", help="a JSON file with a config that works")
    parser.add_argument("--validate-install-only", action="store_true", help="stop after the spec")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        validate(given.connector_dir, given.sample_config, validate_install_only=given.validate_install_only)
    except PyAirbyteError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    run()
