"""Finds the protocol's data (schemas, cases, wire lines): in the wheel, or beside the package in a checkout.

The data itself is described by its own README.md.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.exceptions import PyAirbyteInternalError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_SHIPPED = Path(__file__).with_name("_data")
_CHECKOUT = Path(__file__).parents[2] / "protocol"


def data_folder() -> Path:
    """Return the folder of the protocol's data.

    Raises:
        PyAirbyteInternalError: it is neither in the package nor beside it: the installation is broken.
    """
    for folder in (_SHIPPED, _CHECKOUT):
        if (folder / "PINNED.json").is_file():
            return folder

    raise PyAirbyteInternalError(
        message="The protocol's data is not where it should be.",
        context={"looked_in": [str(_SHIPPED), str(_CHECKOUT)]},
        guidance="Install the package again.",
    )


def pinned() -> dict[str, Any]:
    """Return which version of the protocol the data states.

    Raises:
        PyAirbyteInternalError: as `data_folder`.
    """
    return _read_object(data_folder() / "PINNED.json")


def schema_names() -> list[str]:
    """Return the names that `schema` takes, such as `message` and `configured_catalog`.

    Raises:
        PyAirbyteInternalError: as `data_folder`.
    """
    return sorted(path.stem for path in (data_folder() / "schema").glob("*.json"))


def schema(name: str) -> dict[str, Any]:
    """Return one JSON Schema. A `$ref` in it may lead to another file; `validator` knows them all.

    Raises:
        KeyError: there is none of that name.
        PyAirbyteInternalError: as `data_folder`.
    """
    if name not in schema_names():
        raise KeyError(name)

    return _read_object(data_folder() / "schema" / f"{name}.json")


@cache
def validator(name: str) -> Validator:
    """Return a JSON Schema validator of one message or part, such as `message`.

    Raises:
        KeyError: there is no schema of that name.
        PyAirbyteInternalError: as `data_folder`.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    if name not in schema_names():
        raise KeyError(name)

    files = ((f"{each}.json", DRAFT202012.create_resource(schema(each))) for each in schema_names())
    registry: Registry[Any] = Registry().with_resources(files)
    return Draft202012Validator({"$ref": f"{name}.json"}, registry=registry)


def _read_object(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
