"""Is it a pipeline? By the JSON Schema that lies beside this module; a value is never said, it may be a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airbyte_exec.cli._near import unknown
from airbyte_exec.exceptions import PyAirbyteInputError


def check_pipeline(document: Any, name: str) -> None:
    """Check the content of a pipeline file.

    Raises:
        PyAirbyteInputError: it is not one; unknown keys are told with the ones that are near.
    """
    from jsonschema import Draft202012Validator

    from airbyte_exec.cli._pipeline import SCHEMA_FILE

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda error: error.json_path)
    for error in errors:
        _raise_unknown(error, name)

    if errors:
        raise PyAirbyteInputError(
            message=f"{name} is no pipeline.",
            context={_path(error): _rule(error) for error in errors},
            guidance="The keys are told in docs/command-line.md.",
        )


def _raise_unknown(error: Any, name: str) -> None:
    """Raise where the error, or the nearest of the alternatives that it has, is about a key that nobody knows."""
    inner = next((found for found in error.context if found.validator == "additionalProperties"), error)
    if inner.validator != "additionalProperties" or not isinstance(inner.schema, Mapping):
        return

    known = inner.schema.get("properties", {})
    wrong = [key for key in inner.instance if key not in known]
    path = _path(inner)
    raise unknown("key", wrong, known, where=name if path == "pipeline" else f"{path} of {name}")


def _path(error: Any) -> str:
    return ".".join(["pipeline", *(str(part) for part in error.absolute_path)])


def _rule(error: Any) -> str:
    wanted = error.validator_value
    if error.validator == "required" and isinstance(error.instance, Mapping):
        return f"{', '.join(repr(name) for name in wanted if name not in error.instance)} is missing"

    if error.validator == "type":
        return f"it must be {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"

    if error.validator == "enum":
        return f"it must be one of {', '.join(map(repr, wanted))}"

    inner = error.context[0] if error.context else None
    return _rule(inner) if inner is not None else f"it breaks the rule {error.validator!r}"
