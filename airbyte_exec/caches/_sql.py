"""SQL text that is safe whatever the names are."""

from __future__ import annotations

from collections.abc import Iterable


def ident(*parts: str) -> str:
    """Return a quoted identifier, qualified where there are several parts."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Return a quoted string. DuckDB has no escape in it but the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def listed(items: Iterable[str]) -> str:
    """Return the items with commas between them."""
    return ", ".join(items)
