"""When the steps of a job were, and how long they took in words."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

_MINUTE = 60
_HOUR = 3600
_WITHOUT_SECONDS = 600


@dataclass(slots=True)
class Clock:
    """Steps of a job, in seconds of `time.monotonic()`; None until they are reached.

    Parameters:
        started: the job began.
        first_record: the first record came.
        read: everything was read.
        first_sent: the first record went to the destination.
        finalizing: what was written began to be put in place.
        finalized: all of it is in place.
        ended: the job ended.
        shown: it was last shown.
    """

    started: float = field(default_factory=time.monotonic)
    first_record: float | None = None
    read: float | None = None
    first_sent: float | None = None
    finalizing: float | None = None
    finalized: float | None = None
    ended: float | None = None
    shown: float | None = None


def since(start: float | None, end: float | None) -> float:
    """Return the seconds between two steps; until now where the second is not reached, and 0 where neither is."""
    if start is None:
        return 0.0

    return (time.monotonic() if end is None else end) - start


def in_words(seconds: float) -> str:
    """Return a duration as people say it: with seconds below ten minutes, with minutes from one minute on."""
    if seconds < _MINUTE:
        digits = 2 if seconds <= 2 else 1 if seconds < 10 else 0
        return f"{seconds:.{digits}f} seconds"

    minutes, rest = divmod(int(seconds), _MINUTE)
    if seconds < _WITHOUT_SECONDS:
        return f"{minutes}min {rest}s"

    return f"{minutes}min" if seconds < _HOUR else f"{minutes // _MINUTE}hr {minutes % _MINUTE}min"
