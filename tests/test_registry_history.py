"""The versions of a connector, from the changelog of its documentation."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec import exceptions as exc
from airbyte_exec.registry import get_connector_version_history
from airbyte_exec.registry.history import parse_history

PULL = "https://github.com/airbytehq/airbyte/pull"
# Without the end tags that HTML does not need, as the real page is written.
MINIFIED = f"""
<table><thead><tr><th>Field<th>Type<tbody><tr><td>id<td>integer</table><p>3.0.0 on 2020-01-01
<table><thead><tr><th style=text-align:left>Version<th>Date<th>Pull Request<th>Subject<tbody>
<tr><td>7.2.1<td>2026-02-03<td><a href={PULL}/99 rel=noopener>99</a><td>Bump &amp; <code>fix</code> it<tr>
<td>7.2.0-rc.1<td>2026-01-02<td><a href={PULL}/97>97</a>, <a href={PULL}/98>98</a><td>Two
<tr><td>v0.1.0<td>2021-04-05<td>none<td>First<tr><td>unreleased<td>soon<td><td>Later</table>
"""
WHOLE = f"""
<table><tbody><tr><td>7.2.1</td>
<td>2026-02-03</td> <td><a href="{PULL}/99">99</a></td> <td>Bump</td></tr></tbody></table>
"""


class Page(BaseHTTPRequestHandler):
    text = MINIFIED

    def do_GET(self) -> None:
        body = self.text.encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def known_at(monkeypatch: pytest.MonkeyPatch, folder: Path, page: str) -> None:
    entry = {"dockerRepository": "airbyte/source-faker", "documentationUrl": page}
    (folder / "registry.json").write_text(json.dumps({"sources": [entry]}), encoding="utf-8")
    monkeypatch.setenv("AIRBYTE_LOCAL_REGISTRY", str(folder / "registry.json"))
    monkeypatch.delenv("AIRBYTE_OFFLINE_MODE", raising=False)


def test_the_changelog_is_read_from_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str) -> None:
    known_at(monkeypatch, tmp_path, f"{address}/faker")
    newest, candidate, first = get_connector_version_history("source-faker", num_versions_to_validate=1, timeout=20)

    assert (newest.version, newest.release_date, newest.pr_url) == ("7.2.1", "2026-02-03", f"{PULL}/99")
    assert newest.pr_title == "Bump & fix it"
    assert newest.changelog_url == f"{address}/faker#changelog"
    assert newest.docker_image_url == "https://hub.docker.com/r/airbyte/source-faker/tags?name=7.2.1"
    assert newest.parsing_errors == []
    assert (candidate.version, candidate.pr_url) == ("7.2.0-rc.1", f"{PULL}/97")
    assert candidate.parsing_errors == ["Version 7.2.0-rc.1 names 2 pull requests; this is the first."]
    assert (first.version, first.pr_url, first.pr_title) == ("0.1.0", None, None)
    assert first.parsing_errors == ["Version 0.1.0 names no pull request."]


def test_end_tags_change_nothing() -> None:
    (found,) = parse_history("source-faker", "https://docs/faker", WHOLE)

    assert (found.version, found.release_date, found.pr_title) == ("7.2.1", "2026-02-03", "Bump")


@pytest.mark.parametrize(("path", "said"), [("/missing", "404"), ("/faker", "lists no versions")])
def test_a_page_that_says_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, path: str, said: str
) -> None:
    known_at(monkeypatch, tmp_path, address + path)
    monkeypatch.setattr(Page, "text", "<p>nothing")

    with pytest.raises(exc.AirbyteConnectorRegistryError, match=said):
        get_connector_version_history("source-faker")


def test_a_registry_cannot_name_a_file_and_offline_is_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    known_at(monkeypatch, tmp_path, "file:///etc/passwd")
    with pytest.raises(exc.AirbyteConnectorRegistryError, match="no page on the network"):
        get_connector_version_history("source-faker")

    known_at(monkeypatch, tmp_path, address)
    monkeypatch.setenv("AIRBYTE_OFFLINE_MODE", "1")
    with pytest.raises(exc.AirbyteConnectorRegistryError, match="OFFLINE"):
        get_connector_version_history("source-faker")


def test_an_unknown_connector_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known_at(monkeypatch, tmp_path, "https://docs/faker")
    with pytest.raises(exc.AirbyteConnectorNotRegisteredError, match="source-fakir"):
        get_connector_version_history("source-fakir")


@given(st.text(alphabet="<>/ta=rdh\"' 1.-&;#!", max_size=60))
def test_any_text_is_a_page(text: str) -> None:
    parse_history("source-x", "https://docs/x", text)
