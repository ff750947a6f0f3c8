"""Names of fields that are secrets: those of the acceptance suite, those that end like one, in any spelling."""

from __future__ import annotations

import re

_NAMES = frozenset(
    {
        # airbyte connector-acceptance-test, TestSpec: secret_property_names
        "access_token",
        "api_token",
        "app_id",
        "appid",
        "certificate",
        "client_secret",
        "client_token",
        "credentials",
        "jwt",
        "key",
        "password",
        "refresh_token",
        "secret",
        "service_account",
        "service_account_info",
        "tenant_id",
        "token",
        # and others that connectors have
        "api_key",
        "apikey",
        "credentials_json",
        "private_key",
        "secret_access_key",
        "secret_key",
        "service_account_json",
        "ssh_key",
    }
)
_ENDINGS = (
    "password",
    "passphrase",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "secret_key",
    "access_key",
)
_PLACES = frozenset({"continuation", "cursor", "end", "max", "next", "page", "pagination", "start", "stop", "sync"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def is_secret_name(name: str) -> bool:
    """Tell whether a field holds a secret by its name, as `clientSecret`, `api-key` and `user_password` do.

    A token that says where to go on (`next_page_token`) is none.
    """
    words = _HUMP.sub("_", name).replace("-", "_").replace(" ", "_").lower()
    if words in _NAMES:
        return True

    ending = next((ending for ending in _ENDINGS if f"_{words}".endswith(f"_{ending}")), None)
    if ending == "token":
        return words.split("_")[-2] not in _PLACES

    return ending is not None
