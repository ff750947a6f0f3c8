from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from airbyte_exec.cli.spec import as_text
from airbyte_exec.logs import visible

READ: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize("kind", READ)
def test_what_a_terminal_would_obey_is_printed_as_escapes(kind: str) -> None:
    document = {"title": "\x9b31mred\u202e", "ö": ["é\u2028"]}
    text = as_text(document, kind)

    assert visible(text) == text
    assert READ[kind](text) == document


@pytest.mark.parametrize("kind", READ)
def test_other_text_is_printed_as_it_is(kind: str) -> None:
    assert "Größe" in as_text({"title": "Größe"}, kind)
