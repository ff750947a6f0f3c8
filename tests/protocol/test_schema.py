"""The models and the JSON Schema say the same: messages made from each, and broken, are judged by both."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airbyte_exec.protocol import models, resources
from airbyte_exec.protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog, Wire

ROOTS: dict[str, type[Wire]] = {"message": AirbyteMessage, "configured_catalog": ConfiguredAirbyteCatalog}
SUITE = {"case", "conformance_report"}  # of the suite, not of the protocol's messages
OWN: dict[str, dict[str, Any]] = {
    f"{name}.json": resources.schema(name) for name in resources.schema_names() if name not in SUITE
}

# Where in the schema each model is stated.
PLACES: dict[str, type[Wire]] = {
    "message.json": models.AirbyteMessage,
    "common.json#/$defs/StreamDescriptor": models.StreamDescriptor,
    "record.json": models.AirbyteRecordMessage,
    "record.json#/$defs/Meta": models.AirbyteRecordMessageMeta,
    "record.json#/$defs/Change": models.AirbyteRecordMessageMetaChange,
    "record.json#/$defs/FileReference": models.AirbyteRecordMessageFileReference,
    "state.json": models.AirbyteStateMessage,
    "state.json#/$defs/StreamState": models.AirbyteStreamState,
    "state.json#/$defs/GlobalState": models.AirbyteGlobalState,
    "state.json#/$defs/Stats": models.AirbyteStateStats,
    "log.json": models.AirbyteLogMessage,
    "spec.json": models.ConnectorSpecification,
    "spec.json#/$defs/AuthSpecification": models.AuthSpecification,
    "spec.json#/$defs/OAuth2Specification": models.OAuth2Specification,
    "spec.json#/$defs/AdvancedAuth": models.AdvancedAuth,
    "spec.json#/$defs/OAuthConfigSpecification": models.OAuthConfigSpecification,
    "spec.json#/$defs/OAuthConnectorInput": models.OauthConnectorInputSpecification,
    "spec.json#/$defs/OAuthStateLength": models.State,
    "connection_status.json": models.AirbyteConnectionStatus,
    "catalog.json": models.AirbyteCatalog,
    "catalog.json#/$defs/Stream": models.AirbyteStream,
    "configured_catalog.json": models.ConfiguredAirbyteCatalog,
    "configured_catalog.json#/$defs/ConfiguredStream": models.ConfiguredAirbyteStream,
    "trace.json": models.AirbyteTraceMessage,
    "trace.json#/$defs/Error": models.AirbyteErrorTraceMessage,
    "trace.json#/$defs/Estimate": models.AirbyteEstimateTraceMessage,
    "trace.json#/$defs/StreamStatus": models.AirbyteStreamStatusTraceMessage,
    "trace.json#/$defs/StatusReason": models.AirbyteStreamStatusReason,
    "trace.json#/$defs/RateLimited": models.AirbyteStreamStatusRateLimitedReason,
    "trace.json#/$defs/Analytics": models.AirbyteAnalyticsTraceMessage,
    "control.json": models.AirbyteControlMessage,
    "control.json#/$defs/ConnectorConfig": models.AirbyteControlConnectorConfigMessage,
    "destination_catalog.json": models.DestinationCatalog,
    "destination_catalog.json#/$defs/Operation": models.DestinationOperation,
}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
JSON_OBJECTS = st.dictionaries(st.text(), JSON_VALUES, max_size=3)
WRONG = (
    st.sampled_from([None, True, False, 0, 1, 2.0, 1.5, 10**30, 1e300, "", "RECORD", "STREAM", [], [None], [[]], {}])
    | JSON_VALUES
)
EXTRA_KEYS = st.sampled_from(["", "x", "global_", "id", "model_config", "self", "__class__", "é💥\n"]) | st.text()

examples = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])


def resolve(ref: str, file: str, files: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], str]:
    name, _, pointer = ref.partition("#/$defs/")
    document = files[name or file]
    return (document["$defs"][pointer] if pointer else document), name or file


@st.composite
def values(draw: st.DrawFn, schema: dict[str, Any], file: str, files: dict[str, dict[str, Any]]) -> Any:
    """A JSON value that fits a schema: exactly the keywords that the schemas here use."""
    if "$ref" in schema:
        found, where = resolve(schema["$ref"], file, files)
        return draw(values(found, where, files))

    if "anyOf" in schema:
        return draw(values(draw(st.sampled_from(schema["anyOf"])), file, files))

    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum") or [schema["const"]]))

    kinds = schema.get("type", "object")
    match kinds if isinstance(kinds, str) else draw(st.sampled_from(kinds)):
        case "object":
            return draw(objects(schema, file, files))
        case "array":
            item = values(schema["items"], file, files)
            return draw(st.lists(item, min_size=schema.get("minItems", 0), max_size=2))
        case "integer":
            return draw(st.integers() | st.integers(-(2**53), 2**53).map(float))
        case "number":
            return draw(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
        case "string":
            return draw(st.text())
        case "boolean":
            return draw(st.booleans())
        case "null":
            return None
        case other:
            raise AssertionError(other)


@st.composite
def objects(draw: st.DrawFn, schema: dict[str, Any], file: str, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    further = schema.get("additionalProperties", True)
    others = JSON_VALUES if further is True else values(further, file, files)
    found = draw(st.dictionaries(EXTRA_KEYS.filter(lambda key: key not in fields), others, max_size=2))
    required = schema.get("required", [])
    optional = [key for key in fields if key not in required]
    chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=4)) if optional else []
    for key in [*required, *chosen]:
        found[key] = draw(values(fields[key], file, files))

    for rule in schema.get("allOf", []):
        if Draft202012Validator(rule["if"]).is_valid(found):
            for key in rule["then"]["required"]:
                found[key] = draw(values(fields[key], file, files).filter(lambda value: value is not None))

    return found


def messages(root: str) -> st.SearchStrategy[Any]:
    return values({"$ref": f"{root}.json"}, "", OWN)


def model_messages(root: str) -> st.SearchStrategy[Any]:
    """What the model's own schema, as pydantic writes it, allows."""
    said = ROOTS[root].model_json_schema()
    return values(said, "m", {"m": said})


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> Any:
    """A message with up to three changes, each at any depth."""
    message = deepcopy(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        message = draw(changed(message))

    return message


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        match draw(st.sampled_from(["inside"] * 5 + ["remove", "add", "replace"])) if keys else "add":
            case "inside":
                key = draw(st.sampled_from(keys))
                return {**value, key: draw(changed(value[key]))}
            case "remove":
                gone = draw(st.sampled_from(keys))
                return {key: inner for key, inner in value.items() if key != gone}
            case "add":
                return {**value, draw(EXTRA_KEYS): draw(WRONG)}

    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]

    return draw(WRONG)


def accepts(root: str, value: Any) -> bool:
    """Whether the model takes it, as a value and as a line alike."""
    try:
        from_value = ROOTS[root].from_dict(value)
    except ValueError:
        with pytest.raises(ValueError, match="validation error"):
            ROOTS[root].from_bytes(json.dumps(value).encode())

        return False

    assert ROOTS[root].from_bytes(json.dumps(value).encode()) == from_value
    assert same_json(from_value.to_dict(), value)
    assert same_json(json.loads(from_value.to_bytes()), value)
    return True


def same_json(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)

    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))

    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)

    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def leaves_null_out(value: Any) -> bool:
    """Whether a stray `global_` stands beside a `global` that is null: that null is read as absence."""
    if isinstance(value, dict):
        stray = "global_" in value and "global" in value and value["global"] is None
        return stray or any(map(leaves_null_out, value.values()))

    return isinstance(value, list) and any(map(leaves_null_out, value))


@pytest.mark.parametrize("root", ROOTS)
@examples
@given(data=st.data())
def test_what_the_schema_allows_is_taken_by_the_model_and_comes_back_equal(root: str, data: st.DataObject) -> None:
    message = data.draw(messages(root).filter(lambda each: not leaves_null_out(each)))
    assert resources.validator(root).is_valid(message)
    assert accepts(root, message)


@pytest.mark.parametrize("root", ROOTS)
@examples
@given(data=st.data())
def test_what_the_model_allows_is_taken_by_the_schema(root: str, data: st.DataObject) -> None:
    message = data.draw(model_messages(root).filter(lambda each: not leaves_null_out(each)))
    assert accepts(root, message) == resources.validator(root).is_valid(message)


@pytest.mark.parametrize("root", ROOTS)
@examples
@given(data=st.data())
def test_model_and_schema_refuse_the_same_broken_messages(root: str, data: st.DataObject) -> None:
    whole = messages(root) | model_messages(root)
    message = data.draw(broken(whole).filter(lambda each: not leaves_null_out(each)))
    assert accepts(root, message) == resources.validator(root).is_valid(message)


@pytest.mark.parametrize("place", PLACES)
def test_each_object_of_the_schema_has_the_fields_of_its_model(place: str) -> None:
    stated, _ = resolve(place, "", OWN)
    fields = PLACES[place].model_fields
    assert stated["properties"].keys() == {field.alias or name for name, field in fields.items()}
    required = {field.alias or name for name, field in fields.items() if field.is_required()}
    assert set(stated.get("required", [])) == required


@pytest.mark.parametrize("place", PLACES)
def test_each_field_is_judged_alike_by_schema_and_model_whatever_it_holds(place: str) -> None:
    stated, file = resolve(place, "", OWN)
    judge = resources.validator("message").evolve(schema={"$ref": place})
    whole = least({"$ref": place}, file)
    assert judge.is_valid(whole)
    for name in stated["properties"]:
        without = {key: value for key, value in whole.items() if key != name}
        for candidate in [without, *({**whole, name: value} for value in candidates(stated, name, file))]:
            assert takes(PLACES[place], candidate) == judge.is_valid(candidate), candidate


def takes(model: type[Wire], value: Any) -> bool:
    try:
        model.from_dict(value)
    except ValueError:
        return False

    return True


def candidates(stated: dict[str, Any], name: str, file: str) -> list[Any]:
    """Values of every JSON type, and such as nearly fit."""
    plain = [
        None,
        True,
        0,
        1.0,
        1.5,
        -(10**400),
        1e300,
        "",
        "INFO",
        [],
        [None],
        ["a"],
        [["a"]],
        [[1]],
        [{}],
        {},
        {"a": 1},
    ]
    parts = [stated["properties"][name], *stated["properties"][name].get("anyOf", [])]
    fitting = [least(part, file) for part in parts]
    words = [value for part in parts for value in words_of(part, file)]
    near = [value for word in words for value in (word, word.swapcase(), word + " ")]
    return [*plain, *fitting, *near, *([value] for value in [*fitting, *near])]


def words_of(schema: dict[str, Any], file: str) -> list[str]:
    """The words of an enum, or of an array of an enum."""
    if "$ref" in schema:
        return words_of(*resolve(schema["$ref"], file, OWN))

    if "items" in schema:
        return words_of(schema["items"], file)

    return [word for word in schema.get("enum", []) if word is not None]


def least(schema: dict[str, Any], file: str) -> Any:
    """The least value that fits a schema."""
    if "$ref" in schema:
        return least(*resolve(schema["$ref"], file, OWN))

    if "anyOf" in schema:
        return least(schema["anyOf"][0], file)

    if "enum" in schema:
        return schema["enum"][0]

    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "array":
        return [least(schema["items"], file)]

    if kind != "object":
        return {"string": "a", "integer": 1, "number": 1.5, "boolean": True, "null": None}[kind]

    found = {key: least(schema["properties"][key], file) for key in schema.get("required", [])}
    for rule in schema.get("allOf", []):
        if Draft202012Validator(rule["if"]).is_valid(found):
            found |= {key: least(schema["properties"][key], file) for key in rule["then"]["required"]}

    return found


def test_each_model_and_each_object_of_the_schema_has_its_counterpart() -> None:
    assert set(PLACES.values()) == set(Wire.__subclasses__())
    stated = {name for name in OWN if "properties" in OWN[name]}
    parts = {f"{n}#/$defs/{d}" for n in OWN for d, s in OWN[n].get("$defs", {}).items() if "properties" in s}
    assert set(PLACES) == stated | parts


@pytest.mark.parametrize("name", OWN)
def test_each_schema_is_a_schema_and_leads_to_what_exists(name: str) -> None:
    Draft202012Validator.check_schema(OWN[name])
    pending: list[Any] = [OWN[name]]
    while pending:
        node = pending.pop()
        if isinstance(node, dict) and "$ref" in node:
            assert resolve(node["$ref"], name, OWN)

        pending += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []


def test_no_schema_forbids_fields_that_it_does_not_know() -> None:
    assert '"additionalProperties": false' not in json.dumps(OWN)


def test_the_data_says_which_version_of_the_protocol_it_states() -> None:
    pinned = resources.pinned()
    assert pinned["version"] == "0.18.0"
    assert pinned["file"].endswith("airbyte_protocol.yaml")


def test_an_unknown_schema_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="no_such"):
        resources.schema("no_such")

    with pytest.raises(KeyError, match="no_such"):
        resources.validator("no_such")
