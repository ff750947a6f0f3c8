"""Secrets from environment variables and from a `.env` file."""

from __future__ import annotations

import os
from pathlib import Path

from airbyte_exec.secrets.base import SecretManager, SecretSourceEnum, SecretString


class EnvVarSecretManager(SecretManager):
    """The environment variables of this process."""

    name = SecretSourceEnum.ENV.value

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return the value of a variable, or None where it is not set."""
        value = os.environ.get(secret_name)
        return None if value is None else SecretString(value)


class DotenvSecretManager(SecretManager):
    """A `.env` file, read at each call.

    Parameters:
        dotenv_path: the file; by default the `.env` of the working directory or of the nearest folder above it.
    """

    def __init__(self, dotenv_path: Path | None = None) -> None:
        self.dotenv_path = dotenv_path
        source = SecretSourceEnum.DOTENV.value
        self.name = f"{source}:{dotenv_path}" if dotenv_path else source

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return the value of a name, or None where the file does not give it one, or there is no file."""
        value = self._values().get(secret_name)
        return None if value is None else SecretString(value)

    def list_secrets_names(self) -> list[str]:
        """Return the names that the file has."""
        return list(self._values())

    def _values(self) -> dict[str, str | None]:
        from dotenv import dotenv_values, find_dotenv

        path = self.dotenv_path or find_dotenv(usecwd=True)

        try:
            return dict(dotenv_values(path)) if path else {}
        except (OSError, UnicodeDecodeError):
            return {}
