"""JSON Schemas as a connector wrote them: are they any, and what fits them. Bounded, and nothing is fetched.

A `$ref` that leads out of a schema is not followed, neither to the network nor to a file: what it stands for counts as
anything, for the rules about `$ref` tell of it. Patterns are those of ECMA 262, as JSON Schema says: one that Python
has no like of counts as matched.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from airbyte_exec._connector.bounds import Bounds, EndlessSchemaError, Keyword
from airbyte_exec.conformance.checks.schemas import keywords
from airbyte_exec.secrets.patterns import EndlessPatternError, is_found

PATTERN_LIMIT = 30.0  # seconds for all patterns of a schema, on all values; those that come later count as matched
Endless = (EndlessPatternError, EndlessSchemaError)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PATTERNS = ("pattern", "patternProperties", "additionalProperties")
_ECMA = re.compile(
    r"\\[pP]\{(?P<property>[^}]*)\}|\\k<(?P<back>\w+)>|\\u\{(?P<code>[0-9a-fA-F]{1,6})\}|\\c(?P<control>[A-Za-z])"
    r"|\\.|\(\?<(?P<group>\w+)>|(?P<all>\[\^\])|(?P<none>\[\])",
    re.DOTALL,
)
_ECMA_ALONE = ("look-behind requires fixed-width", "bad escape")  # what Python refuses, and ECMA 262 allows


class _NotJudgedError(Exception):
    """Whether a pattern is found cannot be said here."""


def kind_of(schema: Mapping[str, Any]) -> Any:
    """Return the validator of the draft that a schema names; of the newest one where it names none that is known."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    named = isinstance(schema.get("$schema"), str)
    return validator_for(schema, default=Draft202012Validator) if named else Draft202012Validator


def schema_problem(schema: Mapping[str, Any], kind: Any = None) -> str | None:
    """Return why something is no JSON Schema, None where it is one.

    Parameters:
        kind: the validator of its draft; by default of the one that it names.
    """
    from jsonschema import FormatChecker, SchemaError

    try:
        (kind or kind_of(schema)).check_schema(dict(schema), format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        return str(error.message)

    for word, path, value in keywords(schema):
        named = value if word == "patternProperties" and isinstance(value, Mapping) else ()
        for pattern in [value] if word == "pattern" else named:
            if (reason := pattern_problem(str(pattern))) is not None:
                return f"{'.'.join(path) or 'the root'}: {pattern!r} is no pattern: {reason}"

    return None


def pattern_problem(pattern: str) -> str | None:
    """Return why a text is no pattern of ECMA 262, as far as that can be told; None where it is one."""
    try:
        _compile(_as_python(pattern, lambda _: r"\w"))
    except re.error as error:
        return None if str(error).startswith(_ECMA_ALONE) else str(error)
    except (OverflowError, RecursionError) as error:
        return type(error).__name__

    return None


@lru_cache(maxsize=256)
def python_pattern(pattern: str) -> str | None:
    """Return a pattern of ECMA 262 as Python writes it; None where Python has nothing like it."""
    try:
        text = _as_python(pattern, _no_like)
        _compile(text)
    except (_NotJudgedError, re.error, OverflowError, RecursionError):
        return None

    return text


def _compile(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        re.compile(pattern)


def _no_like(_: str) -> str:
    raise _NotJudgedError


def _as_python(pattern: str, no_like: Callable[[str], str]) -> str:
    """Return a pattern with what only ECMA 262 writes so in the words of Python; `no_like` says what has none."""

    def written(found: re.Match[str]) -> str:
        name = found.lastgroup or ""
        value = found[name] if name else ""
        if name == "code" and int(value, 16) <= 0x10FFFF:
            return re.escape(chr(int(value, 16)))

        if name in ("property", "code"):
            return no_like(value)

        if name == "control":
            return re.escape(chr(ord(value) % 32))

        words = {"back": f"(?P={value})", "group": f"(?P<{value}>", "all": r"[\s\S]", "none": "(?!)"}
        return words.get(name, found[0])

    return _ECMA.sub(written, pattern)


class Judge:
    """Says what of a value does not fit a schema. For one thread.

    Parameters:
        schema: the schema.
        kind: the validator of its draft; by default of the one that it names.
        how: further arguments of the validator.
    """

    def __init__(self, schema: Mapping[str, Any], kind: Any = None, **how: Any) -> None:
        from jsonschema.validators import extend
        from referencing import Registry

        self._bounds = Bounds(self._is_found)
        self._spent = 0.0
        base: Any = kind or kind_of(schema)
        bounded = {**base.VALIDATORS, **self._bounds.keywords(base.VALIDATORS)}
        lenient = {word: _lenient(bounded[word]) for word in (*_REFERENCES, *_PATTERNS) if word in bounded}
        make: Any = extend
        self._validator = make(base, {**bounded, **lenient})(dict(schema), registry=Registry(), **how)

    def errors(self, value: Any) -> Iterator[Any]:
        """Yield what does not fit.

        Raises:
            EndlessPatternError: a pattern was not matched within its bound.
            EndlessSchemaError: the schema leads nowhere.
        """
        self._bounds.begin()
        yield from self._validator.iter_errors(value)

    def fits(self, value: Any) -> bool:
        """Tell whether a value fits. Raises what `errors` raises."""
        return next(self.errors(value), None) is None

    def _is_found(self, pattern: object, text: str) -> bool:
        known = python_pattern(pattern) if isinstance(pattern, str) else None
        if known is None or self._spent > PATTERN_LIMIT:
            raise _NotJudgedError

        started = time.monotonic()
        try:
            return is_found(known, text)
        finally:
            self._spent += time.monotonic() - started


def _lenient(check: Keyword) -> Keyword:
    """Return a keyword that finds nothing where it cannot be judged."""

    def ask(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterable[Any]:
        from referencing.exceptions import Unresolvable

        try:
            yield from check(validator, wanted, instance, schema) or ()
        except (Unresolvable, _NotJudgedError):
            return

    return ask
