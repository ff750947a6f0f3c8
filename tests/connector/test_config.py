from __future__ import annotations

from typing import Any

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.config import resolve_config, validate_against

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
