"""A connector named in one string, as on the command line.

source-faker                        by its name: what comes with the package, is on PATH, or is in the
registry source-faker==7.2.1                 that version of it
pypi:airbyte-source-faker==7.2.1    a package
docker:airbyte/source-faker:7.2.1   an image
path:./bin/source-x                 an executable
bundled:destination-local           a connector that comes with this package
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.bundled import BUNDLED

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)")
_IMAGE = re.compile(r"[A-Za-z0-9][\w./:@-]*")
_CONNECTOR_NAME = re.compile(r"(?:source|destination)-[a-z0-9-]+")
PACKAGE_PREFIX = "airbyte-"


@dataclass(frozen=True, kw_only=True)
class ConnectorRef:
    """What a connector string says.

    Parameters:
        name: the connector's name, the first argument of `get_source` and `get_destination`.
        kwargs: their further arguments.
    """

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)


def parse_connector_string(text: str) -> ConnectorRef:
    """Return what a connector string says; nothing is looked up.

    Raises:
        PyAirbyteInputError: it is no connector string.
    """
    scheme, colon, rest = text.strip().partition(":")

    if not colon or "=" in scheme:
        return _named(text.strip())

    parse = _SCHEMES.get(scheme)

    if parse is None:
        hint = "It looks like a path: put `path:` before it." if "/" in scheme else _SCHEMES_HINT
        raise _wrong(text, f"There is no kind of connector {scheme!r}.", hint)

    if not rest.strip():
        raise _wrong(text, f"Nothing stands after `{scheme}:`.", _SCHEMES_HINT)

    return parse(rest.strip())


def _named(text: str) -> ConnectorRef:
    name, pin, version = text.partition("==")

    if not name or "/" in name or name.startswith("."):
        raise _wrong(text, "A connector is named as `source-…` or `destination-…`.", _SCHEMES_HINT)

    return ConnectorRef(name=name.strip(), kwargs={"version": version.strip()} if pin else {})


def _pypi(text: str) -> ConnectorRef:
    match = _REQUIREMENT.fullmatch(text)

    if match is None:
        raise _wrong(text, "This is no requirement of a package.", "Such as `pypi:airbyte-source-faker==7.2.1`.")

    package = re.sub(r"[-_.]+", "-", match[1]).lower()

    # Packages with the bare names of connectors exist on PyPI and are not Airbyte's: strangers hold these
    # names.
    if _CONNECTOR_NAME.fullmatch(package) and not match[2].startswith("@"):
        raise _wrong(
            text,
            f"The package {package!r} is not what its name says.",
            f"Connectors are published as `{PACKAGE_PREFIX}{package}`. For a package of your own give its URL "
            f"(`{package} @ https://…`).",
        )

    return ConnectorRef(name=package.removeprefix(PACKAGE_PREFIX), kwargs={"pip_url": shlex.quote(text)})


def _docker(text: str) -> ConnectorRef:
    repository = text.partition("@")[0]
    # What stands before the last slash may be a registry with its port.
    name = repository.rpartition("/")[2].partition(":")[0]

    if not name or not _IMAGE.fullmatch(text):
        raise _wrong(text, "This is no name of an image.", "Such as `docker:airbyte/source-faker:7.2.1`.")

    return ConnectorRef(name=name, kwargs={"docker_image": text})


def _path(text: str) -> ConnectorRef:
    path = Path(text).expanduser()

    if not path.name:
        raise _wrong(text, "This is the path of a folder.", None)

    return ConnectorRef(name=path.name, kwargs={"local_executable": path})


def _bundled(text: str) -> ConnectorRef:
    if text not in BUNDLED:
        raise _wrong(text, f"No connector {text!r} comes with airbyte_exec.", f"One of: {', '.join(BUNDLED)}.")

    return ConnectorRef(name=text)


def _wrong(text: str, message: str, guidance: str | None) -> exc.PyAirbyteInputError:
    return exc.PyAirbyteInputError(message=message, guidance=guidance, input_value=text)


_SCHEMES: dict[str, Callable[[str], ConnectorRef]] = {
    "pypi": _pypi,
    "docker": _docker,
    "path": _path,
    "bundled": _bundled,
}
_SCHEMES_HINT = "One of: NAME, pypi:PACKAGE, docker:IMAGE, path:FILE, bundled:NAME."
