"""Small types that every layer shares. This module imports nothing of ours."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object as Python holds it."""


class StreamId(NamedTuple):
    """What tells one stream from another: its name and, where it has one, its namespace.

    Two namespaces may hold a stream of the same name. An empty namespace is legal and is not the same as none.
    """

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return self.name if self.namespace is None else f"{self.namespace}.{self.name}"
