from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec.secrets import Masker, SecretString
from airbyte_exec.secrets.marks import looks_secret

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "user": {"type": "string"},
        "pin": {"type": "integer", "airbyte_secret": True},
        "auth": {"oneOf": [{"properties": {"blob": {"type": "string", "airbyte_secret": True}}}]},
    },
}

WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": json.dumps,
    "json, not ascii": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"message": text})),
    "repr": lambda text: repr({"key": text}),
    "url": lambda text: f"https://host/?key={quote(text, safe='')}&x",
    "url path": lambda text: f"https://host/{quote(text)}",
    "form": lambda text: f"a=b&key={quote_plus(text)}",
    "html": lambda text: f"<p>{html.escape(text)}</p>",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in a url": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "json, three deep": lambda text: json.dumps(json.dumps(json.dumps(text))),
    "json, letters too": lambda text: "".join(
        f"\\u{unit:04x}" for unit in memoryview(text.encode("utf-16-le")).cast("H").tolist()
    ),
    "url, letters too": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
}
PLAIN = st.characters(codec="utf-8", exclude_characters="*")


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
@given(secret=st.text(PLAIN, min_size=4, max_size=40).filter(lambda text: len(text.strip()) >= 4))
def test_a_secret_is_masked_in_whatever_way_it_is_written(write: Callable[[str], str], secret: str) -> None:
    masker = Masker([secret])
    written = write(secret)

    if secret.lower() in ("true", "none", "null", "false"):
        return

    masked = masker.mask(f"before {written} after")
    assert write(secret).strip("\"'{}") not in masked
    assert masked.startswith("before ")
    assert masker.mask_bytes(f"before {written} after".encode()) == masked.encode()


@given(
    before=st.binary(max_size=9), secret=st.text(PLAIN, min_size=9).filter(lambda t: not t.isspace()), after=st.binary()
)
def test_a_secret_inside_of_longer_base64_is_masked(before: bytes, secret: str, after: bytes) -> None:
    header = base64.b64encode(before + secret.encode() + after).decode()
    masked = Masker([secret]).mask(header)
    assert masked != header

    for part in masked.split("****"):
        for start in range(4):
            whole = part[start:].rstrip("=")
            assert secret.encode() not in base64.b64decode(whole[: len(whole) // 4 * 4])


@pytest.mark.parametrize("secret", ['pa"ss\\word', "tab\tand\nline", "pässwörd-ß"])
def test_a_secret_in_json_in_base64_is_masked(secret: str) -> None:
    document = json.dumps({"user": "anna", "p": secret})
    masked = Masker([secret]).mask(base64.b64encode(document.encode()).decode())
    assert "****" in masked
    assert json.dumps(secret).encode()[4:-4] not in base64.b64decode(masked.replace("****", "").rstrip("=") + "===")


@pytest.mark.parametrize(
    "name",
    [
        *("api-key", "x-api-key", "private-key", "connection-string", "accesstoken", "authtoken", "signing_key"),
        *("app_key", "ssh_key", "hmac_key", "passcode", "bearer", "jwt", "tokens", "secrets", "refresh_tokens", "dsn"),
        *("clientSecret", "Api Key", "db.password"),
    ],
)
def test_the_names_of_credentials_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["primary_key", "tokenizer", "key", "credentials", "author", "passenger", "max_tokens_per"]
)
def test_names_that_are_like_them_are_none(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://ann:CAN%40RY@host/db", "CAN@RY"),
        ("jdbc:postgresql://ann:CANARY@host/db", "CANARY"),
        ("Server=host;Password=CANARY;Timeout=3", "CANARY"),
        ("https://host/?page=2&token=CANARY", "CANARY"),
    ],
)
def test_a_password_in_an_address_is_masked_and_the_rest_is_not(address: str, told: str) -> None:
    masker = Masker.for_config({"address": address})
    assert masker.mask(f"no login with {told} at host") == "no login with **** at host"
    assert masker.mask(address) == re.sub("CAN(%40)?A?RY", "****", address)


def test_what_the_schema_marks_is_masked_in_branches_and_for_numbers_too() -> None:
    masker = Masker.for_config({"user": "ann", "pin": 123456, "auth": {"blob": "CANARY"}}, SPEC)
    assert masker.mask("ann 123456 CANARY") == "ann **** ****"


def test_without_a_schema_the_names_of_credentials_count() -> None:
    masker = Masker.for_config({"user": "anna", "nested": [{"api_key": "CANARY"}]})
    assert masker.mask("anna CANARY") == "anna ****"


def test_references_and_secret_strings_are_masked_under_any_name() -> None:
    masker = Masker.for_config({"x": SecretString("CANARY-1"), "y": "CANARY-2"}, {}, secrets=["CANARY-2"])
    assert masker.mask("CANARY-1 CANARY-2") == "**** ****"


def test_a_secret_that_holds_another_one_is_masked_as_a_whole() -> None:
    assert Masker(["CANARY", "CANARY-LONG"]).mask("x CANARY-LONG y CANARY") == "x **** y ****"


def test_lines_of_a_key_and_credentials_in_a_json_secret_are_masked_alone() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n"
    document = json.dumps({"type": "service_account", "private_key": key})
    masker = Masker.for_config({"credentials_json": document})
    told = masker.mask("service_account MIIEvQIBADANBgkqhkiG9w0 AQEFAASCBKcwggSjAgEAAo")
    assert told == "service_account **** ****"
    assert "MIIE" not in masker.mask(document)
    assert "MIIE" not in masker.mask(json.dumps({"log": document}))


def test_words_and_short_values_are_not_masked() -> None:
    masker = Masker.for_config({"password": "abc", "token": True, "secret": None, "api_key": "   "})
    assert not masker
    assert masker.mask("abc true null") == "abc true null"
    assert masker.mask_bytes(b"abc") == b"abc"


def test_an_empty_masker_gives_back_the_very_text() -> None:
    text = "nothing to hide"
    assert Masker().mask(text) is text


def test_values_in_structures_are_masked_and_other_types_stay() -> None:
    masker = Masker(["CANARY"])
    value = {"a": ["xCANARYx", 1, None], "CANARY": {"b": 1.5}}
    assert masker.mask_values(value) == {"a": ["x****x", 1, None], "****": {"b": 1.5}}


def test_maskers_of_a_source_and_a_destination_are_joined() -> None:
    both = Masker(["SOURCE-CANARY"]) | Masker(["DESTINATION-CANARY"])
    assert both.mask("SOURCE-CANARY DESTINATION-CANARY") == "**** ****"


def test_a_masker_does_not_show_what_it_masks() -> None:
    assert "CANARY" not in repr(Masker(["CANARY"]))


@pytest.mark.parametrize(
    "canary", ["MY-SECRET-123", "with 'quotes' and \"both\"", "line\nbreak", "ünïcode-ß", "back\\slash"]
)
def test_a_validation_message_does_not_show_a_secret(canary: str) -> None:
    schema = {"properties": {"api_key": {"type": "integer", "airbyte_secret": True}}, "required": ["host"]}
    config = {"api_key": canary, "user": "anna"}
    masker = Masker.for_config(config, schema)
    errors = list(jsonschema.Draft7Validator({**schema, "maxProperties": 1}).iter_errors(config))
    assert len(errors) == 3

    for error in errors:
        told = masker.mask(error.message)
        assert canary not in told
        assert repr(canary)[1:-1] not in told
        assert "anna" in told or "'user'" not in error.message
