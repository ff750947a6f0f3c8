"""Measures this package against the limits of the machine and against PyAirbyte, side by side in one run.

    python -m bench [--case NAME ...] [--records N] [--repeat N] [--write FILE]

Nothing here passes or fails: the table shows the figures beside the aims. What is measured:

- a source that is `cat` of a file made on the spot, and a sink in C that drains and echoes the states: the
  connectors cost next to nothing;
- every run is a process of its own (`bench/drivers/`), in a fresh folder, with its own cache;
- the contestants take turns, and the median counts: a busy machine disturbs all of them alike.
"""

from __future__ import annotations
