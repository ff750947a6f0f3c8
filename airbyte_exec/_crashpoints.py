"""The places at which the tests stop this process for good, to see that it can go on from whatever it left behind.

`reached` is called before and after each step that changes a state, a cache, a file, or what the guardian knows. It
does nothing; tests put another function in its place. It stands at steps that cost a system call or more, never on the
way of a record.
"""

from __future__ import annotations

POINTS = (
    "run.opening", "run.told", "run.opened", "run.closing", "run.removed", "run.closed",
    "placement.file.opened", "placement.file.written",
    "child.started", "child.told", "child.released", "child.removing", "child.removed",
    "sync.planned", "sync.begun",
    "state.echoed", "state.committed",
    "input.ending", "input.completed", "input.dropped", "input.ended", "sync.completing", "sync.completed",
    "state_file.writing", "state_file.made", "state_file.written", "state_file.synced", "state_file.renamed",
    "state_file.durable",
    "cache.creating", "cache.created", "cache.closing", "cache.closed",
    "cache.beginning", "cache.begun", "cache.committing", "cache.committed",
    "cache.rows", "cache.journal", "cache.swapping", "cache.swapped",
)  # fmt: skip
"""Every place, by a name: what it is about, and what has just been done or is about to be."""


def reached(point: str) -> None:
    """Do nothing: this process is at `point`, one of `POINTS`."""
