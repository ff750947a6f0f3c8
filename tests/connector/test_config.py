from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.config import resolve_config, validate_against
from airbyte_exec.secrets.patterns import is_found

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["user", "password"],
    "additionalProperties": False,
    "properties": {
        "user": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True, "minLength": 8},
        "port": {"type": "integer"},
        "way": {
            "oneOf": [
                {"properties": {"kind": {"const": "a"}, "token": {"type": "string"}}, "required": ["kind", "token"]},
                {"properties": {"kind": {"const": "b"}}, "required": ["kind"]},
            ]
        },
    },
}

GOOD = {"user": "me", "password": "secret-password"}


def failure(config: dict[str, Any]) -> str:
    with pytest.raises(exc.AirbyteConnectorValidationFailedError) as caught:
        validate_against("source-x", SCHEMA, resolve_config(config, SCHEMA))

    return str(caught.value)


def test_a_config_that_fits_passes() -> None:
    validate_against("source-x", SCHEMA, resolve_config(GOOD, SCHEMA))


def test_keys_of_our_own_are_not_looked_at() -> None:
    validate_against("source-x", SCHEMA, resolve_config({**GOOD, "_comment": 1}, SCHEMA))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"user": "me"}, "'password' is missing"),
        ({**GOOD, "port": "5432-not"}, "config.port: breaks the rule 'type'"),
        ({**GOOD, "prot": 1}, "unknown: 'prot'"),
        ({**GOOD, "way": {"kind": "a"}}, "'token' is missing"),
        ({**GOOD, "password": "short"}, "config.password"),
    ],
)
def test_a_config_that_does_not_fit_says_where_and_why(config: dict[str, Any], said: str) -> None:
    assert said in failure(config)


def test_the_value_of_a_secret_is_never_said() -> None:
    text = failure({**GOOD, "password": ["MY-SECRET-123"], "user": {"MY": "NAME-456"}})

    assert "MY-SECRET-123" not in text
    assert "NAME-456" not in text


def test_a_schema_that_is_none_is_the_connectors_fault() -> None:
    with pytest.raises(exc.AirbyteConnectorSpecFailedError, match="no JSON Schema"):
        validate_against("source-x", {"type": 7}, resolve_config(GOOD, None))


def test_what_the_schema_marks_is_masked() -> None:
    resolved = resolve_config(GOOD, SCHEMA)

    assert resolved.masker.mask("login with secret-password") == "login with ****"
    assert "secret-password" not in repr(resolved)


ENDLESS = [
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "a*a*a*a*a*a*a*b",
]


@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_pattern_that_never_ends_is_the_connectors_fault(
    keyword: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airbyte_exec.secrets.patterns.MATCH_LIMIT", 0.2)
    text = "a" * 5000 + "!"
    schema: dict[str, Any] = {"patternProperties": {pattern: {}}}
    config: dict[str, Any] = {text: 1}
    if keyword == "pattern":
        schema, config = {"properties": {"x": {"pattern": pattern}}}, {"x": text}

    with pytest.raises(exc.AirbyteConnectorError) as caught:
        validate_against("source-x", schema, resolve_config(config, schema))

    assert isinstance(caught.value, exc.AirbyteConnectorSpecFailedError | exc.AirbyteConnectorValidationFailedError)


@pytest.mark.parametrize(
    "pattern",
    ["^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", "^https?://.+$", "^$|^[a-z0-9]+$", r"^(?!sys\.)\w+$"],
)
def test_a_pattern_as_specs_have_them_is_matched_here(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airbyte_exec.secrets.patterns._matches_elsewhere", None)

    for text in ("2024-01-01T00:00:00Z", "https://x", "sys.x", "abc"):
        assert is_found(pattern, text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize(("text", "found"), [("abc.def.com", True), ("abc..com", False)])
def test_a_pattern_that_might_be_dear_is_matched_elsewhere_with_the_same_result(text: str, found: bool) -> None:
    assert is_found(r"^([a-z0-9]+\.)+com$", text) is found


SPECS: list[dict[str, Any]] = [
    {"$ref": "#"},
    {"$ref": "#/nowhere"},
    {"$ref": "https://example.com/schema.json"},
    {"$schema": 7},
    {"$schema": "https://example.com/none"},
    {"properties": []},
    {"properties": {"user": {"pattern": "("}}},
    {"properties": {"user": {"pattern": "(?P<a>"}}},
    {"patternProperties": {"[": {}}},
    {
        "allOf": [{"$ref": "#/$defs/0"}],
        "$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)},
    },
    {"not": {"$ref": "#"}},
]


@pytest.mark.parametrize("schema", SPECS)
def test_a_spec_that_cannot_be_followed_is_the_connectors_fault(schema: dict[str, Any]) -> None:
    with suppress(exc.AirbyteConnectorSpecFailedError):
        validate_against("source-x", schema, resolve_config(GOOD, schema))


@pytest.mark.parametrize("schema", [{"not": {"$ref": "#"}}, {"allOf": [{"$ref": "#"}]}])
def test_a_spec_that_leads_back_to_itself_is_told_before_the_stack_ends(schema: dict[str, Any]) -> None:
    with pytest.raises(exc.AirbyteConnectorSpecFailedError, match="inside each other"):
        validate_against("source-x", schema, resolve_config(GOOD, schema))


def test_a_spec_of_a_tree_follows_a_config_that_is_one() -> None:
    schema = {"properties": {"child": {"$ref": "#"}, "name": {"type": "string"}}}
    config: dict[str, Any] = {"name": "leaf"}
    for _ in range(30):
        config = {"child": config}

    validate_against("source-x", schema, resolve_config(config, schema))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keywords = st.sampled_from(
    ["type", "properties", "items", "required", "$ref", "oneOf", "allOf", "pattern", "enum", "const", "if", "$defs",
     "additionalProperties", "patternProperties", "minLength", "dependencies", "format", "airbyte_secret", "$id", "not"]
)  # fmt: skip
schemas = st.recursive(
    json_values, lambda inner: st.dictionaries(keywords, inner | st.lists(inner, max_size=3), max_size=4), max_leaves=12
)


@given(schema=st.dictionaries(keywords, schemas, max_size=4), config=st.dictionaries(st.text(max_size=4), json_values))
def test_any_json_in_the_place_of_a_spec_is_an_error_of_ours_or_a_schema(schema: Any, config: Any) -> None:
    with suppress(exc.AirbyteConnectorSpecFailedError, exc.AirbyteConnectorValidationFailedError):
        validate_against("source-x", schema, resolve_config(config, schema))
