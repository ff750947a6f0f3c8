"""The secrets of the configs, what connectors throw of them, and the search for whatever is left of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

CANARY = "canary/4711+&secret=="
RENEWED = "renewed/0815+&secret=="
"""What a connector puts into the place of the first one, while it runs."""

MARK = "ends-7f3"
"""Stands behind the secrets in what is thrown: the rest of a message must still be there."""


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1].replace("/", "\\/").replace("&", "\\u0026")


def _base64(text: str) -> Iterator[str]:
    """Yield what each of the three offsets leaves unchanged of a text's base64."""
    for offset in range(3):
        coded = base64.b64encode(b"x" * offset + text.encode()).decode().rstrip("=")
        yield coded[-(-offset * 8 // 6) : -1]


THROWN = (
    f"login with {CANARY} ?key={quote(CANARY, safe='')} Basic {base64.b64encode(f'user:{CANARY}'.encode()).decode()} "
    f'"{_escaped(CANARY)}" {MARK}'
)
"""A secret and its encoded forms, as they stand in URLs, headers and JSON."""

FORMS = tuple(
    form.encode()
    for secret in (CANARY, RENEWED)
    for form in (secret, quote(secret, safe=""), quote(secret), _escaped(secret), *_base64(secret))
)


def found_in(text: bytes) -> bool:
    """Return whether a secret is in a text, in any form."""
    return any(form in text for form in FORMS)
