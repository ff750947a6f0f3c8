"""Sources of secrets that a user writes."""

from __future__ import annotations

from abc import ABC

from airbyte_exec.secrets.base import SecretManager
from airbyte_exec.secrets.config import register_secret_manager


class CustomSecretManager(SecretManager, ABC):
    """Base class of a source that registers itself when it is made.

    Class variables:
        auto_register: register when an object is made.
        replace_existing: forget all other sources then.
        as_backup: be asked last and not first.
    """

    auto_register = True

    def __init__(self) -> None:
        super().__init__()

        if self.auto_register:
            self.register()

    def register(self, *, replace_existing: bool | None = None, as_backup: bool | None = None) -> None:
        """Make this a source that `get_secret` asks.

        Parameters:
            replace_existing: forget all other sources; None for what the class says.
            as_backup: be asked last; None for what the class says.
        """
        register_secret_manager(
            self,
            as_backup=self.as_backup if as_backup is None else as_backup,
            replace_existing=self.replace_existing if replace_existing is None else replace_existing,
        )
