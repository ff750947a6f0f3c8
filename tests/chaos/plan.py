"""A fault plan as data: what is synced, and what goes wrong in which attempt. `draw` makes one from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from faults import BY_NAME, ENGINE_KINDS, KINDS, Kind, Must

STRATEGIES = ("append", "merge", "replace")
PAUSE = 0.002
"""Seconds after each record of a slow source: it still sends while states come back, and ends may come between."""

SIDES = ("source", "destination")
STATE_TYPES = ("STREAM", "STREAM", "STREAM", "GLOBAL", "LEGACY")
SCHEMA = Path(__file__).with_name("plan.schema.json")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Parameters:
        who: `source`, `destination`, `us` or `engine`.
        what: the name of a kind, see `faults.KINDS` and `faults.ENGINE_KINDS`.
        when: where it stands in a connector's script (of the engine's: in whose, and where), a crash point of ours with
            its turn, or seconds; None for what holds from start to end.
        how: what the kind needs to know beside.
    """

    who: str
    what: str
    when: Any = None
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What there is to know of it."""
        return BY_NAME[self.who, self.what]

    @property
    def must(self) -> Must:
        """What the attempt must come to where it struck: what fails does so if it was in the midst of something."""
        is_at_any_time = self.who == "engine" and "seconds" in self.when
        return "either" if is_at_any_time and self.kind.must == "fail" else self.kind.must

    def place(self, who: str) -> Any:
        """Return where a connector waits until the engine's fault has struck; None where it does not wait."""
        return self.when.get(who) if self.who == "engine" else None


@dataclass(frozen=True)
class Named:
    """A stream.

    Parameters:
        name: its name; several may have the same.
        namespace: None for none.
        modes: its sync modes.
        more: how many records it has beyond those of the round, so that no two streams are at the same place.
    """

    name: str
    namespace: str | None
    modes: tuple[str, ...]
    more: int = 0

    @property
    def key(self) -> tuple[str, str | None]:
        """What it is known by."""
        return self.name, self.namespace


@dataclass(frozen=True)
class Round:
    """What the source has, and the attempts to sync it in which something goes wrong; then one in which nothing does.

    Parameters:
        records: how many each stream has, at least.
        attempts: the faults of each attempt.
    """

    records: int
    attempts: tuple[tuple[Fault, ...], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A sync, its data, and its faults.

    Parameters:
        seed: what it was drawn from.
        strategy: how rows meet those that are there.
        cached: it goes through a cache.
        state_type: what kind of state the source sends.
        state_every: records between two states.
        pause: seconds after each record of the source.
        streams: all of them are synced.
        rounds: one after the other; the source has more, or (replace) other records in each.
        containers: the connectors that are run as images.
    """

    seed: int
    strategy: str
    cached: bool
    state_type: str
    state_every: int
    pause: float
    streams: tuple[Named, ...]
    rounds: tuple[Round, ...]
    containers: tuple[str, ...] = ()

    @property
    def faults(self) -> list[Fault]:
        """All faults."""
        return [fault for part in self.rounds for attempt in part.attempts for fault in attempt]

    def without(self, number: int) -> Plan:
        """Return the plan without one of its faults; an attempt without faults goes as well."""
        left = iter(range(len(self.faults)))
        rounds = []
        for part in self.rounds:
            kept = [tuple(fault for fault in attempt if next(left) != number) for attempt in part.attempts]
            rounds.append(replace(part, attempts=tuple(attempt for attempt in kept if attempt)))

        return replace(self, rounds=tuple(rounds))

    def to_json(self) -> str:
        """Return the plan as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return a plan that `to_json` wrote."""
        body = json.loads(text)
        rounds = tuple(
            Round(part["records"], tuple(tuple(Fault(**fault) for fault in attempt) for attempt in part["attempts"]))
            for part in body["rounds"]
        )
        streams = tuple(Named(**{**named, "modes": tuple(named["modes"])}) for named in body["streams"])
        return cls(**{**body, "rounds": rounds, "streams": streams, "containers": tuple(body.get("containers", ()))})


def draw_with_containers(seed: int, *, own_engine: bool) -> Plan:
    """Draw a plan of which at least one connector is a container.

    Parameters:
        own_engine: the engine itself may be killed and stopped.
    """
    kinds = [kind for kind in ENGINE_KINDS if own_engine or not kind.needs_own_engine]
    containers = random.Random(-1 - seed).choice((SIDES, SIDES, SIDES, SIDES[:1], SIDES[1:]))
    fitting = [kind for kind in kinds if kind.side in (None, *containers)]
    return draw(seed, kinds=(*KINDS, *fitting), turn=fitting[seed % len(fitting)], containers=containers)


def draw(
    seed: int, *, kinds: Sequence[Kind] = KINDS, turn: Kind | None = None, containers: tuple[str, ...] = ()
) -> Plan:
    """Draw a plan. Most have streams of one name in two namespaces, which must not be taken for one.

    Strategies and kinds take turns from seed to seed, so some hundred seeds in a row have each kind with each strategy.
    """
    dice = random.Random(seed)
    strategy, cached = STRATEGIES[seed % len(STRATEGIES)], dice.random() < 0.22
    state_type = dice.choice(STATE_TYPES)
    named = _streams(dice, state_type)
    numbers = [dice.randint(8, 40)]
    if strategy == "replace" or dice.random() < 0.2:
        numbers.append(numbers[0] + dice.randint(1, 12))

    pause = PAUSE if dice.random() < 0.3 else 0.0
    turn = turn or kinds[seed // len(STRATEGIES) % len(kinds)]
    shape = _Shape(dice, kinds, turn, cached, state_type, len(named), numbers[-1], containers)
    state_every = dice.randint(3, 12)
    # A replace begins with rows that are there; what disturbs it comes with the second round.
    rounds = tuple(
        Round(number, shape.attempts() if index == len(numbers) - 1 else ()) for index, number in enumerate(numbers)
    )
    return Plan(seed, strategy, cached, state_type, state_every, pause, named, rounds, containers)


def _streams(dice: random.Random, state_type: str) -> tuple[Named, ...]:
    modes = ("full_refresh", "incremental") if dice.random() < 0.85 else ("full_refresh",)
    named = [Named("users", None, modes)]
    if state_type != "LEGACY" and dice.random() < 0.75:  # LEGACY knows no namespaces
        named = [Named("users", where, modes, dice.choice((0, 3, 9))) for where in ("north", "south")]

    if dice.random() < 0.2:
        named.append(Named("orders", None, modes, dice.choice((0, 2))))

    return tuple(named)


@dataclass
class _Shape:
    """What kinds may look at when they draw their place, and the drawing of faults.

    Parameters:
        turn: the kind whose turn it is; it is the first fault of every other plan.
    """

    dice: random.Random
    kinds: Sequence[Kind]
    turn: Kind
    cached: bool
    state_type: str
    streams: int
    records: int
    containers: tuple[str, ...]

    def attempts(self) -> tuple[tuple[Fault, ...], ...]:
        number = self.dice.choice((1, 1, 1, 2))
        first = self._of(self.turn) if self.dice.random() < 0.5 and self._fits(self.turn) else None
        return tuple(self.faults(first if index == 0 else None) for index in range(number))

    def faults(self, first: Fault | None) -> tuple[Fault, ...]:
        drawn = [first or self.fault()]
        if self.dice.random() < 0.25 and (other := self.fault()).who != drawn[0].who:
            drawn.append(other)

        return tuple(drawn)

    def fault(self) -> Fault:
        who = self.dice.choice(("source", "destination", "us", *(("engine",) if self.containers else ())))
        fitting = [kind for kind in self.kinds if kind.who == who and self._fits(kind)]
        return self._of(self.dice.choices(fitting, [kind.weight for kind in fitting])[0])

    def _fits(self, kind: Kind) -> bool:
        return (kind.cached or not self.cached) and self.state_type in kind.state_types

    def _of(self, kind: Kind) -> Fault:
        return Fault(kind.who, kind.name, kind.when(self.dice, self), kind.how(self.dice, self))
