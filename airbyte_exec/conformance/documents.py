"""What the documents are that are given beside a connector: baselines, specs, catalogs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_exec._documents import read_document
from airbyte_exec.exceptions import PyAirbyteInputError


def read_baseline(text: str | None) -> list[str]:
    """Return the ids of the rules of a baseline: a list of ids or short ids, or an object with a list `known`.

    Raises:
        PyAirbyteInputError: it is neither, or names a rule that does not exist.
    """
    if text is None:
        return []

    from airbyte_exec.conformance.cases import load_cases

    found = read_document(text, "--baseline")
    rules = found.get("known") if isinstance(found, dict) else found
    if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        raise PyAirbyteInputError(message="A baseline is a list of rules, or an object with a list `known`.")

    ids = {name: case.id for case in load_cases() for name in (case.id, case.code)}
    if strange := sorted(set(rules) - set(ids)):
        raise PyAirbyteInputError(message=f"The baseline names rules that do not exist: {', '.join(strange)}.")

    return [ids[rule] for rule in rules]


def part_of(found: Mapping[str, Any], kind: str, option: str) -> dict[str, Any]:
    """Return a spec or a catalog: plain, as a message, or as `airbyte-exec --json` prints it.

    Parameters:
        found: what is given.
        kind: the name of its schema: `spec`, `catalog` or `configured_catalog`.
        option: where it is given, for errors.

    Raises:
        PyAirbyteInputError: it is none.
    """
    from jsonschema.exceptions import best_match

    from airbyte_exec.protocol.resources import validator

    inner = (found.get(name) for name in (kind, "result"))
    plain = next((each for each in inner if isinstance(each, dict)), dict(found))
    error = best_match(validator(kind).iter_errors(plain))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or "it"
        message = f"{option} is no {kind.replace('_', ' ')}: {where}: {error.message[:200]}"
        raise PyAirbyteInputError(message=message)

    return plain


def previous_of(found: Mapping[str, Any], option: str) -> dict[str, Any]:
    """Return the spec or the catalog of the version before, under its name.

    Raises:
        PyAirbyteInputError: it is neither.
    """
    for kind, field in (("spec", "connectionSpecification"), ("catalog", "streams")):
        if any(isinstance(each, dict) and field in each for each in (found, found.get(kind), found.get("result"))):
            return {kind: part_of(found, kind, option)}

    raise PyAirbyteInputError(message=f"{option}: the file is neither a SPEC nor a CATALOG.")
