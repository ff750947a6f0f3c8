"""The keywords of JSON Schema with which a spec could make a validation endless, each with a bound.

A reference can lead back, branches multiply, and a pattern can take for ever. So references and branches are counted,
also how many lie inside each other, and patterns are matched by `patterns`. (Python's own bound on recursion is none
here: where it strikes inside the library's Rust, what comes is no RecursionError and not even an Exception.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airbyte_exec.secrets.patterns import is_found

if TYPE_CHECKING:
    from jsonschema import ValidationError

MOST_STEPS = 20_000  # references and branches that are followed; an honest spec has some hundreds
DEEPEST = 64  # references and branches inside each other
TIME_LIMIT = 30.0  # seconds for all patterns of a spec
_BRANCHING = ("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "contains")
_UNASKED = ("unevaluatedProperties", "unevaluatedItems")  # the library matches patterns in these without a bound

Keyword = Callable[[Any, Any, Any, Any], "Iterable[ValidationError]"]


class EndlessSchemaError(Exception):
    """A schema takes more steps, or more time, than any honest one."""


def bounded_keywords(known: Mapping[str, Any]) -> dict[str, Keyword]:
    """Return the keywords for one validation, on top of those that the library knows."""
    return Bounds().keywords(known)


class Bounds:
    """What one validation has used up.

    Parameters:
        find: says whether a pattern is found in a text, in bounded time.
    """

    def __init__(self, find: Callable[[object, str], bool] = is_found) -> None:
        self._find = find
        self.begin()

    def begin(self) -> None:
        """Begin the validation of another value."""
        self._steps = self._depth = 0
        self._end = time.monotonic() + TIME_LIMIT

    def keywords(self, known: Mapping[str, Any]) -> dict[str, Keyword]:
        """Return the keywords that are held to the bounds, on top of those that the library knows."""
        counted = {keyword: self.counted(known[keyword]) for keyword in _BRANCHING if keyword in known}
        return {
            **counted,
            **{keyword: _pass for keyword in _UNASKED if keyword in known},
            "pattern": self.pattern,
            "patternProperties": self.pattern_properties,
            "additionalProperties": self.additional_properties,
        }

    def counted(self, check: Keyword) -> Keyword:
        """Return a keyword that counts how often it is asked."""

        def count(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise EndlessSchemaError(f"it takes more than {MOST_STEPS} steps")

            if self._depth == DEEPEST:
                raise EndlessSchemaError(f"more than {DEEPEST} references and branches lie inside each other")

            self._depth += 1
            try:
                yield from check(validator, wanted, instance, schema) or ()
            finally:
                self._depth -= 1

        return count

    def pattern(self, validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
        """Check the pattern of a text."""
        from jsonschema import ValidationError

        del validator, schema
        if isinstance(instance, str) and not self._is_found(wanted, instance):
            yield ValidationError(f"it does not match the pattern {wanted!r}")

    def pattern_properties(self, validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
        """Check the values whose keys match."""
        del schema
        for pattern, inner in wanted.items():
            for key, value in instance.items() if isinstance(instance, dict) else ():
                if self._is_found(pattern, key):
                    yield from validator.descend(value, inner, path=key, schema_path=pattern)

    def additional_properties(
        self, validator: Any, wanted: Any, instance: Any, schema: Any
    ) -> Iterable[ValidationError]:
        """Check the values whose keys nothing else names."""
        from jsonschema import ValidationError

        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key in instance if isinstance(instance, dict) else ():
            if key in named or any(self._is_found(pattern, key) for pattern in patterns):
                continue

            if isinstance(wanted, dict):
                yield from validator.descend(instance[key], wanted, path=key)
            elif wanted is False:
                yield ValidationError(f"{key!r} is no field that is allowed")
                return

    def _is_found(self, pattern: object, text: str) -> bool:
        if time.monotonic() > self._end:
            raise EndlessSchemaError(f"its patterns take more than {TIME_LIMIT:g} s")

        return self._find(pattern, text)


def _pass(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
    del validator, wanted, instance, schema
    return ()
