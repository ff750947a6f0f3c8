"""What a spec must be so that a form can be made of it, and a config be judged by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.checks import Given, NotApplicableError, named
from airbyte_exec.conformance.checks.compatibility import breaks
from airbyte_exec.conformance.checks.date_patterns import is_date_pattern
from airbyte_exec.conformance.checks.drawn import DATE_FORMATS, outgrown
from airbyte_exec.conformance.checks.judging import Endless, Judge, schema_problem
from airbyte_exec.conformance.checks.schemas import Node, has_path, keywords, types_of, walk
from airbyte_exec.conformance.checks.secret_names import is_secret_name
from airbyte_exec.conformance.checks.values import text_of
from airbyte_exec.conformance.results import Finding

KEYWORDS = frozenset(
    {
        "not",
        "anyOf",
        "patternProperties",
        "prefixItems",
        "allOf",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "dependentRequired",
    }
)
DISPLAYS = ("dropdown", "radio")


def _schema(given: Given) -> Mapping[str, Any]:
    schema = given.the_spec().get("connectionSpecification")
    if not isinstance(schema, Mapping):
        raise NotApplicableError("its spec has no connectionSpecification")

    return schema


def _nodes(given: Given) -> Iterator[Node]:
    return walk(_schema(given))


def _at(given: Given, message: str) -> Finding:
    return Finding(message=message, lines=tuple(given.run.of("SPEC")[:1]), run=given.run)


@named("spec.config-fits")
def config_fits(given: Given) -> Iterable[Finding]:
    """SP2: the schema is one, and the config fits it."""
    schema = _schema(given)
    if (problem := schema_problem(schema)) is not None:
        yield _at(given, f"connectionSpecification is no JSON Schema: {problem}")
        return

    if given.subject.config is None and schema.get("required"):
        raise NotApplicableError("--config is not given, and the spec asks for one")

    config = {name: value for name, value in given.subject.used_config.items() if not name.startswith("_")}
    try:
        for breach in Judge(schema).errors(config):
            path = ".".join(str(part) for part in breach.absolute_path) or "the config"
            yield _at(given, f"the given config does not fit: {path} breaks {breach.validator!r}")
    except Endless as error:
        yield _at(given, f"connectionSpecification cannot be followed to an end: {error}")


@named("spec.stored")
def stored(given: Given) -> Iterable[Finding]:
    """SP3: what is said is what is kept in the repository."""
    said, kept = given.the_spec(), given.subject.stored_spec or {}
    for name in sorted({*said, *kept}):
        if text_of(said.get(name)) != text_of(kept.get(name)):
            yield _at(given, f"{name} is not what the stored spec says")


@named("spec.enum-unique")
def enum_unique(given: Given) -> Iterable[Finding]:
    """SP4: no value twice in an enum."""
    for node in _nodes(given):
        values = [text_of(value) for value in node.schema.get("enum") or ()]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            yield _at(given, f"{node.where}: twice in its enum: {', '.join(twice)}")


@named("spec.one-of")
def one_of(given: Given) -> Iterable[Finding]:
    """SP5: the branches of a oneOf are told apart by one constant."""
    for node in _nodes(given):
        branches = node.schema.get("oneOf")
        if branches is None:
            continue

        if node.schema.get("type") != "object":
            yield _at(given, f"{node.where}: a oneOf needs the type object beside it")

        if not all(isinstance(branch, Mapping) and branch.get("properties") for branch in branches):
            yield _at(given, f"{node.where}: each branch of a oneOf needs properties")
            continue

        shared = set.intersection(*(set(branch["properties"]) for branch in branches))
        constants = [n for n in shared if all("const" in branch["properties"][n] for branch in branches)]
        if len(constants) != 1:
            yield _at(given, f"{node.where}: one property must be const in all branches, and {len(constants)} are")
            continue

        for branch in branches:
            about = branch["properties"][constants[0]]
            const = text_of(about["const"])
            choices = about.get("enum", [about["const"]])
            if text_of(about.get("default", about["const"])) != const or [*map(text_of, choices)] != [const]:
                yield _at(given, f"{node.where}: default and enum of {constants[0]!r} must be its const")


@named("spec.secrets")
def secrets(given: Given) -> Iterable[Finding]:
    """SP6: what is a secret by its name is marked as one, and nothing else of another kind is."""
    for node in _nodes(given):
        kinds = types_of(node.schema)
        is_text = bool(kinds & {"string", "number", "integer"})
        marked = node.schema.get("airbyte_secret") is True
        if is_secret_name(node.name) and is_text and "const" not in node.schema and not marked:
            yield _at(given, f"{node.where} is a secret by its name, and has no airbyte_secret: true")

        if marked and kinds and not is_text:
            yield _at(given, f"{node.where} is {'/'.join(sorted(kinds))}, which no airbyte_secret can hide")


@named("spec.type-list")
def type_list(given: Given) -> Iterable[Finding]:
    """SP7: one type, or one type and null."""
    for node in _nodes(given):
        kind = node.schema.get("type")
        if isinstance(kind, list) and not (
            kind[:1] != ["null"] and (len(kind) == 1 or (len(kind) == 2 and kind[1] == "null"))
        ):
            yield _at(given, f"{node.where}: its type is {kind}; a form knows one type, or one type and then null")


@named("spec.nested-objects")
def nested_objects(given: Given) -> Iterable[Finding]:
    """SP8: an object within says what it holds."""
    for node in _nodes(given):
        is_inner = node.role != "root" and "object" in types_of(node.schema)
        if is_inner and not node.schema.get("properties") and not node.schema.get("oneOf"):
            yield _at(given, f"{node.where} is an object without properties and without oneOf")


@named("spec.arrays")
def arrays(given: Given) -> Iterable[Finding]:
    """SP9: an array has items of one simple kind."""
    for node in _nodes(given):
        if "array" not in types_of(node.schema):
            continue

        items = node.schema.get("items")
        if not isinstance(items, Mapping):
            yield _at(given, f"{node.where} is an array, and its items are not one object")
        elif "enum" not in items and not types_of(items) & {"object", "string", "number", "integer"}:
            yield _at(given, f"{node.where}: its items must be objects, texts, numbers or an enum")


@named("spec.keywords")
def no_keywords(given: Given) -> Iterable[Finding]:
    """SP10: none of the keywords that no form can show."""
    for word, path, _ in keywords(_schema(given)):
        if word in KEYWORDS:
            yield _at(given, f"{'.'.join(path) or 'the root'} uses {word}")


@named("spec.date-patterns")
def date_patterns(given: Given) -> Iterable[Finding]:
    """SP11: formats and patterns of dates come together."""
    for node in _nodes(given):
        kind, pattern = node.schema.get("format"), node.schema.get("pattern")
        if kind in DATE_FORMATS and not pattern:
            yield _at(given, f"{node.where}: the format {kind} without a pattern")
        elif isinstance(pattern, str) and kind is None and is_date_pattern(pattern):
            yield _at(given, f"{node.where}: a pattern of dates without a format")


@named("spec.order")
def order(given: Given) -> Iterable[Finding]:
    """SP12: fields have one order, groups lie at the top, and a display is one that exists."""
    for node in _nodes(given):
        properties = node.schema.get("properties")
        orders: dict[Any, list[str]] = {}
        for name, about in (properties or {}).items():
            if isinstance(about, Mapping) and "order" in about:
                orders.setdefault((about.get("group"), about["order"]), []).append(name)

        for (_, number), names in orders.items():
            if len(names) > 1:
                yield _at(given, f"{node.where}: {', '.join(names)} have the same order {number}")

        if "group" in node.schema and len(node.path) > 1:
            yield _at(given, f"{node.where}: `group` is for fields at the top only")

        display = node.schema.get("display_type")
        if display is not None and ("oneOf" not in node.schema or display not in DISPLAYS):
            yield _at(given, f"{node.where}: display_type {display!r}: only beside oneOf, and dropdown or radio")


@named("spec.references")
def references(given: Given) -> Iterable[Finding]:
    """SP13: nothing is looked up elsewhere, and further fields are allowed."""
    for word, path, _ in keywords(given.the_spec()):
        if word == "$ref":
            yield _at(given, f"{'.'.join(path) or 'the spec'} uses $ref")

    for word, path, value in keywords(_schema(given)):
        where = ".".join(path) or "the root"
        if word == "additionalProperties" and value is not True:
            yield _at(given, f"{where}: additionalProperties is {json.dumps(value)[:60]}, and must be true")


@named("spec.oauth")
def oauth(given: Given) -> Iterable[Finding]:
    """SP14: the fields of an OAuth flow exist, and OAuth is offered first, unless its author says that it need not."""
    auth = given.the_spec().get("advanced_auth")
    if not auth:
        return

    schema = _schema(given)
    for path in _paths(auth):
        if not has_path(schema, path):
            yield _at(given, f"advanced_auth names {'.'.join(path)}, which the spec does not have")

    predicate, value = auth.get("predicate_key") or [], auth.get("predicate_value")
    first = _first_branch(schema, predicate)
    if first is not None and not given.subject.oauth_is_exempt and first.get("const") != value:
        other = first.get("const", "one without a constant")
        yield _at(given, f"OAuth ({value}) is not the first way to log in of {predicate[0]}: that is {other}")


def _first_branch(schema: Mapping[str, Any], predicate: Sequence[str]) -> Mapping[str, Any] | None:
    """Return what the first of several ways to log in has for the field that tells them apart; None for a single way.

    The oneOf stands at the first part of the path, however deep; the rest leads on within its branches.
    """
    if len(predicate) < 2:
        return None

    named = (node.schema for node in walk(schema) if node.name == predicate[0] and node.schema.get("oneOf"))
    found: Any = next((one["oneOf"][0] for one in named), None)
    if found is None:
        return None

    for part in predicate[1:]:
        properties = found.get("properties") if isinstance(found, Mapping) else None
        found = properties.get(part) if isinstance(properties, Mapping) else None

    return found if isinstance(found, Mapping) else {}


def _paths(auth: Mapping[str, Any]) -> Iterator[list[str]]:
    if auth.get("predicate_key"):
        yield [str(part) for part in auth["predicate_key"]]

    settings = auth.get("oauth_config_specification") or {}
    names = ("complete_oauth_output_specification", "complete_oauth_server_output_specification")
    yield from (path for name in names for path in _path_in_config(settings.get(name)))
    yield from _path_in_config(settings.get("oauth_user_input_from_connector_config_specification"))


def _path_in_config(schema: Any) -> Iterator[list[str]]:
    for node in walk(schema):
        if path := node.schema.get("path_in_connector_config"):
            yield [str(part) for part in path]


@named("spec.compatible")
def compatible(given: Given) -> Iterable[Finding]:
    """SP15: a config of the version before still fits."""
    old = given.subject.previous["spec"].get("connectionSpecification") or {}
    new = dict(_schema(given))
    if schema_problem(old) is not None or schema_problem(new) is not None:
        raise NotApplicableError("its connectionSpecification, or that of the version before, is no JSON Schema")

    told = False
    for message in breaks(old, new):
        told = True
        yield _at(given, message)

    if not told and (config := outgrown(old, new)) is not None:
        yield _at(given, f"a config that fitted does not fit any more: {json.dumps(config)[:300]}")
