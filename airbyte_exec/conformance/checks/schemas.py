"""Walks through JSON Schemas, and compares an old one with a new one. No rule is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
_BRANCHES = ("oneOf", "anyOf")


@dataclass(frozen=True)
class Node:
    """A schema within a schema.

    Parameters:
        path: the fields that lead to it.
        schema: itself.
        parent: the schema that it is a property of, or a branch, or the items.
        role: `root`, `property`, `branch` (of a oneOf or an anyOf) or `items`.
    """

    path: tuple[str, ...]
    schema: Schema
    parent: Schema | None
    role: str

    @property
    def where(self) -> str:
        """The path as a person writes it."""
        return ".".join(self.path) or "the root"

    @property
    def name(self) -> str:
        """The last field."""
        return self.path[-1] if self.path else ""


def walk(schema: Any, path: tuple[str, ...] = (), parent: Schema | None = None, role: str = "root") -> Iterator[Node]:
    """Yield a schema and all within it, as far as properties, oneOf, anyOf and items lead."""
    if not isinstance(schema, Mapping):
        return

    yield Node(path, schema, parent, role)
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, inner in properties.items():
            yield from walk(inner, (*path, str(name)), schema, "property")

    for word in _BRANCHES:
        for number, branch in enumerate(schema.get(word) or ()):
            yield from walk(branch, (*path, f"{word}[{number}]"), schema, "branch")

    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from walk(items, (*path, "items"), schema, "items")


def keywords(
    schema: Any, path: tuple[str, ...] = (), *, names: bool = False
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield each keyword with its path and value; the names of properties are none.

    Parameters:
        names: the keys of this object are names of properties.
    """
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if not names:
                yield str(key), path, value

            if key in ("enum", "const", "default", "examples") and not names:
                continue  # data, not a schema

            yield from keywords(value, (*path, str(key)), names=key == "properties" and not names)
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from keywords(value, (*path, str(number)))


def types_of(schema: Any) -> set[str]:
    """Return the types that a schema names."""
    if not isinstance(schema, Mapping):
        return set()

    kind = schema.get("type")
    return {kind} if isinstance(kind, str) else set(kind or ())


def branches_of(schema: Schema) -> list[Schema]:
    """Return the branches of a schema's anyOf and oneOf."""
    branches = [branch for word in _BRANCHES for branch in schema.get(word) or ()]
    return [branch for branch in branches if isinstance(branch, Mapping)]


def paths_in(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the fields of a schema, those of its branches too."""
    if not isinstance(schema, Mapping):
        return

    for inner in (schema, *branches_of(schema)):
        properties = inner.get("properties")
        for name, about in (properties if isinstance(properties, Mapping) else {}).items():
            yield (*path, str(name))
            yield from paths_in(about, (*path, str(name)))


def has_path(schema: Schema, path: list[str]) -> bool:
    """Whether a path of properties leads somewhere, through the branches of a oneOf or an anyOf too."""
    return any(True for _ in at_fields(schema, path))


def at_fields(schema: Any, path: Sequence[str]) -> Iterator[Schema]:
    """Yield what a schema and its branches say of a field within."""
    if not isinstance(schema, Mapping):
        return

    if not path:
        yield schema
        yield from (inner for branch in branches_of(schema) for inner in at_fields(branch, path))
        return

    for each in (schema, *branches_of(schema)):
        properties = each.get("properties")
        if isinstance(properties, Mapping):
            yield from at_fields(properties.get(path[0]), path[1:])
