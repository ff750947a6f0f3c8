"""Where the rows of a stream go in this run, and what becomes of what an earlier run left behind. Pure.

Every format has two places for a stream: the *live* rows, which a reader sees, and *staged* rows, which he does not
see yet. Rows are staged either to replace the live ones (a refresh, an overwrite) or to be merged into them by key.
Staged rows are as durable as live ones: a state that was echoed promises nothing less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from airbyte_exec.connectors.destination_local.catalog import ConfiguredStream

Leftover: TypeAlias = Literal["none", "continue", "drop", "fold", "adopt"]


@dataclass(frozen=True, slots=True)
class Staged:
    """What staged rows are for.

    Parameters:
        purpose: `replace` the live rows at the stream's end, or `merge` into them.
        generation: the generation that replaces; None where the platform knows none.
    """

    purpose: Literal["replace", "merge"]
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a stream stands on disk.

    Parameters:
        replaced: the generation that the live rows began with, at the last replace.
        staged: the rows that wait, if there are any.
    """

    replaced: int | None = None
    staged: Staged | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The decision.

    Parameters:
        leftover: what happens, before anything else, to staged rows of an earlier run: `continue` adds to them, `drop`
            forgets them, `fold` makes them live, `adopt` keeps them staged, now to be merged.
        into: where this run's rows go: None for straight to the live ones.
    """

    leftover: Leftover
    into: Staged | None


def route(stream: ConfiguredStream, standing: Standing) -> Route:
    """Decide for one stream."""
    left = standing.staged
    into = _target(stream, standing)
    if left is None:
        return Route("none", into)

    if into is not None and into.purpose == "replace":
        if left == into and into.generation is not None:
            return Route("continue", into)

        # Rows that wait for a merge were acknowledged for good, and this replace may never come to its end.
        return Route("fold" if left.purpose == "merge" else "drop", into)

    if left.purpose == "replace" and stream.minimum_generation:
        # The live rows already are of this generation: what waits belongs to another one.
        return Route("drop", into)

    if into is None:
        return Route("fold", into)

    return Route("continue" if left.purpose == "merge" else "adopt", into)


def _target(stream: ConfiguredStream, standing: Standing) -> Staged | None:
    if stream.truncates:
        generation = stream.generation if stream.minimum_generation else None
        if generation is None or standing.replaced != generation:
            return Staged("replace", generation)

    # Another attempt of a refresh whose replace is done already adds to it.
    return Staged("merge") if stream.merges else None
