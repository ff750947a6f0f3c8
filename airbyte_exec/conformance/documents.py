"""JSON and YAML that are given beside a connector: a file, or the text itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airbyte_exec.exceptions import PyAirbyteInputError


def read_document(text: str) -> Any:
    """Return what a JSON or YAML file holds, or what the text itself says.

    Raises:
        PyAirbyteInputError: it cannot be read.
    """
    import yaml

    is_text = text.lstrip().startswith(("{", "["))
    try:
        content = text if is_text else Path(text).read_text(encoding="utf-8")
        return json.loads(content) if content.lstrip().startswith(("{", "[")) else yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError) as error:
        what = "This" if is_text else text  # what stands on the command line itself may hold secrets
        raise PyAirbyteInputError(message=f"{what} cannot be read as JSON or YAML: {type(error).__name__}.") from error


def read_config(text: str | None) -> dict[str, Any] | None:
    """Return an object, None where nothing is given.

    Raises:
        PyAirbyteInputError: it cannot be read, or is no object.
    """
    if text is None:
        return None

    found = read_document(text)
    if not isinstance(found, dict):
        raise PyAirbyteInputError(message="A config must be an object: keys with values.")

    return found


def read_baseline(text: str | None) -> list[str]:
    """Return the ids of the rules of a baseline: a list of ids or short ids, or an object with a list `known`.

    Raises:
        PyAirbyteInputError: it is neither, or names a rule that does not exist.
    """
    if text is None:
        return []

    from airbyte_exec.conformance.cases import load_cases

    found = read_document(text)
    rules = found.get("known", []) if isinstance(found, dict) else found
    if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        raise PyAirbyteInputError(message="A baseline is a list of rules, or an object with a list `known`.")

    ids = {name: case.id for case in load_cases() for name in (case.id, case.code)}
    if strange := sorted(set(rules) - set(ids)):
        raise PyAirbyteInputError(message=f"The baseline names rules that do not exist: {', '.join(strange)}.")

    return [ids[rule] for rule in rules]
