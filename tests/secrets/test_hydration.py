from __future__ import annotations

import copy
from typing import Any

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.secrets import SecretString, get_secret
from airbyte_exec.secrets.hydration import (
    deep_update,
    detect_hardcoded_secrets,
    expand_env,
    hydrate,
    hydrate_secrets,
)

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "plain_key": {"type": "string", "airbyte_secret": True},
        "auth": {
            "oneOf": [
                {"properties": {"kind": {"const": "a"}, "one": {"type": "string", "airbyte_secret": True}}},
                {"properties": {"kind": {"const": "b"}, "two": {"type": "string", "format": "password"}}},
            ]
        },
        "all": {"allOf": [{"properties": {"x": {"writeOnly": True}}}, {"properties": {"y": {}}}]},
        "list": {"type": "array", "items": {"anyOf": [{"properties": {"z": {"airbyte_secret": True}}}]}},
        "pair": {"type": "array", "items": [{}, {"airbyte_secret": True}]},
        "object": {"type": "object", "airbyte_secret": True},
        "map": {"type": "object", "additionalProperties": {"airbyte_secret": True}},
        "pattern": {"type": "object", "patternProperties": {"^s_": {"airbyte_secret": True}}},
        "reference": {"$ref": "#/$defs/login"},
    },
    "$defs": {"login": {"properties": {"again": {"$ref": "#/$defs/login"}, "pin": {"airbyte_secret": True}}}},
}


def test_references_are_resolved_at_any_depth_and_the_config_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "CANARY")
    config = {"a": [{"b": "secret_reference::TOKEN"}], "c": "see secret_reference::TOKEN", "d": 1}
    before = copy.deepcopy(config)
    result = hydrate(config)
    assert result.config == {"a": [{"b": "CANARY"}], "c": "see secret_reference::TOKEN", "d": 1}
    assert result.secret_values == ("CANARY",)
    assert result.environment_variables == {"TOKEN"}
    assert config == before
    assert hydrate_secrets(config) == result.config
    assert "CANARY" not in repr(result)


def test_a_reference_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="NOWHERE"):
        hydrate({"a": "secret_reference::NOWHERE"})


def test_a_variable_is_known_also_when_the_caller_fetched_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "CANARY")
    monkeypatch.setenv("OTHER", "OTHER-CANARY")
    get_secret("OTHER")
    result = hydrate({"url": f"https://user:{get_secret('TOKEN')}@host/"})
    assert result.environment_variables == {"TOKEN"}
    assert result.secret_values == ("CANARY",)


def test_a_secret_string_in_a_config_is_secret() -> None:
    result = hydrate({"a": SecretString("CANARY")})
    assert result.secret_values == ("CANARY",)
    assert result.environment_variables == frozenset()


def test_a_pipeline_files_variables_are_replaced() -> None:
    environ = {"HOST": "db", "PORT": "5432", "DB_PASSWORD": "CANARY"}
    config = {
        "host": "${HOST}",
        "url": "pg://${HOST}:${PORT}/x",
        "password": "${DB_PASSWORD}",
        "default": "${NOPE:-d}-${NOPE:-}",
        "literal": "$${HOST} $HOST $",
        "namespace": "${SOURCE_NAMESPACE}_${HOST}",
        "list": ["${PORT}", 1, None],
        "${HOST}": "key",
    }
    assert expand_env(config, environ=environ) == {
        "host": "db",
        "url": "pg://db:5432/x",
        "password": "CANARY",
        "default": "d-",
        "literal": "${HOST} $HOST $",
        "namespace": "${SOURCE_NAMESPACE}_db",
        "list": ["5432", 1, None],
        "${HOST}": "key",
    }


def test_a_credential_from_a_pipeline_file_is_secret_and_its_variable_known() -> None:
    environ = {"HOST": "db-host", "DB_PASSWORD": "CANARY", "X": "OTHER-CANARY"}
    pipeline = {"url": "pg://u:${DB_PASSWORD}@${HOST}", "api_key": "${X}", "host": "${HOST}"}
    config = expand_env(pipeline, environ=environ)
    assert "CANARY" not in repr(config)
    assert not isinstance(config["host"], SecretString)
    result = hydrate(config)
    assert result.environment_variables == {"DB_PASSWORD", "X"}
    assert {"CANARY", "OTHER-CANARY"} <= set(result.secret_values)
    assert "db-host" not in result.secret_values


def test_variables_that_are_not_set_are_all_named() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="ONE, TWO"):
        expand_env({"a": "${ONE}${TWO}", "b": ["${ONE}"]}, environ={})


def test_configs_are_merged_in_depth() -> None:
    target = {"a": {"b": 1, "c": [1]}, "d": 1}
    deep_update(target, {"a": {"c": [2], "e": {"f": 1}}, "d": {"g": 1}})
    assert target == {"a": {"b": 1, "c": [2], "e": {"f": 1}}, "d": {"g": 1}}


def test_hardcoded_secrets_are_found_where_the_spec_marks_them() -> None:
    config = {
        "host": "db",
        "plain_key": "s",
        "auth": {"kind": "a", "one": "s", "two": "s"},
        "all": {"x": "s", "y": "p"},
        "list": [{"z": "s"}, {"z": "secret_reference::X"}],
        "pair": ["p", "s"],
        "object": {"deep": ["s"], "number": 1},
        "map": {"any": "s"},
        "pattern": {"s_1": "s", "p_1": "p"},
        "reference": {"again": {"again": {"pin": "s"}}},
    }
    assert detect_hardcoded_secrets(config, SPEC) == [
        ["plain_key"],
        ["auth", "one"],
        ["auth", "two"],
        ["all", "x"],
        ["list", "0", "z"],
        ["pair", "0"],
        ["pair", "1"],
        ["object", "deep", "0"],
        ["map", "any"],
        ["pattern", "s_1"],
        ["reference", "again", "again", "pin"],
    ]


@pytest.mark.parametrize(
    "key",
    ["password", "api_key", "apiKey", "API_KEY", "refresh_token", "clientSecret", "db-passwd", "private_key", "DB_PW"],
)
def test_without_a_spec_the_names_of_credentials_are_secret(key: str) -> None:
    assert detect_hardcoded_secrets({"a": {key: "s"}, key: "secret_reference::X"}) == [["a", key]]


@pytest.mark.parametrize("key", ["host", "auth_type", "token_url", "primary_key", "cursor_key", "tokens_per_minute"])
def test_other_names_are_not(key: str) -> None:
    assert detect_hardcoded_secrets({key: "s"}) == []
