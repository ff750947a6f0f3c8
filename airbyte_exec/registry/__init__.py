"""What the connector registry says of connectors: names, languages, packages, versions.

The registry is a JSON document on the network, or the one that `AIRBYTE_LOCAL_REGISTRY` names (a URL or a
file; `0`, `F` or `FALSE` turns the registry off). `AIRBYTE_OFFLINE_MODE` turns off a registry on the
network, not one in a file. Both variables are read at each call. What was read from the network is kept for
an hour.
"""

from __future__ import annotations

import difflib
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airbyte_exec import exceptions as exc
from airbyte_exec.registry.document import Entry, load_entries, load_spec, location
from airbyte_exec.registry.kinds import InstallType, Language

if TYPE_CHECKING:
    from airbyte_exec.registry.models import ApiDocsUrl, ConnectorMetadata, ConnectorVersionInfo

__all__ = [
    "ApiDocsUrl",
    "ConnectorMetadata",
    "ConnectorVersionInfo",
    "InstallType",
    "Language",
    "get_available_connectors",
    "get_connector_api_docs_urls",
    "get_connector_metadata",
    "get_connector_version_history",
    "load_spec",
]

logger = logging.getLogger(__name__)
_MODELS = frozenset({"ApiDocsUrl", "ConnectorMetadata", "ConnectorVersionInfo"})


def __getattr__(name: str) -> Any:
    # The models need pydantic, whose import takes longer than all else that `get_source` needs.
    if name in _MODELS:
        return getattr(import_module(f"{__name__}.models"), name)

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_connector_metadata(name: str) -> ConnectorMetadata | None:
    """Return what the registry says of a connector, or None where the registry is turned off.

    Raises:
        AirbyteConnectorNotRegisteredError: the registry does not know the name.
        AirbyteConnectorRegistryError: the registry cannot be read.
    """
    entries = load_entries()
    return None if entries is None else _metadata(_find(entries, name))


def get_available_connectors(install_type: InstallType | str | None = InstallType.INSTALLABLE) -> list[str]:
    """Return the names of connectors, sorted; none where the registry is turned off.

    Parameters:
        install_type: only those that can be installed so. `INSTALLABLE` (the default) are those that this
            version of the package installs by itself: the ones on PyPI.

    Raises:
        AirbyteConnectorRegistryError: the registry cannot be read.
        PyAirbyteInputError: there is no such install type.
    """
    try:
        wanted = InstallType(install_type or InstallType.INSTALLABLE)
    except ValueError:
        raise exc.PyAirbyteInputError(
            message=f"There is no install type {install_type!r}.",
            guidance=f"One of: {', '.join(kind.value for kind in InstallType)}.",
            input_value=str(install_type),
        ) from None

    if wanted is InstallType.INSTALLABLE:
        wanted = InstallType.PYTHON

    found = [_metadata(entry) for entry in (load_entries() or {}).values()]
    return sorted(known.name for known in found if wanted is InstallType.ANY or wanted in known.install_types)


def get_connector_api_docs_urls(connector_name: str) -> list[ApiDocsUrl]:
    """Return the pages that the registry names for a connector, each URL once.

    Raises:
        AirbyteConnectorNotRegisteredError: the registry does not know the name, or is turned off.
        AirbyteConnectorRegistryError: the registry cannot be read.
    """
    from pydantic import ValidationError

    from airbyte_exec.registry.models import ApiDocsUrl

    entry = _find(load_entries() or {}, connector_name)
    found: dict[str, ApiDocsUrl] = {}

    if url := entry.documentation_url:
        found[url] = ApiDocsUrl(title="Airbyte Documentation", url=url, source="registry")

    for page in entry.external_documentation_urls or []:
        try:
            docs = ApiDocsUrl.model_validate({**page, "source": "registry_external_docs"})
        except ValidationError as error:
            logger.warning("The registry's entry of %s names a page that is none: %s", connector_name, error)
            continue

        found.setdefault(docs.url, docs)

    return list(found.values())


def get_connector_version_history(
    connector_name: str,
    *,
    num_versions_to_validate: int = 5,  # noqa: ARG001 - PyAirbyte's name
    timeout: float = 30,
) -> list[ConnectorVersionInfo]:
    """Return the versions that the changelog of a connector's documentation lists, the newest first.

    Parameters:
        connector_name: the connector.
        num_versions_to_validate: kept for callers of PyAirbyte: the registry holds no dates of versions.
        timeout: seconds for the download.

    Raises:
        AirbyteConnectorNotRegisteredError: the registry does not know the name, or is turned off.
        AirbyteConnectorRegistryError: the registry or the page cannot be read, or the page lists no versions.
    """
    from airbyte_exec.registry.history import read_history

    entry = _find(load_entries() or {}, connector_name)
    kind, _, name = connector_name.partition("-")
    page = entry.documentation_url or f"https://docs.airbyte.com/integrations/{kind}s/{name}"
    return read_history(connector_name, page, timeout=timeout)


def _find(entries: dict[str, Entry], name: str) -> Entry:
    if entry := entries.get(name):
        return entry

    near = difflib.get_close_matches(name, entries, n=3, cutoff=0.7)
    raise exc.AirbyteConnectorNotRegisteredError(
        connector_name=name,
        guidance=f"Near names: {', '.join(near)}." if near else None,
        context={"registry": location() or "turned off"},
    )


def _metadata(entry: Entry) -> ConnectorMetadata:
    from airbyte_exec.registry.models import ConnectorMetadata

    name = entry.connector_name
    pypi = (entry.remote_registries or {}).get("pypi") or {}
    package = pypi.get("packageName") if pypi.get("enabled") else None
    language = _language(entry)
    kinds = {InstallType.DOCKER}

    if language is Language.PYTHON and package:
        kinds.add(InstallType.PYTHON)
    elif language is Language.JAVA:
        kinds.add(InstallType.JAVA)
    elif language is Language.MANIFEST_ONLY:
        kinds.add(InstallType.YAML)

    return ConnectorMetadata(
        name=name,
        display_name=entry.name,
        connector_type="source" if name.startswith("source-") else "destination",
        definition_id=entry.source_definition_id or entry.destination_definition_id,
        docker_repository=entry.docker_repository,
        latest_available_version=entry.docker_image_tag,
        pypi_package_name=package,
        language=language,
        install_types=kinds,
        suggested_streams=(entry.suggested_streams or {}).get("streams"),
        support_level=entry.support_level,
        release_stage=entry.release_stage,
        source_type=entry.source_type,
        documentation_url=entry.documentation_url,
        release_date=entry.release_date,
        github_issue_label=entry.github_issue_label,
    )


def _language(entry: Entry) -> Language | None:
    tags = [tag.removeprefix("language:") for tag in entry.tags or [] if tag.startswith("language:")]
    known = {language.value: language for language in Language}
    return next((known[word] for word in (entry.language, *tags) if word in known), None)
