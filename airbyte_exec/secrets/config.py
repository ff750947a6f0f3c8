"""Which sources are asked for secrets, in which order."""

from __future__ import annotations

from airbyte_exec.secrets.base import SecretManager, SecretSourceEnum
from airbyte_exec.secrets.env_vars import DotenvSecretManager, EnvVarSecretManager
from airbyte_exec.secrets.prompt import SecretsPrompt

_defaults: tuple[SecretManager, ...] = (EnvVarSecretManager(), DotenvSecretManager(), SecretsPrompt())
_sources: list[SecretManager] = list(_defaults)


def secret_sources() -> list[SecretManager]:
    """Return the sources, the first to be asked first."""
    return list(_sources)


def register_secret_manager(
    secret_manager: SecretManager, *, as_backup: bool = False, replace_existing: bool = False
) -> None:
    """Add a source.

    Parameters:
        secret_manager: the source.
        as_backup: ask it last and not first. A prompt comes after it all the same.
        replace_existing: forget all other sources.
    """
    if replace_existing:
        clear_secret_sources()

    _sources.insert(len(_sources) if as_backup else 0, secret_manager)


def clear_secret_sources() -> None:
    """Forget all sources, the default ones too."""
    _sources.clear()


def restore_secret_sources() -> None:
    """Go back to the default sources: environment, `.env`, prompt."""
    _sources[:] = _defaults


def disable_secret_source(source: SecretManager | SecretSourceEnum | str) -> None:
    """Forget one source, given by itself or by its name; one that is not there is no error."""
    _sources[:] = [known for known in _sources if known != source]
