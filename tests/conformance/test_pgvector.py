"""A real destination that prints its states without their envelope: the suite names the rule, and a sync says so."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mini import SOURCE_MINI, source_config
from postgres_with_vectors import USER, NoPostgresError, Postgres, postgres_with_vectors

import airbyte_exec as ab
from airbyte_exec import exceptions as exc
from airbyte_exec.conformance import run, subject_of

VERSION = "0.1.4"
VOCABULARY = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.wide, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Give a server."""
    try:
        with postgres_with_vectors() as server:
            yield server
    except NoPostgresError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def install_root() -> Path:
    repository = Path(__file__).resolve().parent.parent.parent
    return Path(os.environ.get("AIRBYTE_EXEC_TEST_INSTALL_ROOT") or repository / ".venvs")


@pytest.fixture
def config(postgres: Postgres) -> dict[str, Any]:
    indexing = {"host": "127.0.0.1", "port": postgres.port, "database": "postgres", "username": USER}
    return {
        "embedding": {"mode": "fake"},
        "processing": {"chunk_size": 1000, "text_fields": ["name"], "metadata_fields": ["id"]},
        "indexing": {**indexing, "default_schema": "public", "credentials": {"password": "not-looked-at"}},
    }


@pytest.fixture(autouse=True)
def vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give it what it would download, the vocabulary that counts the tokens of a text: one of all pairs of letters."""
    plain = [number for number in range(256) if chr(number).isprintable() and number != 32]
    letters = [*map(chr, plain), *(chr(256 + number) for number in range(256 - len(plain)))]
    pairs = [(one, other) for one in letters for other in letters][:50_000]
    tokens = [*letters, *("".join(pair) for pair in pairs), "<|endoftext|>"]
    merges = "".join(f"{one} {other}\n" for one, other in pairs)
    texts = {
        "vocab.bpe": f"#version: 0.2\n{merges}",
        "encoder.json": json.dumps({token: number for number, token in enumerate(tokens)}),
    }
    for name, text in texts.items():
        key = hashlib.sha1((VOCABULARY + name).encode(), usedforsecurity=False).hexdigest()
        (tmp_path / key).write_text(text, encoding="utf-8")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))


def test_the_suite_names_the_rule_that_states_without_their_envelope_break(
    config: dict[str, Any], install_root: Path
) -> None:
    how = {"install_root": install_root, "use_python": "3.11"}
    subject = subject_of(f"pypi:airbyte-destination-pgvector=={VERSION}", config=config, how=how)
    report = run(subject, rules="connection.check-good,destination.last-state")
    (broken,) = report.broken
    assert broken.case.code == "DE3"
    assert "a state without its envelope" in broken.findings[0].message
    assert broken.findings[0].lines[0].raw.startswith(b'{"type": "STREAM"')


def test_a_sync_into_it_ends_in_an_error_that_says_what_is_missing(config: dict[str, Any], install_root: Path) -> None:
    source = ab.get_source("source-mini", source_config(), local_executable=SOURCE_MINI, streams="*")
    destination = ab.get_destination(
        "destination-pgvector", config, version=VERSION, use_python="3.11", install_root=install_root
    )
    with pytest.raises(exc.AirbyteConnectorWriteError, match="did not confirm 10 of 10 states"):
        destination.write(source, cache=False, state_cache=False)
