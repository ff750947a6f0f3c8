"""Configs that fit a schema, drawn by dice that always fall alike: what a new version of a spec is tried with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.checks.schemas import types_of

DATE_FORMATS = {"date": "2024-05-06", "date-time": "2024-05-06T07:08:09Z"}


def drawn_configs(schema: Mapping[str, Any], count: int = 100) -> Iterator[dict[str, Any]]:
    """Yield configs that fit a schema: each field with several values, present and, where it may be, absent."""
    dice = random.Random(0)  # noqa: S311 - the same configs at each run
    for _ in range(count):
        config = _value(schema, dice)
        yield config if isinstance(config, dict) else {}


def _value(schema: Mapping[str, Any], dice: Any) -> Any:
    for name in ("const", "default"):
        if name in schema and (name == "const" or dice.random() < 0.3):
            return schema[name]

    if schema.get("enum"):
        return dice.choice(schema["enum"])

    if schema.get("oneOf"):
        return _value(dice.choice(schema["oneOf"]), dice)

    if examples := schema.get("examples"):
        return dice.choice(examples)

    kinds = sorted(types_of(schema)) or ["object" if "properties" in schema else "string"]
    kind = dice.choice(kinds)
    if kind == "object":
        wanted = set(schema.get("required") or ())
        properties = schema.get("properties") or {}
        return {n: _value(s, dice) for n, s in properties.items() if n in wanted or dice.random() < 0.5}

    if kind == "array":
        items = schema.get("items")
        return [_value(items, dice)] * dice.randint(schema.get("minItems", 0), 2) if isinstance(items, Mapping) else []

    low, high = schema.get("minimum", 0), schema.get("maximum", 100)
    plain = {"integer": dice.randint(int(low), int(max(low, high))), "number": low + dice.random(), "boolean": True}
    return plain.get(kind, None if kind == "null" else DATE_FORMATS.get(str(schema.get("format")), "a text"))
