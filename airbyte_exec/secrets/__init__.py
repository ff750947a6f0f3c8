"""Secrets: where they come from, how a config refers to them, and how they stay out of sight.

`get_secret("NAME")` asks the registered sources in turn: by default the environment, a `.env` file, and the user. A
config value `secret_reference::NAME` is resolved so when the connector is started. A source of one's own is a subclass
of `CustomSecretManager`.
"""

from __future__ import annotations

from airbyte_exec.secrets.base import SecretHandle, SecretManager, SecretSourceEnum, SecretString
from airbyte_exec.secrets.callers import CallbackSecretManager, KeyringSecretManager
from airbyte_exec.secrets.config import clear_secret_sources, disable_secret_source, register_secret_manager
from airbyte_exec.secrets.custom import CustomSecretManager
from airbyte_exec.secrets.env_vars import DotenvSecretManager, EnvVarSecretManager
from airbyte_exec.secrets.google import ColabSecretManager, GoogleGSMSecretManager, GSMSecretHandle
from airbyte_exec.secrets.masking import Masker
from airbyte_exec.secrets.prompt import SecretsPrompt
from airbyte_exec.secrets.util import get_secret

__all__ = [
    "CallbackSecretManager",
    "ColabSecretManager",
    "CustomSecretManager",
    "DotenvSecretManager",
    "EnvVarSecretManager",
    "GSMSecretHandle",
    "GoogleGSMSecretManager",
    "KeyringSecretManager",
    "Masker",
    "SecretHandle",
    "SecretManager",
    "SecretSourceEnum",
    "SecretString",
    "SecretsPrompt",
    "clear_secret_sources",
    "disable_secret_source",
    "get_secret",
    "register_secret_manager",
]
