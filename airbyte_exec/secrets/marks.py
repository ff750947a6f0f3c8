"""Which values of a config are secret: by the marks of its schema, or by the looks of a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_exec.secrets.patterns import EndlessPatternError, is_cheap, is_found

ValuePath = tuple[str | int, ...]

ALL_SECRET: Mapping[str, Any] = {"airbyte_secret": True}
"""The schema of a config of which nobody knows what is secret in it."""

_CREDENTIAL_KEY = re.compile(
    # Not `credentials` alone: it is the name of an object that also says which kind they are.
    r"(?:^|_)(?:passwords?|passwd|passphrase|passcode|pwd|pw|secrets?|credential|bearer|jwt|dsn"
    r"|(?:access|api|auth|bearer|id|refresh|session)?_?tokens?"
    r"|(?:access|account|api|app|auth|encryption|hmac|master|private|secret|shared|signing|ssh)_?keys?"
    r"|client_?secret|credentials_?(?:json|info)|service_?account_?(?:json|info|key)"
    r"|connection_?(?:string|uri|url)|authorization|cookie|sas)$",
)


def looks_secret(key: object) -> bool:
    """Return whether a config key has the name of a credential, such as `api_key` or `refreshToken`."""
    if not isinstance(key, str):
        return False

    snake = re.sub(r"[-\s.]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)).lower()
    return _CREDENTIAL_KEY.search(snake) is not None


def secret_leaves(config: Any, schema: Mapping[str, Any]) -> Iterator[tuple[ValuePath, Any]]:
    """Yield path and value of everything in a config that its schema marks as secret.

    Marks are `airbyte_secret`, `writeOnly` and `format: password`, also of a parent. Every branch of `oneOf`, `anyOf`,
    `allOf` and `if` counts, whether it fits the config or not.
    """
    yield from _marked(config, [schema], schema, ())


def _marked(
    value: Any, schemas: list[Any], root: Mapping[str, Any], path: ValuePath
) -> Iterator[tuple[ValuePath, Any]]:
    nodes = _flat(schemas, root)

    if any(_is_marked(node) for node in nodes):
        yield from leaves(value, path)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _marked(inner, [sub for node in nodes for sub in _below(node, key)], root, (*path, key))
    elif isinstance(value, list | tuple):
        items = [sub for node in nodes for sub in _items(node)]

        for index, inner in enumerate(value):
            yield from _marked(inner, items, root, (*path, index))


def _is_marked(node: Mapping[str, Any]) -> bool:
    marked = node.get("airbyte_secret") is True or node.get("writeOnly") is True
    return marked or node.get("format") == "password"


def _flat(schemas: list[Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas with all that they are composed of."""
    nodes: list[Mapping[str, Any]] = []
    seen: set[int] = set()
    todo = list(schemas)

    while todo:
        node = todo.pop()

        if not isinstance(node, Mapping) or id(node) in seen:
            continue

        seen.add(id(node))
        nodes.append(node)
        todo += [sub for word in ("oneOf", "anyOf", "allOf") for sub in _listed(node.get(word))]
        todo += [node[word] for word in ("if", "then", "else", "not") if word in node]
        todo += [sub for word in ("dependencies", "dependentSchemas") for sub in _values(node.get(word))]
        todo += [_referred(root, node.get("$ref"))]

    return nodes


def _below(node: Mapping[str, Any], key: str) -> list[Any]:
    properties = node.get("properties")
    patterns = node.get("patternProperties")
    found = [properties[key]] if isinstance(properties, Mapping) and key in properties else []

    if isinstance(patterns, Mapping):
        found += [sub for pattern, sub in patterns.items() if _matches(pattern, key)]

    return found or [node.get("additionalProperties")]


def _matches(pattern: str, key: str) -> bool:
    """Say whether a pattern may match: one that might take for ever is not asked, and taken as one that does."""
    try:
        return not is_cheap(pattern, str(key)) or is_found(pattern, str(key))
    except EndlessPatternError:
        # A pattern of another dialect: what it might mark is taken as marked.
        return True


def _items(node: Mapping[str, Any]) -> list[Any]:
    items = node.get("items")
    found = _listed(items) if isinstance(items, list) else [items]
    return [*found, *_listed(node.get("prefixItems")), node.get("additionalItems"), node.get("contains")]


def _referred(root: Mapping[str, Any], reference: Any) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None

    node: Any = root

    for part in reference.removeprefix("#").strip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, Mapping) and key else node

    return node


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else []


def leaves(value: Any, path: ValuePath) -> Iterator[tuple[ValuePath, Any]]:
    """Yield path and value of everything in a config that is neither a dict nor a list."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value
