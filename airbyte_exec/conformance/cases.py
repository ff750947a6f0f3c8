"""The cases as they lie in `protocol/cases`: loaded, and chosen by the patterns of a user."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol import resources

Severity = Literal["error", "warning", "info"]
GROUPS = ("spec", "image", "connection", "discovery", "read", "incremental", "destination")
_DOCS = "protocol/README.md"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule, and how it is tried; `protocol/schema/case.json` describes the file.

    Parameters:
        id: the rule's id, such as `spec.answer`.
        code: its short id, such as `SP1`.
        title: what a connector must do.
        why: why it matters, in one sentence.
        source: where the rule comes from.
        severity: what a breach is: an error, a warning, or an information.
        kinds: the connectors that it is for: `source`, `destination`.
        needs: what the subject must have; without it the case is skipped.
        input: what is run.
        time_limit: seconds that each child may take.
        expect: what must come of it, as far as data can say it.
        check: the named check that says the rest.
        implies: rules that a connector that breaks this one may break with it.
        is_optional: it is run only where it is asked for by its full id or its code.
    """

    id: str
    code: str
    title: str
    why: str
    source: str
    severity: Severity
    kinds: tuple[str, ...]
    needs: tuple[str, ...]
    input: Mapping[str, Any]
    time_limit: float
    expect: Mapping[str, Any] = field(default_factory=dict)
    check: str | None = None
    implies: tuple[str, ...] = ()
    is_optional: bool = False

    @property
    def group(self) -> str:
        """The group of the rule."""
        return self.id.partition(".")[0]

    @property
    def link(self) -> str:
        """Where the rule is written down, in the repository and below the data that a wheel brings along."""
        return f"{_DOCS}#{self.id.replace('.', '')}"

    @property
    def explain(self) -> str:
        """The command that shows the rule."""
        return f"airbyte-exec conformance --explain {self.id}"


def load_cases() -> list[Case]:
    """Return all cases, by group and then by code.

    Raises:
        PyAirbyteInternalError: the protocol's data is not where it should be.
    """
    folder = resources.data_folder() / "cases"
    found = [
        _case(json.loads(path.read_text(encoding="utf-8")))
        for group in GROUPS
        for path in (folder / group).glob("*.json")
    ]
    return sorted(found, key=lambda case: (GROUPS.index(case.group), case.code[:2], int(case.code[2:]), case.id))


def _case(body: dict[str, Any]) -> Case:
    lists: dict[str, Any] = {name: tuple(body[name]) for name in ("kinds", "needs", "implies") if name in body}
    plain: dict[str, Any] = {name: value for name, value in body.items() if name not in ("$schema", "optional")}
    return Case(**{**plain, **lists, "is_optional": body.get("optional", False)})


def select(cases: Sequence[Case], patterns: str | None, *, optional: bool = False) -> list[Case]:
    """Return the cases that the patterns choose.

    Parameters:
        cases: all of them.
        patterns: ids, codes or shell patterns of them, divided by commas; a `-` before one takes away what it names.
            An optional case needs its full id or code. None chooses all but the optional ones.
        optional: a pattern names optional cases too.

    Raises:
        PyAirbyteInputError: a pattern names nothing.
    """
    words = [word.strip() for word in (patterns or "").split(",") if word.strip()]
    for word in words:
        if not any(_names(word.removeprefix("-"), case) for case in cases):
            raise PyAirbyteInputError(
                message=f"No rule is named {word.removeprefix('-')!r}.",
                guidance="Such as spec.*, read.counts or RD11; `airbyte-exec conformance --list` shows all.",
                input_value=word,
            )

    wanted = [word for word in words if not word.startswith("-")]
    unwanted = [word[1:] for word in words if word.startswith("-")]
    chosen = [case for case in cases if _is_wanted(case, wanted, optional=optional)]
    return [case for case in chosen if not any(_names(word, case) for word in unwanted)]


def _is_wanted(case: Case, wanted: Sequence[str], *, optional: bool) -> bool:
    if case.is_optional and not optional:
        return case.id in wanted or case.code in wanted

    return not wanted or any(_names(word, case) for word in wanted)


def _names(word: str, case: Case) -> bool:
    return word == case.group or any(fnmatchcase(name, word) for name in (case.id, case.code))
