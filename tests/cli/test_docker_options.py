"""What is said of containers, on the command line and in a pipeline file, as it reaches DockerOptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from mini import SOURCE_MINI

from airbyte_exec.cli._arguments import UsageError
from airbyte_exec.cli._docker import FIELDS, docker_options, plain_docker
from airbyte_exec.cli._main import main, make_parser
from airbyte_exec.cli._pipeline import SCHEMA_FILE, Pipeline, read_pipeline
from airbyte_exec.cli.sync import pipeline_of
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors.docker import DockerOptions

EVERYTHING = DockerOptions(
    network="none",
    extra_hosts={"db": "10.0.0.5", "host": "host-gateway"},
    memory="512m",
    cpus=1.5,
    platform="linux/amd64",
    user="1000:1000",
    env={"TZ": "UTC", "A": "b=c", "EMPTY": ""},
    volumes=["/a:/b:ro", "named:/c"],
    local_mount="data",
    pull_policy="never",
    engine="tcp://10.0.0.1:2375",
    labels={"team": "x"},
)
ARGUMENTS = [
    *("--docker-network", "none", "--docker-add-host", "db=10.0.0.5", "--docker-add-host", "host=host-gateway"),
    *("--docker-memory", "512m", "--docker-cpus", "1.5", "--docker-platform", "linux/amd64"),
    *("--docker-user", "1000:1000", "--docker-env", "TZ=UTC", "--docker-env", "A=b=c", "--docker-env", "EMPTY="),
    *("--docker-volume", "/a:/b:ro", "--docker-volume", "named:/c", "--docker-local", "data"),
    *("--docker-pull", "never", "--docker-engine", "tcp://10.0.0.1:2375", "--docker-label", "team=x"),
]
COMMANDS = (
    ["spec", "docker:a/source-x:1"],
    ["check", "docker:a/source-x:1"],
    ["discover", "docker:a/source-x:1"],
    ["read", "docker:a/source-x:1"],
    ["write", "docker:a/destination-x:1", "--catalog", "c.json"],
    ["sync", "docker:a/source-x:1", "docker:a/destination-x:1"],
)


def parsed(*arguments: str) -> dict[str, Any]:
    return plain_docker(make_parser().parse_args(arguments))


def synced(*arguments: str) -> Pipeline:
    return pipeline_of(make_parser().parse_args(["sync", *arguments]))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_that_runs_a_connector_takes_every_option(command: list[str]) -> None:
    assert docker_options(parsed(*command, *ARGUMENTS)) == EVERYTHING


def test_the_command_line_knows_every_field_but_the_escape_hatch() -> None:
    assert set(FIELDS) == set(DockerOptions.__dataclass_fields__) - {"create_kwargs"}


def test_nothing_said_is_no_options() -> None:
    assert docker_options(parsed("check", "docker:a/source-x:1")) is None


@pytest.mark.parametrize("text", ["TZ", "=UTC", ""])
def test_what_is_no_pair_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="--docker-env"):
        parsed("check", "docker:a/source-x:1", "--docker-env", text)


def test_a_sync_gives_what_the_command_line_says_to_both_ends() -> None:
    told = synced("docker:a/source-x:1", "docker:a/destination-x:1", *ARGUMENTS)
    assert docker_options(told.source.docker) == docker_options(told.destination.docker) == EVERYTHING


def write(folder: Path, source: dict[str, Any], destination: dict[str, Any]) -> str:
    ends = {
        role: {"connector": f"docker:a/{role}-x:1", "docker": said}
        for role, said in (("source", source), ("destination", destination))
    }
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(ends), encoding="utf-8")
    return str(path)


def test_a_pipeline_says_it_for_each_end_by_the_names_of_the_fields(tmp_path: Path) -> None:
    everything = {
        "network": "none",
        "extra_hosts": {"db": "10.0.0.5", "host": "host-gateway"},
        "memory": "512m",
        "cpus": 1.5,
        "platform": "linux/amd64",
        "user": "1000:1000",
        "env": {"TZ": "UTC", "A": "b=c", "EMPTY": ""},
        "volumes": ["/a:/b:ro", "named:/c"],
        "local_mount": "data",
        "pull_policy": "never",
        "engine": "tcp://10.0.0.1:2375",
        "labels": {"team": "x"},
        "create_kwargs": {"shm_size": "64m"},
    }
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]["docker"]["properties"]
    assert set(schema) == set(everything) == set(DockerOptions.__dataclass_fields__)
    assert [name for name, body in schema.items() if not body.get("description")] == []
    told = read_pipeline(write(tmp_path, everything, {"network": "host"}))
    options = docker_options(told.source.docker)
    assert options is not None
    assert options.create_kwargs == {"shm_size": "64m"}
    assert docker_options({**told.source.docker, "create_kwargs": {}}) == EVERYTHING
    assert docker_options(told.destination.docker) == DockerOptions(network="host")


def test_numbers_of_a_pipeline_become_the_texts_that_a_container_sees(tmp_path: Path) -> None:
    told = read_pipeline(write(tmp_path, {"user": 1000, "env": {"N": 1, "HALF": 0.5}}, {}))
    options = docker_options(told.source.docker)
    assert options is not None
    assert (options.user, options.env) == ("1000", {"N": "1", "HALF": "0.5"})


def test_the_command_line_counts_more_than_the_pipeline_key_by_key(tmp_path: Path) -> None:
    file = write(tmp_path, {"network": "none", "env": {"A": "1", "B": "2"}}, {"cpus": 2})
    told = synced(file, "--docker-network", "host", "--docker-env", "B=3")
    assert told.source.docker == {"network": "host", "env": {"A": "1", "B": "3"}}
    assert told.destination.docker == {"network": "host", "cpus": 2, "env": {"B": "3"}}


def test_a_key_that_nobody_knows_is_told_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(PyAirbyteInputError, match="Did you mean 'network'"):
        read_pipeline(write(tmp_path, {"netwrok": "none"}, {}))


def test_what_is_said_of_containers_where_there_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", f"path:{SOURCE_MINI}", "--docker-network", "none", "--config", "{}"])
    assert code == 2
    assert "for connectors that are images" in capsys.readouterr().err


def test_a_python_for_an_image_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "docker:a/source-x:1", "--python", "3.11"]) == 2
    assert "Only one of" in capsys.readouterr().err
