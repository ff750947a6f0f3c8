"""What the rules for specs catch, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_exec.conformance import Subject, load_cases
from airbyte_exec.conformance.checks import Check, Given, spec
from airbyte_exec.conformance.transcript import Transcript
from airbyte_exec.executors import NoOpExecutor

RUN = Transcript(command="spec", exit_code=0)


def fields(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def judged(check: Check, schema: object, previous: object = None) -> list[str]:
    """Return what a check finds in a connectionSpecification, beside that of the version before."""
    said = {} if previous is None else {"spec": {"connectionSpecification": previous}}
    subject = Subject(executor=NoOpExecutor("source-x"), kind="source", previous=said)
    given = Given(case=load_cases()[0], subject=subject, spec={"connectionSpecification": schema}, runs=[RUN])
    return [finding.message for finding in check(given)]


@pytest.mark.parametrize(
    "name",
    [
        *("client_token", "key", "service_account", "service_account_info", "tenant_id", "certificate", "credentials"),
        *("app_id", "appid", "apiKey", "api-key", "accessToken", "clientSecret", "APIKey", "api_secret", "passphrase"),
        *("user_password", "bearer_token", "personal_access_token", "ssh_private_key", "Password"),
    ],
)
def test_a_secret_is_known_by_its_name_in_any_spelling(name: str) -> None:
    assert judged(spec.secrets, fields(**{name: {"type": "string"}})) == [
        f"{name} is a secret by its name, and has no airbyte_secret: true"
    ]
    assert judged(spec.secrets, fields(**{name: {"type": ["string", "null"], "airbyte_secret": True}})) == []
    assert judged(spec.secrets, fields(**{name: {"type": "object"}})) == []
    assert judged(spec.secrets, fields(**{name: {"type": "string", "const": "x"}})) == []


@pytest.mark.parametrize(
    "name",
    [
        *("next_page_token", "pageToken", "continuation-token", "token_uri", "max_tokens", "primary_key", "keyword"),
        *("secretary", "password_policy", "cursor_key", "client_id", "access_key_id", "monkey"),
    ],
)
def test_a_name_that_only_looks_like_a_secret_is_none(name: str) -> None:
    assert judged(spec.secrets, fields(**{name: {"type": "string"}})) == []


@pytest.mark.parametrize("kind", ["null", "boolean", "object", ["boolean", "null"]])
def test_only_texts_and_numbers_can_be_marked_as_secrets(kind: object) -> None:
    (message,) = judged(spec.secrets, fields(x={"type": kind, "airbyte_secret": True}))
    assert message.endswith("which no airbyte_secret can hide")
