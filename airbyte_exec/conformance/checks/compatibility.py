"""An old schema beside a new one: what may not fit any more, and what is gone. No rule is judged here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks.schemas import Schema, branches_of, types_of

_LEAST = ("minimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")


def breaks(old: Schema, new: Schema, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what of a config that fitted the old schema may not fit the new one."""
    where = ".".join(path) or "the root"
    before, after = types_of(old), types_of(new)
    if before and after and not before <= after | ({"integer"} if "number" in after else set()):
        yield f"{where}: its type was {'/'.join(sorted(before))} and is {'/'.join(sorted(after))}"

    were, are = _choices(old), _choices(new)
    if are is not None and (were is None or were - are):
        word = "const" if "const" in new else "enum"
        yield f"{where}: its {word} is new" if were is None else f"{where}: values were taken out of its {word}"

    fresh = set(new.get("required") or ()) - set(old.get("required") or ())
    if fresh:
        yield f"{where}: newly required: {', '.join(sorted(fresh))}"

    yield from _narrowed(old, new, where)
    olds, news = old.get("properties") or {}, new.get("properties") or {}
    for name, inner in olds.items():
        if name not in news:
            yield f"{'.'.join((*path, name))}: it is gone"
        elif isinstance(inner, Mapping) and isinstance(news[name], Mapping):
            yield from breaks(inner, news[name], (*path, name))

    if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
        yield from breaks(old["items"], new["items"], (*path, "items"))

    yield from _branches(old.get("oneOf") or (), new.get("oneOf") or (), path)


def _choices(schema: Schema) -> set[str] | None:
    """Return the values that are allowed, None where they are not counted up."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return {json.dumps(value, sort_keys=True) for value in values} if isinstance(values, list) else None


def _narrowed(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for word in (*_LEAST, *_MOST):
        was, now = old.get(word), new.get(word)
        if not isinstance(now, int | float) or (word in _LEAST[1:] and now == 0):
            continue

        exclusive = f"exclusive{word[0].upper()}{word[1:]}"
        if was is None and exclusive in old:
            continue  # whether it is narrower depends on the kind of number

        if was is None or (now > was if word in _LEAST else now < was):
            yield f"{where}: its {word} {'is new:' if was is None else f'was {was} and is'} {now}"


def _branches(olds: Sequence[Any], news: Sequence[Any], path: tuple[str, ...]) -> Iterator[str]:
    """Compare the branches of a oneOf, each with the one that has its constants, wherever that stands."""
    rest = [branch for branch in news if isinstance(branch, Mapping)]
    for number, branch in enumerate(olds if rest else ()):
        if not isinstance(branch, Mapping):
            continue

        inner = (*path, f"oneOf[{number}]")
        partner = _partner(branch, number, rest, news)
        if partner is None:
            marks = ", ".join(f"{name} {value}" for name, value in _constants(branch).items())
            yield f"{'.'.join(inner)}: it is gone{f' ({marks})' if marks else ''}"
        else:
            rest = [other for other in rest if other is not partner]
            yield from breaks(branch, partner, inner)


def _partner(branch: Schema, number: int, rest: Sequence[Schema], news: Sequence[Any]) -> Schema | None:
    marks = _constants(branch)
    alike = [(len(marks.items() & _constants(other).items()), other) for other in rest if not _conflict(branch, other)]
    by_marks = max(alike, key=lambda each: each[0], default=(0, None))
    if by_marks[0]:
        return by_marks[1]

    titled = [other for _, other in alike if "title" in branch and other.get("title") == branch["title"]]
    in_place = [other for _, other in alike if number < len(news) and other is news[number] and not marks]
    return next(iter([*titled, *in_place]), None)


def _constants(branch: Schema) -> dict[str, str]:
    properties = branch.get("properties")
    return {
        str(name): json.dumps(about["const"], sort_keys=True)
        for name, about in (properties.items() if isinstance(properties, Mapping) else ())
        if isinstance(about, Mapping) and "const" in about
    }


def _conflict(first: Schema, second: Schema) -> bool:
    ones, others = _constants(first), _constants(second)
    return any(ones[name] != others[name] for name in ones.keys() & others.keys())


def lost(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what of the records of a stream is gone, or of another type; a type may come to allow null.

    The types and fields of all branches of an anyOf or a oneOf count together: their order says nothing.
    """
    where = ".".join(path) or "the root"
    before, after = _all_types(old), _all_types(new)
    if before != after and before | {"null"} != after:
        yield f"{where}: its type was {'/'.join(sorted(before))} and is {'/'.join(sorted(after))}"

    news = _fields(new)
    for name, inner in _fields(old).items():
        if name not in news:
            yield f"{'.'.join((*path, name))}: it is gone"
        else:
            yield from lost(inner, news[name], (*path, name))


def _all_types(schema: Any) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()

    return types_of(schema).union(*map(_all_types, branches_of(schema)))


def _fields(schema: Any) -> dict[str, Any]:
    """Return the fields below a schema, of its branches too, and its items; of several of one name an anyOf of them."""
    if not isinstance(schema, Mapping):
        return {}

    properties = schema.get("properties")
    found = [dict(properties) if isinstance(properties, Mapping) else {}, *map(_fields, branches_of(schema))]
    if isinstance(schema.get("items"), Mapping):
        found.append({"items": schema["items"]})

    merged: dict[str, list[Any]] = {}
    for fields in found:
        for name, about in fields.items():
            merged.setdefault(str(name), []).append(about)

    return {name: abouts[0] if len(abouts) == 1 else {"anyOf": abouts} for name, abouts in merged.items()}
