"""Regular expressions that a connector made, on values of a config: each ends within a bound.

Python's engine backtracks, holds the interpreter while it does, and cannot be interrupted. So a pattern is matched here
only if what it can cost at worst is little; any other is matched by a process that is killed when it takes too long.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from functools import lru_cache
from typing import Any

MATCH_LIMIT = 5.0  # seconds for one pattern on one value, where it is matched by a process of its own
_MOST_STEPS = 1_000_000  # a fraction of a second
_UNBOUNDED = 100  # repetitions from which a bounded repeat counts as one without a bound
_LONGEST_PATTERN = 10_000  # characters; to compile one takes time too

_MATCHER = """
import json, re, sys, warnings
warnings.simplefilter("ignore")
pattern, text = json.load(sys.stdin)
print(int(re.search(pattern, text) is not None))
"""


class EndlessPatternError(Exception):
    """A pattern takes too long, or is no pattern that can be matched here.

    Parameters:
        pattern: the pattern.
        reason: what is wrong with it.
    """

    def __init__(self, pattern: object, reason: str) -> None:
        super().__init__(f"the pattern {str(pattern)[:200]!r} {reason}")


def is_found(pattern: object, text: str) -> bool:
    """Say whether a pattern is found in a text.

    Raises:
        EndlessPatternError: it is no pattern, or takes longer than `MATCH_LIMIT`.
    """
    return re.search(str(pattern), text) is not None if is_cheap(pattern, text) else _matches_elsewhere(pattern, text)


def is_cheap(pattern: object, text: str) -> bool:
    """Say whether a pattern can cost but little on a text.

    Raises:
        EndlessPatternError: it is no pattern.
    """
    if not isinstance(pattern, str):
        raise EndlessPatternError(pattern, "is no text")

    if len(pattern) > _LONGEST_PATTERN:
        raise EndlessPatternError(pattern, f"is longer than {_LONGEST_PATTERN} characters")

    power = _power(pattern)
    return power is not None and (len(text) + 1) ** power <= _MOST_STEPS


def _matches_elsewhere(pattern: object, text: str) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCHER],
            input=json.dumps([pattern, text]).encode(),
            capture_output=True,
            timeout=MATCH_LIMIT,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        done = None

    if done is None or done.returncode != 0:
        raise EndlessPatternError(pattern, f"was not matched within {MATCH_LIMIT:g} s")

    return done.stdout.strip() == b"1"


@lru_cache(maxsize=256)
def _power(pattern: str) -> int | None:
    """Return the power of a text's length that a search may take at worst, None where it may be exponential.

    Raises:
        EndlessPatternError: it is no pattern.
    """
    from re import _parser  # type: ignore[attr-defined]  # the only way to see how a pattern is built

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
            repeats = _repeats(_parser.parse(pattern), inside=False)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise EndlessPatternError(pattern, f"is none that Python knows: {error}") from None

    return None if repeats is None else repeats + 1  # a search begins at each place


def _repeats(node: Any, *, inside: bool) -> int | None:
    """Count the repeats without a bound; None where one stands in another, or a choice in one."""
    total = 0
    for operation, argument in node:
        name = str(operation)
        parts = _parts(name, argument)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = argument
            is_open = most >= _UNBOUNDED or most - least >= _UNBOUNDED
            if inside and most > 1:
                return None

            total += is_open
            found = _repeats(body, inside=inside or most > 1)
            if found is None:
                return None

            total += found
        elif (name == "BRANCH" and inside) or name in ("GROUPREF", "GROUPREF_EXISTS"):
            return None
        else:
            for part in parts:
                found = _repeats(part, inside=inside)
                if found is None:
                    return None

                total += found

    return total


def _parts(name: str, argument: Any) -> list[Any]:
    if name == "SUBPATTERN":
        return [argument[-1]]

    if name == "BRANCH":
        return list(argument[1])

    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]

    return [argument] if name == "ATOMIC_GROUP" else []
