from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wheels import write_wheel

from airbyte_exec import exceptions as exc
from airbyte_exec.executors import (
    BundledExecutor,
    DockerExecutor,
    NoOpExecutor,
    PathExecutor,
    VenvExecutor,
    resolve_executor,
)
from airbyte_exec.executors.docker import DockerOptions

UNREACHABLE = "http://127.0.0.1:9/registry.json"


def write_registry(path: Path, *entries: dict[str, Any]) -> Path:
    sources = [entry for entry in entries if entry["dockerRepository"].startswith("airbyte/source-")]
    path.write_text(json.dumps({"sources": sources, "destinations": []}), encoding="utf-8")
    return path


def python_entry(name: str, package: str) -> dict[str, Any]:
    pypi = {"enabled": True, "packageName": package}
    return {"dockerRepository": f"airbyte/{name}", "language": "python", "remoteRegistries": {"pypi": pypi}}


@pytest.mark.parametrize(
    "arguments",
    [
        {"local_executable": "x", "docker_image": True},
        {"local_executable": "x", "pip_url": "y"},
        {"local_executable": "x", "use_python": True},
        {"local_executable": "x", "no_executor": True},
        {"docker_image": True, "source_manifest": True},
        {"docker_image": "image", "pip_url": "y"},
        {"pip_url": "y", "source_manifest": {}, "no_executor": True},
        {"use_python": "3.11", "no_executor": True},
        {"version": "1.0", "pip_url": "y"},
        {"version": "1.0", "local_executable": "x"},
        {"version": "1.0", "docker_image": "airbyte/source-x:1.0"},
        {"use_python": False, "pip_url": "y"},
    ],
    ids="+".join,
)
def test_arguments_that_do_not_go_together_are_refused_before_anything_is_looked_up(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", UNREACHABLE)

    with pytest.raises(exc.PyAirbyteInputError) as caught:
        resolve_executor("source-x", **arguments)

    assert "not available" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "image"),
    [
        ({"docker_image": True}, "airbyte/source-x:latest"),
        ({"docker_image": True, "version": "1.0"}, "airbyte/source-x:1.0"),
        ({"docker_image": "me/source-x"}, "me/source-x:latest"),
        ({"docker_image": "me/source-x:2"}, "me/source-x:2"),
        ({"docker_image": "me/source-x@sha256:0a"}, "me/source-x@sha256:0a"),
        ({"docker_image": "registry:5000/source-x", "version": "1.0"}, "registry:5000/source-x:1.0"),
        ({"use_python": False}, "airbyte/source-x:latest"),
    ],
    ids=str,
)
def test_an_image_is_named_by_its_repository_and_its_tag(arguments: dict[str, Any], image: str) -> None:
    executor = resolve_executor("source-x", install_if_missing=False, **arguments)

    assert isinstance(executor, DockerExecutor)
    assert executor.image == image


def test_the_network_of_the_host_is_an_option_of_its_own() -> None:
    options = DockerOptions(memory="1g")
    executor = resolve_executor(
        "source-x", docker_image=True, use_host_network=True, docker_options=options, install_if_missing=False
    )

    assert isinstance(executor, DockerExecutor)
    assert executor.options == replace(options, network="host")


def test_what_this_version_cannot_do_is_said() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="not available in this version"):
        resolve_executor("source-x", source_manifest=True)


def test_the_registry_is_not_read_where_the_arguments_say_how_to_run(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(tmp_path / "missing.json"))
    program = tmp_path / "source-x"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    assert isinstance(resolve_executor("source-x", local_executable=program), PathExecutor)
    wheel = write_wheel(tmp_path)
    assert isinstance(resolve_executor("source-tiny", pip_url=str(wheel), install_root=root), VenvExecutor)
    assert isinstance(resolve_executor("destination-local"), BundledExecutor)

    with pytest.raises(exc.AirbyteConnectorRegistryError):
        resolve_executor("other", install_if_missing=False)


def test_the_registry_names_the_package(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = write_registry(tmp_path / "registry.json", python_entry("source-x", "airbyte-source-other"))
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(registry))
    executor = resolve_executor("source-x", version="1.2", install_if_missing=False, install_root=root)
    assert isinstance(executor, VenvExecutor)
    assert executor.requirements == ["airbyte-source-other==1.2"]
    assert executor.metadata is not None


@pytest.mark.parametrize("language", ["manifest-only", "java"])
def test_a_connector_without_a_package_is_run_from_the_image_that_the_registry_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    entry = {"dockerRepository": "airbyte/source-x", "dockerImageTag": "3.1", "language": language}
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(write_registry(tmp_path / "registry.json", entry)))

    executor = resolve_executor("source-x", install_if_missing=False)
    assert isinstance(executor, DockerExecutor)
    assert executor.image == "airbyte/source-x:3.1"

    with pytest.raises(exc.AirbyteConnectorNotPyPiPublishedError):
        resolve_executor("source-x", use_python=True)


def test_a_name_that_the_registry_does_not_know_is_an_error_with_the_near_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = write_registry(tmp_path / "registry.json", python_entry("source-postgres", "airbyte-source-postgres"))
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(registry))

    with pytest.raises(exc.AirbyteConnectorNotRegisteredError, match="source-postgres"):
        resolve_executor("source-postgre")


def test_without_a_reachable_registry_the_usual_package_name_is_taken_and_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", UNREACHABLE)

    with caplog.at_level(logging.WARNING):
        executor = resolve_executor("source-x", install_if_missing=False, install_root=root)

    assert isinstance(executor, VenvExecutor)
    assert executor.requirements == ["airbyte-source-x"]
    assert "airbyte-source-x" in caplog.text


def test_a_name_that_is_no_connectors_is_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="registry is turned off"):
        resolve_executor("faker")

    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", UNREACHABLE)

    with pytest.raises(exc.AirbyteConnectorRegistryError):
        resolve_executor("faker")


def test_what_was_installed_before_is_found_by_its_name_without_the_registry(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path / "wheels", version="1.0")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    first = resolve_executor("source-tiny", version="1.0", install_root=root)
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(tmp_path / "missing.json"))
    again = resolve_executor("source-tiny", version="1.0", install_root=root)
    assert again.launch().argv == first.launch().argv


def test_a_bundled_connector_comes_before_path_and_its_version_cannot_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "destination-local"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(resolve_executor("destination-local"), BundledExecutor)
    assert isinstance(resolve_executor("destination-local", local_executable=True), PathExecutor)

    with pytest.raises(exc.PyAirbyteInputError, match="version"):
        resolve_executor("destination-local", version="1.0")


def test_without_an_executor_a_connector_has_the_registrys_spec_and_cannot_be_launched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"connectionSpecification": {"type": "object"}}
    registry = write_registry(tmp_path / "registry.json", {"dockerRepository": "airbyte/source-x", "spec": spec})
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(registry))
    executor = resolve_executor("source-x", no_executor=True)
    assert isinstance(executor, NoOpExecutor)
    assert executor.known_spec() == spec

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError):
        executor.launch()


def test_latest_is_no_version(root: Path) -> None:
    executor = resolve_executor("source-x", version="latest", install_if_missing=False, install_root=root)
    assert isinstance(executor, VenvExecutor)
    assert executor.requirements == ["airbyte-source-x"]
