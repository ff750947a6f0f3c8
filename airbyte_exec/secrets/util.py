"""Fetches secrets by name."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from airbyte_exec import exceptions as exc
from airbyte_exec.constants import SECRETS_HYDRATION_PREFIX
from airbyte_exec.secrets.base import SecretManager, SecretSourceEnum, SecretString
from airbyte_exec.secrets.config import secret_sources

Sources = Sequence[SecretManager | SecretSourceEnum | str] | SecretManager | SecretSourceEnum | str

_PART_LENGTH = 4
"""Characters; a shorter value is part of many texts by chance."""

_fetched: dict[str, str] = {}
"""Environment variable -> the secret that was taken from it in this process."""


def get_secret(
    name: str,
    /,
    *,
    sources: Sources | None = None,
    default: str | SecretString | None = None,
    allow_prompt: bool = True,
) -> SecretString:
    """Return a secret from the first source that has it; a prompt comes last.

    Parameters:
        name: the secret's name, also with `secret_reference::` before it.
        sources: the sources to ask, objects or names, in this order; by default all that are registered.
        default: returned where no source has it.
        allow_prompt: the user may be asked.

    Raises:
        PyAirbyteSecretNotFoundError: no source has it, and there is no default.
        PyAirbyteInputError: a source that is named is not registered.
    """
    wanted = name.removeprefix(SECRETS_HYDRATION_PREFIX).strip()
    managers = _managers(sources)
    prompts = [manager for manager in managers if manager == SecretSourceEnum.PROMPT]
    silent = [manager for manager in managers if manager != SecretSourceEnum.PROMPT]

    for manager in [*silent, *(prompts if allow_prompt else [])]:
        value = manager.get_secret(wanted)

        if value is not None:
            if os.environ.get(wanted) == str(value):
                remember(wanted, value)

            return SecretString(value)

    if default is not None:
        return SecretString(default)

    raise exc.PyAirbyteSecretNotFoundError(secret_name=wanted, sources=[str(manager) for manager in managers])


def is_secret_available(secret_name: str) -> bool:
    """Return whether some source has a secret; the user is not asked."""
    return try_get_secret(secret_name) is not None


def try_get_secret(
    secret_name: str, /, default: str | SecretString | None = None, sources: Sources | None = None
) -> SecretString | None:
    """Return a secret, or the default, or None; the user is not asked.

    Raises:
        PyAirbyteInputError: a source that is named is not registered.
    """
    try:
        return get_secret(secret_name, sources=sources, default=default, allow_prompt=False)
    except exc.PyAirbyteSecretNotFoundError:
        return None


def remember(variable: str, value: str) -> None:
    """Keep in mind that a secret was taken from an environment variable."""
    _fetched[variable] = str(value)


def secret_variables() -> frozenset[str]:
    """Return the environment variables from which a secret was taken in this process."""
    return frozenset(_fetched)


def variables_behind(texts: Collection[str]) -> dict[str, str]:
    """Return the environment variables from which a secret was taken that is one of these texts, or part of one."""
    return {
        name: value
        for name, value in _fetched.items()
        if value in texts or (len(value) >= _PART_LENGTH and any(value in text for text in texts))
    }


def _managers(sources: Sources | None) -> list[SecretManager]:
    registered = secret_sources()

    if sources is None:
        return registered

    named = [sources] if isinstance(sources, str | SecretManager) else list(sources)
    found: list[SecretManager] = []

    for source in named:
        if isinstance(source, SecretManager):
            found.append(source)
        elif source in registered:
            found.append(registered[registered.index(source)])  # type: ignore[arg-type]  # equal by name
        else:
            raise exc.PyAirbyteInputError(
                message=f"There is no source of secrets {str(source)!r}.",
                guidance=f"Registered: {', '.join(map(str, registered)) or 'none'}.",
                input_value=str(source),
            )

    return found
