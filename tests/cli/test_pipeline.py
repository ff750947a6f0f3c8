"""A sync as a file: what it may hold, what it may not, and the schema that says so."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import mini
import pytest
import yaml

from airbyte_exec._connector.limits import TimeLimits
from airbyte_exec._engine.options import NameMapping
from airbyte_exec.cli import _pipeline, sync
from airbyte_exec.cli._documents import read_config
from airbyte_exec.cli._pipeline import SCHEMA_FILE, read_pipeline
from airbyte_exec.exceptions import PyAirbyteInputError

ENDS = {"source": "source-x", "destination": "destination-local"}
EVERYTHING: dict[str, Any] = {
    "source": {"connector": "pypi:airbyte-source-x==1", "config": {"a": 1}, "python": "3.11"},
    "destination": {"connector": "destination-local", "config": {"path": "${ROWS}"}},
    "streams": ["a", "b"],
    "cursors": {"a": "at"},
    "primary_keys": {"a": "id", "b": ["x", "y"]},
    "strategy": "merge",
    "full_refresh": True,
    "cache": "c.duckdb",
    "state": False,
    "state_key": "k",
    "namespace": "to_${SOURCE_NAMESPACE}",
    "prefix": "p_",
    "on_malformed": "warn",
    "on_count_mismatch": "fail",
    "max_line": "64M",
    "pass_env": ["PATH"],
    "check": False,
    "retries": 2,
    "time_limits": {"check": 10, "source_heartbeat": "10m"},
}


def write(folder: Path, content: Any) -> str:
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_every_key_reaches_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWS", "rows.duckdb")
    told = read_pipeline(write(tmp_path, EVERYTHING))
    assert told.source == _pipeline.End(connector="pypi:airbyte-source-x==1", config={"a": 1}, python="3.11")
    assert told.destination.config == {"path": "rows.duckdb"}
    assert (told.streams, told.cursors) == (["a", "b"], {"a": "at"})
    assert told.primary_keys == {"a": ["id"], "b": ["x", "y"]}
    assert (told.strategy, told.full_refresh, told.cache, told.state) == ("merge", True, "c.duckdb", False)
    options = told.write_options()
    assert (options.state_key, options.on_malformed, options.on_count_mismatch) == ("k", "warn", "fail")
    assert options.names == NameMapping(namespace="to_${SOURCE_NAMESPACE}", prefix="p_")
    assert (options.max_line, options.environment, options.check) == (64 << 20, frozenset({"PATH"}), False)
    assert options.limits == TimeLimits(check=10, source_heartbeat=600)
    assert options.retries == 2


def test_a_sync_is_tried_again_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    told = read_pipeline(write(tmp_path, ENDS))

    assert told.write_options(retries=True).retries is True
    assert told.write_options().retries is False


def test_the_example_above_holds_every_key_of_the_schema() -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(EVERYTHING)
    assert set(schema["properties"]["time_limits"]["properties"]) == set(TimeLimits.__dataclass_fields__)


def test_the_schema_says_what_every_key_means() -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert [name for name, body in schema["properties"].items() if not body.get("description")] == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"steams": ["a"]}, "Did you mean 'streams'?"),
        ({"time_limits": {"source_hartbeat": 5}}, "Did you mean 'source_heartbeat'?"),
        ({"source": {"connector": "x", "confg": {}}}, "Did you mean 'config'?"),
        ({"source": {"config": {}}}, "'connector' is missing"),
        ({"strategy": "sideways"}, "one of 'auto'"),
        ({"full_refresh": "yes"}, "must be boolean"),
        ({"destination": {"connector": "x", "config": {"path": "${NOT_SET}"}}}, "NOT_SET"),
        ({"source": {"connector": "x", "config": "nothing.json"}}, "nothing.json cannot be read"),
    ],
    ids=str,
)
def test_what_is_no_pipeline_is_refused_with_a_reason(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(PyAirbyteInputError) as caught:
        read_pipeline(write(tmp_path, {**ENDS, **more}))

    assert said in str(caught.value)


def test_an_error_never_says_a_value(tmp_path: Path) -> None:
    secret = "s3cr3t-0f-the-h0use"
    with pytest.raises(PyAirbyteInputError) as caught:
        read_pipeline(write(tmp_path, {**ENDS, "strategy": secret, "state_key": [secret]}))

    assert secret not in str(caught.value)
    (tmp_path / "broken.yaml").write_text(f"password: {secret}\n  x: [1\n", encoding="utf-8")
    with pytest.raises(PyAirbyteInputError) as caught:
        read_config(str(tmp_path / "broken.yaml"), "--config")

    assert secret not in str(caught.value)
    assert "line 2" in str(caught.value)


def test_the_command_line_counts_more_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWS", "rows.duckdb")
    parser = argparse.ArgumentParser()
    sync.add_arguments(parser)
    args = ["--streams", "*", "--strategy", "append", "--cursor", "b=id", "--time-limit", "check=1m", "--prefix", "q_"]
    args += ["--source-config", '{"b": 2}', "--destination-python", "3.12"]
    monkeypatch.chdir(tmp_path)
    told = sync.pipeline_of(parser.parse_args([write(tmp_path, EVERYTHING), *args]))
    assert (told.streams, told.strategy, told.full_refresh) == (None, "append", True)
    assert told.cursors == {"a": "at", "b": "id"}
    assert (told.source.config, told.source.python, told.destination.python) == ({"b": 2}, "3.11", "3.12")
    assert told.write_options().names.prefix == "q_"
    assert told.write_options().limits.check == 60


def test_a_pipeline_is_run_with_variables_and_secrets_by_reference(cli: Any) -> None:
    source = mini.source_config(path=cli.folder / "in", api_key="secret_reference::MY_KEY")
    stored = mini.destination_config(path=cli.folder / "out", api_key="${OTHER_KEY}")
    pipeline = {
        "source": {"connector": f"path:{mini.SOURCE_MINI}", "config": source},
        "destination": {"connector": f"path:{mini.DESTINATION_MINI}", "config": stored},
        "streams": ["users"],
        "state": "pipeline.state",
    }
    name = write(cli.folder, pipeline)
    keys = {"MY_KEY": "k3y-0f-the-house", "OTHER_KEY": "0ther-k3y-0f-it"}
    first, second = (cli.run("sync", name, "--json", "-vv", env=keys) for _ in range(2))
    assert (first.json["result"]["processed_records"], second.json["result"]["processed_records"]) == (100, 0)
    runs = (mini.last_run(cli.folder / "in", "read"), mini.last_run(cli.folder / "out"))
    assert [run.config["api_key"] for run in runs] == list(keys.values())
    for run in runs:
        assert set(run.launch["env"]) & set(keys) == set()

    for value in keys.values():
        assert value not in first.stderr + first.text
        assert value not in (cli.folder / "pipeline.state").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:00", "12:30:00"),
        ("0o17", "0o17"),
        ("010", 10),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-7", -7),
        ("'7'", "7"),
    ],
)
def test_yaml_means_what_the_same_json_would(tmp_path: Path, text: str, value: Any) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"key: {text}\n", encoding="utf-8")
    found = read_config(str(path), "--config")["key"]
    assert (found, type(found)) == (value, type(value))
