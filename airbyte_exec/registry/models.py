"""The types of the connector registry. They need pydantic: the package loads them when they are used."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from airbyte_exec.registry.kinds import InstallType, Language


class ConnectorMetadata(BaseModel):
    """What the registry says of one connector."""

    model_config = ConfigDict(frozen=True)

    name: str
    display_name: str | None = None
    connector_type: str | None = None
    definition_id: str | None = None
    docker_repository: str | None = None
    latest_available_version: str | None = None
    pypi_package_name: str | None = None
    language: Language | None = None
    install_types: set[InstallType] = {InstallType.DOCKER}
    suggested_streams: list[str] | None = None
    support_level: str | None = None
    release_stage: str | None = None
    source_type: str | None = None
    documentation_url: str | None = None
    release_date: str | None = None
    github_issue_label: str | None = None

    @property
    def default_install_type(self) -> InstallType:
        """The way that the registry recommends: manifest, then PyPI, then image."""
        if self.language is Language.MANIFEST_ONLY and InstallType.YAML in self.install_types:
            return InstallType.YAML

        return InstallType.PYTHON if InstallType.PYTHON in self.install_types else InstallType.DOCKER


class ApiDocsUrl(BaseModel):
    """A page about a connector, or about the API that it reads."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    title: str
    url: str
    source: str
    doc_type: str = Field(default="other", alias="type")
    requires_login: bool = Field(default=False, alias="requiresLogin")


class ConnectorVersionInfo(BaseModel):
    """One version of a connector, as the changelog of its documentation has it."""

    model_config = ConfigDict(frozen=True)

    version: str
    release_date: str | None = None
    docker_image_url: str
    changelog_url: str
    pr_url: str | None = None
    pr_title: str | None = None
    parsing_errors: list[str] = Field(default_factory=list)
