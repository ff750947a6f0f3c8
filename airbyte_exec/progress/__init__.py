"""How far a write is, in the words of PyAirbyte, and shown while it runs.

    with ProgressTracker() as tracker:
        destination.write(source, cache=False, on_progress=tracker)
    print(tracker.total_destination_records_confirmed)

`WriteOptions.on_progress` takes any function; this one draws. A program that moves messages by itself passes them
through `tally_records_read` and the like.
"""

from __future__ import annotations

from airbyte_exec._engine.progress import Progress
from airbyte_exec.progress._tracker import ProgressStyle, ProgressTracker

__all__ = ["Progress", "ProgressStyle", "ProgressTracker"]
