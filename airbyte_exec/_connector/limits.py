"""How long a connector may take. Every wait has a bound; all of them can be set, none can be infinite."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from airbyte_exec.exceptions import PyAirbyteInputError


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Time limits in seconds. The defaults of the first six are the Airbyte platform's.

    Parameters:
        spec: for `spec`.
        check: for `check`.
        discover: for `discover`.
        source_heartbeat: how long a source may send no record and no state; its clock stands while the destination
            has yet to take what the source sent.
        destination_write: how long the destination may take nothing of what is written to it.
        destination_finish: how long the destination may take between the end of its input and its exit.
        exit: how long a source may take to exit after the end of its output.
        drain: how long the output of a connector that has exited is read on, where another process holds it open.
        acknowledge: how long states are still collected from the destination after the source has failed, and how
            long it has for the streams that are complete beside a replaced one that failed.
        stop: how long a connector may take to end after SIGTERM, before it is killed.
    """

    spec: float = 540.0
    check: float = 540.0
    discover: float = 540.0
    source_heartbeat: float = 10_800.0
    destination_write: float = 86_400.0
    destination_finish: float = 86_400.0
    exit: float = 60.0
    drain: float = 5.0
    acknowledge: float = 10.0
    stop: float = 5.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise PyAirbyteInputError(
                    message=f"The time limit {item.name!r} must be a number of seconds above 0, and finite.",
                    input_value=repr(value),
                )


DEFAULT_LIMITS = TimeLimits()
