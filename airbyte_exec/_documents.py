"""JSON and YAML as people write them: a file, or the text itself. Errors say where, never what stands there.

YAML is read by the rules of YAML 1.2: `no` is a text, and so are `2024-01-31` and `12:30:00`, as in the JSON that a
connector gets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from airbyte_exec.exceptions import PyAirbyteInputError

ReadBytes = Callable[[str, str], bytes]


def read_bytes(name: str, option: str) -> bytes:
    """Return what a file holds.

    Raises:
        PyAirbyteInputError: it cannot be read.
    """
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise PyAirbyteInputError(message=f"{option}: {name} cannot be read: {error.strerror}.") from None


def read_document(text: str, option: str, *, read: ReadBytes = read_bytes) -> Any:
    """Return what a JSON or YAML document holds: a file, or the JSON text itself.

    Parameters:
        text: what stands after the option.
        option: its name, for errors.
        read: reads the file.

    Raises:
        PyAirbyteInputError: there is no such file, or it holds neither.
    """
    if text.lstrip().startswith(("{", "[")):
        return _parse(text, f"the text of {option}")

    where = "stdin" if text == "-" else text
    return _parse(_decoded(read(text, option), text, option), where)


def read_object(text: str, option: str, *, read: ReadBytes = read_bytes) -> dict[str, Any]:
    """Return an object: a config, a catalog. See `read_document`.

    Raises:
        PyAirbyteInputError: there is no such file, or it holds no object.
    """
    found = read_document(text, option, read=read)
    if not isinstance(found, dict):
        raise PyAirbyteInputError(message=f"{option} must be an object: keys with values.")

    return found


def _decoded(content: bytes, name: str, option: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PyAirbyteInputError(message=f"{option}: {name} is not UTF-8 (byte {error.start}).") from None


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise PyAirbyteInputError(message=f"{where} is nested too deeply.") from None
    except ValueError as error:
        if text.lstrip().startswith("{"):
            raise _syntax(where, "JSON", error) from None

    return _parse_yaml(text, where)


def _parse_yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PyAirbyteInputError(message=f"{where} is neither JSON nor YAML: the YAML is wrong{place}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PyAirbyteInputError(message=f"{where} is neither JSON nor YAML.") from None


def _syntax(where: str, kind: str, error: ValueError) -> PyAirbyteInputError:
    place = (
        f": {error.msg} at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    )
    return PyAirbyteInputError(message=f"{where} is no {kind}{place}.")


@cache
def _loader() -> Any:
    """Return a YAML loader with the core schema of YAML 1.2: PyYAML's own turns `no` and dates into other things."""
    import yaml

    class CoreLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own place for them

    tag = "tag:yaml.org,2002:"
    for kind, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?[0-9]+", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
        ("merge", r"<<", ["<"]),
    ):
        CoreLoader.add_implicit_resolver(tag + kind, re.compile(rf"^(?:{pattern})$"), first)

    def integer(loader: Any, node: Any) -> int:
        return int(loader.construct_scalar(node))

    def number(loader: Any, node: Any) -> float:
        return float(loader.construct_scalar(node))

    CoreLoader.add_constructor(tag + "int", integer)
    CoreLoader.add_constructor(tag + "float", number)
    return CoreLoader
