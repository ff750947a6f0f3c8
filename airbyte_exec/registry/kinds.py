"""The words of the connector registry: how a connector is installed, and what it is written in."""

from __future__ import annotations

from enum import StrEnum


class InstallType(StrEnum):
    """How a connector can be installed."""

    YAML = "yaml"
    """A manifest and nothing else."""
    PYTHON = "python"
    """A package on PyPI."""
    DOCKER = "docker"
    """An image; every connector of the registry has one."""
    JAVA = "java"
    """Written in Java or Kotlin: an image is the only way."""
    INSTALLABLE = "installable"
    """Asked for: what this version of the package can install by itself."""
    ANY = "any"
    """Asked for: all of the registry."""


class Language(StrEnum):
    """What a connector is written in."""

    PYTHON = "python"
    JAVA = "java"
    MANIFEST_ONLY = "manifest-only"
