"""The Airbyte protocol in Python: no processes, no SQL.

- `models`: every message and field, as pydantic models.
- `catalog`: from a discovered to a configured catalog.
- `envelope`, `codec`: what a hop needs of a line, and bytes into batches of lines.
- `resources`: finds the shipped data, such as the JSON Schemas.

Nothing is imported here: the hot path does not wait for pydantic.
"""

from __future__ import annotations
