"""Secrets that another program keeps: the keyring of the desktop or the system, or whatever a function asks."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.secrets.base import SecretManager, SecretString


class KeyringSecretManager(SecretManager):
    """The keyring of this system, by the library `keyring` (the extra `keyring` of this package).

    It is asked when a connector is launched, and nothing of it is kept. Register it by `register_secret_manager`.

    Parameters:
        service: the service that the secrets are kept under: `keyring set airbyte-exec NAME`.

    Raises:
        PyAirbyteInputError: the library is not installed.
    """

    name = "keyring"

    def __init__(self, service: str = "airbyte-exec") -> None:
        super().__init__()
        self.service = service
        try:
            self._keyring: Any = import_module("keyring")
            self._error: type[Exception] = import_module("keyring.errors").KeyringError
        except ImportError:
            raise exc.PyAirbyteInputError(
                message="The library `keyring` is not installed.", guidance="pip install 'airbyte-exec[keyring]'"
            ) from None

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return a secret, or None where the keyring has none of that name.

        Raises:
            PyAirbyteSecretNotFoundError: the keyring is locked, or there is none.
        """
        try:
            value = self._keyring.get_password(self.service, secret_name)
        except self._error as error:
            raise exc.PyAirbyteSecretNotFoundError(
                message=f"The keyring cannot be asked: {error}", secret_name=secret_name, sources=[self.name]
            ) from None

        return None if value is None else SecretString(value)


class CallbackSecretManager(SecretManager):
    """Secrets that a function gives.

    Parameters:
        callback: called in a worker thread with the name of a secret, each time a connector is launched; it returns the
            secret, or None where it has none of that name.
        name: what this source is called.
    """

    def __init__(self, callback: Callable[[str], str | None], *, name: str = "callback") -> None:
        self.name = name
        super().__init__()
        self._callback = callback

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return a secret, or None where the function has none of that name."""
        value = self._callback(secret_name)
        return None if value is None else SecretString(value)
