"""The versions of a connector, as the changelog of its documentation lists them.

The registry knows the latest version alone. The page is HTML for people, and leaves out end tags: a table whose rows
begin with a version and a date is the changelog, whatever stands around it.
"""

from __future__ import annotations

import logging
import re
import time
from html.parser import HTMLParser

from airbyte_exec import exceptions as exc
from airbyte_exec.constants import offline_mode
from airbyte_exec.registry.document import DOWNLOAD_LIMIT
from airbyte_exec.registry.models import ConnectorVersionInfo
from airbyte_exec.version import get_version

logger = logging.getLogger(__name__)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_VERSION = re.compile(r"v?\d+(\.\d+)+\S*")
_PULL_REQUEST = re.compile(r"https://github\.com/[^/]+/[^/]+/pull/\d+")


def read_history(connector_name: str, page_url: str, *, timeout: float) -> list[ConnectorVersionInfo]:
    """Return the versions that a page lists, in its order: the newest first.

    Raises:
        AirbyteConnectorRegistryError: the page cannot be read, or lists none.
    """
    found = parse_history(connector_name, page_url, _fetch(page_url, timeout))
    if not found:
        raise _unreadable(page_url, "it lists no versions")

    return found


def parse_history(connector_name: str, page_url: str, html: str) -> list[ConnectorVersionInfo]:
    """Return the versions that the text of a page lists."""
    parser = _Rows()
    parser.feed(html)
    parser.close()
    return [
        _version(connector_name, page_url, texts, links)
        for texts, links in parser.rows
        if len(texts) >= 2 and _VERSION.fullmatch(texts[0]) and _DATE.fullmatch(texts[1])
    ]


def _version(connector_name: str, page_url: str, texts: list[str], links: list[str]) -> ConnectorVersionInfo:
    version = texts[0].removeprefix("v")
    requests = list(dict.fromkeys(found[0] for link in links if (found := _PULL_REQUEST.match(link))))
    doubts = []
    if not requests:
        doubts.append(f"Version {version} names no pull request.")
    elif len(requests) > 1:
        doubts.append(f"Version {version} names {len(requests)} pull requests; this is the first.")

    return ConnectorVersionInfo(
        version=version,
        release_date=texts[1],
        docker_image_url=f"https://hub.docker.com/r/airbyte/{connector_name}/tags?name={version}",
        changelog_url=f"{page_url}#changelog",
        pr_url=requests[0] if requests else None,
        pr_title=texts[-1] if requests and len(texts) > 2 else None,
        parsing_errors=doubts,
    )


class _Rows(HTMLParser):
    """The rows of all tables: the texts of their cells, and the links in them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[list[str], list[str]]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append(([], []))

        if tag in ("tr", "td", "th", "table"):
            self._in_cell = tag in ("td", "th") and bool(self.rows)
            if self._in_cell:
                self.rows[-1][0].append("")
        elif tag == "a" and self._in_cell:
            self.rows[-1][1].extend(value for name, value in attrs if name == "href" and value)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "td", "th", "table"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            cells = self.rows[-1][0]
            cells[-1] = f"{cells[-1]} {data.strip()}".strip()


def _fetch(url: str, timeout: float) -> str:
    import urllib.request
    from http.client import HTTPException

    if offline_mode():
        raise _unreadable(url, "AIRBYTE_OFFLINE_MODE is set")

    if not url.startswith(("http://", "https://")):
        raise _unreadable(url, "it is no page on the network")

    request = urllib.request.Request(url, headers={"User-Agent": f"airbyte_exec/{get_version()}"})  # noqa: S310 - seen above
    deadline = time.monotonic() + timeout
    data = bytearray()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - urllib follows no redirect to a file
            while part := response.read1(2**20):
                data += part
                if len(data) > DOWNLOAD_LIMIT or time.monotonic() > deadline:
                    raise TimeoutError(f"it is larger than {DOWNLOAD_LIMIT} bytes or takes longer than {timeout:g} s")
    except (OSError, HTTPException) as error:
        raise _unreadable(url, str(error)) from error

    return data.decode("utf-8", "replace")


def _unreadable(url: str, reason: str) -> exc.AirbyteConnectorRegistryError:
    return exc.AirbyteConnectorRegistryError(
        message=f"The page of a connector cannot be read: {reason}", context={"page": url}
    )
