"""What a connector says of itself: what is secret in its config, and documents that others cannot read."""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_exec import Source, get_source
from airbyte_exec import exceptions as exc

CANARY = "CANARY-value-1"
PROGRAM = """#!/usr/bin/env python3
import json, sys
command = sys.argv[1]
if command == "spec":
    print({spec!r})
    sys.exit({spec_code})
if command == "discover" and {catalog!r}:
    print({catalog!r})
    sys.exit()
dsn = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["dsn"]
error = {{"type": "ERROR", "emitted_at": 1, "error": {{"message": "no way to " + dsn}}}}
print(json.dumps({{"type": "LOG", "log": {{"level": "WARN", "message": "using " + dsn}}}}))
print(json.dumps({{"type": "TRACE", "trace": error}}))
print("stderr " + dsn, file=sys.stderr)
sys.exit(1)
"""
MARKED = '{"type":"SPEC","spec":{"connectionSpecification":{"properties":{"dsn":{"airbyte_secret":true}}}}}'
STREAM = (
    '{"type":"CATALOG","catalog":{"streams":[{"name":"s","json_schema":%s,"supported_sync_modes":["full_refresh"]}]}}'
)


def source(folder: Path, *, spec: str = MARKED, spec_code: int = 0, catalog: str = "") -> Source:
    program = folder / "source-x"
    program.write_text(PROGRAM.format(spec=spec, spec_code=spec_code, catalog=catalog), encoding="utf-8")
    program.chmod(0o755)
    return get_source("source-x", {"dsn": CANARY, "host": "db.example"}, local_executable=program)


def records(source: Source) -> None:
    source.select_all_streams()
    list(source.get_records("s"))


CALLS: dict[str, Callable[[Source], object]] = {
    "check": lambda source: source.check(),
    "discover": lambda source: source.discovered_catalog,
    "streams": lambda source: source.get_available_streams(),
    "records": records,
    "samples": lambda source: source.get_samples(["s"]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("spec", "code"), [(MARKED, 0), ("", 1)], ids=["the spec marks it", "there is no spec"])
def test_a_secret_under_any_name_is_masked_in_the_first_call_of_a_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Source], object], spec: str, code: int
) -> None:
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "logs"))
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger("airbyte_exec").addHandler(handler)

    with pytest.raises(exc.PyAirbyteError) as caught:
        call(source(tmp_path, spec=spec, spec_code=code))

    logging.getLogger("airbyte_exec").removeHandler(handler)
    files = [path.read_text(encoding="utf-8") for path in (tmp_path / "logs").rglob("*") if path.is_file()]
    seen = [str(caught.value), repr(caught.value), logged.getvalue(), *files]
    assert "no way to ****" in str(caught.value)
    assert [text for text in seen if CANARY in text] == []
    assert CANARY.encode() not in pickle.dumps(caught.value)


def test_a_spec_with_a_lone_surrogate_is_read_and_can_be_checked_against(tmp_path: Path) -> None:
    spec = r'{"type":"SPEC","spec":{"connectionSpecification":{"title":"\udfff"}}}'

    assert source(tmp_path, spec=spec).config_spec["title"] == "\udfff"


def test_a_catalog_with_a_lone_surrogate_is_read(tmp_path: Path) -> None:
    found = source(tmp_path, catalog=STREAM % r'{"title":"\ud800"}').discovered_catalog

    assert found.streams[0].json_schema == {"title": "\ud800"}


def test_numbers_that_json_has_not_are_null_in_a_catalog(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = source(tmp_path, catalog=STREAM % '{"default":NaN,"maximum":-Infinity,"title":"NaN"}').discovered_catalog

    assert found.streams[0].json_schema == {"default": None, "maximum": None, "title": "NaN"}
    assert "source-x has NaN or Infinity" in caplog.text


@pytest.mark.parametrize("document", ["spec", "catalog"])
def test_a_document_that_is_nested_too_deep_is_the_connectors_error(tmp_path: Path, document: str) -> None:
    deep = json.dumps({"type": "object"})
    for _ in range(400):
        deep = f'{{"items":{deep}}}'

    told = {"spec": f'{{"type":"SPEC","spec":{{"connectionSpecification":{deep}}}}}', "catalog": STREAM % deep}
    broken = source(tmp_path, **{document: told[document]})
    with pytest.raises(exc.AirbyteConnectorError, match=r"source-x cannot be used.*depth") as caught:
        broken.config_spec if document == "spec" else broken.discovered_catalog  # noqa: B018

    assert caught.value.guidance
