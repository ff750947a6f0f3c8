"""Destinations: connectors that data is written to.

Write a source straight into a destination:

    import airbyte_exec as ab

    source = ab.get_source("source-faker", {"count": 1000}, streams="*")
    destination = ab.get_destination("destination-local", {"path": "rows.duckdb"})
    result = destination.write(source, cache=False)
    print(result.processed_records, result.states_committed)

Read into a cache first, look at the rows, then write them:

    read_result = source.read()
    print(len(read_result["users"]))
    destination.write(read_result)

A second write goes on from where the destination confirmed the first one.
"""

from __future__ import annotations

from airbyte_exec.destinations.base import Destination
from airbyte_exec.destinations.util import get_destination, get_noop_destination

__all__ = ["Destination", "get_destination", "get_noop_destination"]
