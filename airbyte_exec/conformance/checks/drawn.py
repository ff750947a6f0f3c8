"""Configs that fit a schema, drawn by dice that always fall alike: what a new version of a spec is tried with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_exec.conformance.checks import NotApplicableError
from airbyte_exec.conformance.checks.judging import Endless, Judge, python_pattern
from airbyte_exec.conformance.checks.schemas import types_of

DATE_FORMATS = {"date": "2024-05-06", "date-time": "2024-05-06T07:08:09Z"}
_FORMATS = {
    **DATE_FORMATS,
    "time": "07:08:09Z",
    "uri": "https://example.com/a?b=1",
    "email": "user@example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "hostname": "db.example.com",
    "ipv4": "192.0.2.1",
}
_TEXTS = (
    "",
    "a",
    "a text",
    "Text 1",
    "0",
    "12345",
    "some_name-2",
    "user@example.com",
    "Ünïcode 文",
    "x" * 40,
    "Long " * 60,
)
_CHARACTERS = "abcxyzABCXYZ0189 _-.,:;/@#+*!?()[]{}<>=&%$'\"\\|~^\t\n\u00e9\u6587"
_TRIED = 100  # configs that fit the version before, as many as the acceptance suite tries
_LONGEST = 3  # repetitions of what may be repeated without end


def outgrown(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a config that fits the old schema and not the new one, of as many as are tried; None where none is found.

    Raises:
        NotApplicableError: nothing could be tried.
    """
    from jsonschema import Draft7Validator

    before, after = Judge(old, Draft7Validator), Judge(new, Draft7Validator)
    tried = 0
    try:
        for config in drawn_configs(old):
            if tried == _TRIED:
                break

            if before.fits(config):
                tried += 1
                if not after.fits(config):
                    return config
    except Endless as error:
        raise NotApplicableError(f"a schema cannot be followed to an end: {error}") from None

    if not tried:
        raise NotApplicableError("no config could be drawn that fits the version before")

    return None


def drawn_configs(schema: Mapping[str, Any], count: int = 1000) -> Iterator[dict[str, Any]]:
    """Yield configs that should fit a schema: each field with several values, present and, where it may be, absent.

    A schema may say more than dice can see: whoever takes one must look whether it fits.
    """
    dice = random.Random(0)  # noqa: S311 - the same configs at each run
    for _ in range(count):
        config = _value(schema, dice)
        yield config if isinstance(config, dict) else {}


def _value(schema: Any, dice: Any) -> Any:
    if not isinstance(schema, Mapping):
        return "a text"

    if "const" in schema:
        return schema["const"]

    if "default" in schema and dice.random() < 0.3:
        return schema["default"]

    for name, chance in (("enum", 1.0), ("examples", 0.3)):
        if isinstance(schema.get(name), list) and schema[name] and dice.random() < chance:
            return dice.choice(schema[name])

    branches = schema.get("oneOf") or schema.get("anyOf")
    if branches:
        found = _value(dice.choice(branches), dice)
        return {**_object(schema, dice), **found} if isinstance(found, dict) else found

    kinds = sorted(types_of(schema)) or ["object" if "properties" in schema else "string"]
    kind = dice.choice(kinds)
    plain = {"object": _object, "array": _array, "integer": _number, "number": _number, "string": _text}
    if kind in plain:
        return plain[kind](schema, dice)

    return dice.choice((True, False)) if kind == "boolean" else None


def _object(schema: Mapping[str, Any], dice: Any) -> dict[str, Any]:
    wanted = set(schema.get("required") or ())
    properties = schema.get("properties") or {}
    return {n: _value(s, dice) for n, s in properties.items() if n in wanted or dice.random() < 0.5}


def _array(schema: Mapping[str, Any], dice: Any) -> list[Any]:
    least = int(schema.get("minItems", 0))
    most = min(int(schema.get("maxItems", least + _LONGEST)), least + _LONGEST)
    items = schema.get("items")
    return [_value(items, dice) for _ in range(dice.randint(least, max(least, most)))] if items else []


def _number(schema: Mapping[str, Any], dice: Any) -> float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    if low is None and high is None:
        low, high = dice.choice(((0, 100), (-1, 1), (-(10**6), 10**6)))

    low = high - 100 * step if low is None else low
    high = low + 100 * step if high is None else high
    steps = int(max(0, high - low) / step)
    found = dice.choice((low, high, low + step * dice.randint(0, steps)))
    return int(found) if "integer" in types_of(schema) else found


def _text(schema: Mapping[str, Any], dice: Any) -> str:
    pattern = schema.get("pattern")
    known = python_pattern(pattern) if isinstance(pattern, str) else None
    text = _FORMATS.get(str(schema.get("format"))) or str(dice.choice(_TEXTS))
    if known is not None:
        return text_of(known, dice)

    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", len(text)))
    return (text + "a" * max(0, least - len(text)))[: max(least, most)]


def text_of(pattern: str, dice: Any) -> str:
    """Return a text that is like a pattern, though what it says of neighbours (`(?=…)`, `\\b`) is not looked at.

    Parameters:
        pattern: one that Python can compile.
        dice: a `random.Random`.
    """
    from re import _parser  # type: ignore[attr-defined]  # the only way to see how a pattern is built

    node: Any = _parser.parse(pattern)
    return _written(node, dice, {})


def _written(node: Any, dice: Any, groups: dict[int, str]) -> str:
    text = ""
    for operation, argument in node:
        name = str(operation)
        if name == "LITERAL":
            text += chr(argument)
        elif name in ("ANY", "NOT_LITERAL", "IN"):
            items = argument if name == "IN" else [("NEGATE", None), ("LITERAL", 10 if name == "ANY" else argument)]
            text += _character(items, dice)
        elif name == "BRANCH":
            text += _written(dice.choice(argument[1]), dice, groups)
        elif name == "SUBPATTERN":
            groups[argument[0]] = _written(argument[-1], dice, groups)
            text += groups[argument[0]]
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = argument
            for _ in range(dice.randint(least, min(most, least + _LONGEST))):
                text += _written(body, dice, groups)
        elif name == "ATOMIC_GROUP":
            text += _written(argument, dice, groups)
        elif name == "GROUPREF":
            text += groups.get(argument, "")

    return text


def _character(items: Any, dice: Any) -> str:
    """Return a character of a set, preferably one that is seen often."""
    negated = any(str(kind) == "NEGATE" for kind, _ in items)
    fitting = [each for each in _CHARACTERS if any(_holds(item, each) for item in items) != negated]
    literal = [chr(value) for kind, value in items if str(kind) == "LITERAL" and not negated]
    ranges = [chr(value[0]) for kind, value in items if str(kind) == "RANGE" and not negated]
    return str(dice.choice([*fitting, *literal, *ranges] or [""]))


def _holds(item: tuple[Any, Any], character: str) -> bool:
    kind, value = str(item[0]), item[1]
    if kind == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])

    name = str(value)
    for word, fits in (("DIGIT", character.isdigit()), ("SPACE", character.isspace())):
        if kind == "CATEGORY" and name.endswith(word):
            return fits != ("NOT" in name)

    if kind == "CATEGORY":
        return (character.isalnum() or character == "_") != ("NOT" in name)

    return kind == "LITERAL" and value == ord(character)
