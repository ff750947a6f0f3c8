"""The named checks: what data cannot say of a rule. A case refers to one by its name; each module holds a group's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from airbyte_exec.conformance.cases import GROUPS, Case
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.conformance.transcript import Key, Transcript, key_of


class NotApplicableError(Exception):
    """The rule says nothing of this subject; the text is the reason."""


@dataclass(kw_only=True)
class Given:
    """What a check judges by.

    Parameters:
        case: the case.
        subject: the connector.
        runs: what was run, in the order of the case.
        spec: the connector's spec, where it gave one.
        discovered: the catalog that it gave, where it gave one.
        configured: the catalogs that the runs were given.
        image: what the engine says of the image.
    """

    case: Case
    subject: Subject
    runs: Sequence[Transcript] = ()
    spec: Mapping[str, Any] | None = None
    discovered: Mapping[str, Any] | None = None
    configured: Sequence[Mapping[str, Any]] = ()
    image: Mapping[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Transcript:
        """The last run."""
        return self.runs[-1]

    def the_spec(self) -> Mapping[str, Any]:
        """Return the spec.

        Raises:
            NotApplicableError: there is none.
        """
        if self.spec is None:
            raise NotApplicableError("spec gave no SPEC")

        return self.spec

    def streams(self) -> dict[Key, Mapping[str, Any]]:
        """Return the discovered streams.

        Raises:
            NotApplicableError: there is no catalog.
        """
        if self.discovered is None:
            raise NotApplicableError("discover gave no CATALOG")

        return {key_of(dict(stream)): stream for stream in self.discovered["streams"]}

    def chosen(self, run: int = -1) -> dict[Key, Mapping[str, Any]]:
        """Return the configured streams of a run."""
        return {key_of(dict(each["stream"])): each for each in self.configured[run]["streams"]}


Check = Callable[[Given], Iterable[Finding]]
_CHECKS: dict[str, Check] = {}


def named(name: str) -> Callable[[Check], Check]:
    """Give a check the name that cases know it by."""

    def keep(check: Check) -> Check:
        _CHECKS[name] = check
        return check

    return keep


def all_checks() -> dict[str, Check]:
    """Return the checks of all groups, by name."""
    for group in GROUPS:
        import_module(f"{__name__}.{group}")

    return _CHECKS


def stream_name(key: Key) -> str:
    """Return a stream as a person writes it."""
    return key[0] if key[1] is None else f"{key[1]}.{key[0]}"
