from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.registry import (
    ConnectorMetadata,
    InstallType,
    Language,
    document,
    get_available_connectors,
    get_connector_api_docs_urls,
    get_connector_metadata,
    load_spec,
)

FAKER: dict[str, Any] = {
    "dockerRepository": "airbyte/source-faker",
    "dockerImageTag": "7.2.1",
    "name": "Sample Data",
    "sourceDefinitionId": "id-1",
    "language": "python",
    "tags": ["language:python", "cdk:python"],
    "remoteRegistries": {"pypi": {"enabled": True, "packageName": "airbyte-source-faker"}},
    "suggestedStreams": {"streams": ["users"]},
    "documentationUrl": "https://docs/faker",
    "externalDocumentationUrls": [
        {"title": "API", "url": "https://api/faker", "type": "api_reference", "requiresLogin": True},
        {"title": "Again", "url": "https://docs/faker"},
        {"title": "no url"},
    ],
    "spec": {"connectionSpecification": {"type": "object"}},
    "something": {"new": True},
}
DOCUMENT: dict[str, Any] = {
    "sources": [
        FAKER,
        {"dockerRepository": "airbyte/source-pokeapi", "tags": ["language:manifest-only"]},
        {"dockerRepository": "airbyte/source-mysql", "language": "java", "dockerImageTag": 7},
        {"dockerRepository": "airbyte/source-oracle", "language": "java"},
        {"dockerRepository": "airbyte/source-off", "language": "python", "remoteRegistries": {"pypi": {}}},
        {"name": "without a repository"},
    ],
    "destinations": [{"dockerRepository": "airbyte/destination-x", "language": "klingon"}],
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_kept", {})
    monkeypatch.delenv("AIRBYTE_OFFLINE_MODE", raising=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "registry.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(path))
    return path


class Server:
    """A registry on loopback that counts how often it was asked."""

    def __init__(self) -> None:
        server = self
        self.asked = 0
        self.body: bytes = json.dumps(DOCUMENT).encode()
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/registry.json"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", server.url)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()

    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()


@pytest.mark.usefixtures("file")
def test_an_entry_becomes_metadata() -> None:
    metadata = get_connector_metadata("source-faker")
    assert metadata == ConnectorMetadata(
        name="source-faker",
        display_name="Sample Data",
        connector_type="source",
        definition_id="id-1",
        docker_repository="airbyte/source-faker",
        latest_available_version="7.2.1",
        pypi_package_name="airbyte-source-faker",
        language=Language.PYTHON,
        install_types={InstallType.DOCKER, InstallType.PYTHON},
        suggested_streams=["users"],
        documentation_url="https://docs/faker",
    )
    assert metadata.default_install_type is InstallType.PYTHON


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("source-pokeapi", InstallType.YAML),
        ("source-oracle", InstallType.DOCKER),
        ("source-off", InstallType.DOCKER),
        ("destination-x", InstallType.DOCKER),
    ],
)
def test_the_default_way_to_install_follows_language_and_packages(name: str, kind: InstallType) -> None:
    metadata = get_connector_metadata(name)
    assert metadata is not None
    assert metadata.default_install_type is kind


@pytest.mark.usefixtures("file")
def test_connectors_are_listed_by_the_way_they_are_installed() -> None:
    assert get_available_connectors() == ["source-faker"]
    assert get_available_connectors(None) == ["source-faker"]
    assert get_available_connectors("python") == ["source-faker"]
    assert get_available_connectors(InstallType.YAML) == ["source-pokeapi"]
    assert get_available_connectors("java") == ["source-oracle"]
    every = ["destination-x", "source-faker", "source-off", "source-oracle", "source-pokeapi"]
    assert get_available_connectors("any") == get_available_connectors("docker") == every

    with pytest.raises(exc.PyAirbyteInputError, match="installable"):
        get_available_connectors("floppy")


@pytest.mark.usefixtures("file")
def test_an_entry_that_cannot_be_read_is_told_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        names = get_available_connectors("any")

    assert "source-mysql" not in names
    assert len([record for record in caplog.records if "cannot be read" in record.message]) == 2


@pytest.mark.usefixtures("file")
def test_an_unknown_name_is_an_error_with_the_near_names() -> None:
    with pytest.raises(exc.AirbyteConnectorNotRegisteredError, match="source-faker"):
        get_connector_metadata("source-fakir")


@pytest.mark.usefixtures("file")
def test_pages_and_spec_of_a_connector_are_known() -> None:
    pages = get_connector_api_docs_urls("source-faker")
    assert [page.url for page in pages] == ["https://docs/faker", "https://api/faker"]
    assert pages[1].doc_type == "api_reference"
    assert pages[1].requires_login
    assert load_spec("source-faker") == FAKER["spec"]
    assert load_spec("source-oracle") is None
    assert load_spec("source-unknown") is None


def test_a_file_is_read_also_in_offline_mode_and_when_it_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_OFFLINE_MODE", "1")
    assert get_available_connectors() == ["source-faker"]
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", file.as_uri())
    file.write_text("{}", encoding="utf-8")
    assert get_available_connectors("any") == []


@pytest.mark.parametrize("word", ["0", "F", "false", "FALSE"])
def test_the_registry_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", word)
    assert get_connector_metadata("source-faker") is None
    assert get_available_connectors("any") == []
    assert load_spec("source-faker") is None


def test_offline_mode_is_obeyed_when_it_is_set_and_not_when_we_were_imported(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_connector_metadata("source-faker") is not None
    monkeypatch.setenv("AIRBYTE_OFFLINE_MODE", "true")
    assert get_connector_metadata("source-faker") is None
    assert server.asked == 1


def test_a_registry_on_the_network_is_asked_once(server: Server) -> None:
    for name in ("source-faker", "source-oracle"):
        assert get_connector_metadata(name) is not None

    assert server.asked == 1


def test_what_was_read_is_kept_for_a_time_only(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "KEEP_SECONDS", -1.0)
    get_available_connectors()
    get_available_connectors()
    assert server.asked == 2


@pytest.mark.parametrize(("status", "body"), [(503, b""), (200, b"<html>"), (200, b"[]")], ids=str)
def test_a_registry_that_answers_nonsense_is_an_error_and_not_asked_again_at_once(
    server: Server, status: int, body: bytes
) -> None:
    server.status, server.body = status, body

    for _ in range(2):
        with pytest.raises(exc.AirbyteConnectorRegistryError, match="AIRBYTE_OFFLINE_MODE") as caught:
            get_connector_metadata("source-faker")

        assert server.url in str(caught.value)

    assert server.asked == 1


def test_a_registry_that_is_too_large_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "DOWNLOAD_LIMIT", 10)

    with pytest.raises(exc.AirbyteConnectorRegistryError, match="larger than 10 bytes"):
        get_connector_metadata("source-faker")

    assert server.asked == 1


def test_an_import_reads_no_environment_and_asks_nobody() -> None:
    code = (
        "import sys, os; os.environ['AIRBYTE_LOCAL_REGISTRY'] = '/nowhere'; "
        "import airbyte_exec.registry, airbyte_exec.executors, airbyte_exec.constants; "
        "os.environ['AIRBYTE_PROJECT_DIR'] = '/project'; "
        "assert str(airbyte_exec.constants.DEFAULT_PROJECT_DIR) == '/project'; "
        "print([m for m in ('docker', 'duckdb', 'requests', 'rich', 'sqlalchemy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
