"""Configs with references to secrets, and what is secret in a config."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.constants import SECRETS_HYDRATION_PREFIX
from airbyte_exec.secrets.base import SecretString
from airbyte_exec.secrets.marks import ValuePath, leaves, looks_secret, secret_leaves
from airbyte_exec.secrets.util import get_secret, remember, variables_behind

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Hydrated:
    """A config with every reference resolved.

    Parameters:
        config: the config; a new one, nothing of it is shared.
        secret_values: the values that are secret because of how they came into it.
        environment_variables: the variables of this process that hold one of them: no child needs them.
    """

    config: dict[str, Any] = field(repr=False)
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    environment_variables: frozenset[str] = frozenset()


def hydrate(config: Mapping[str, Any], *, allow_prompt: bool = True) -> Hydrated:
    """Resolve each value `secret_reference::NAME` of a config by `get_secret`.

    Parameters:
        config: the config; it is not changed.
        allow_prompt: the user may be asked for a secret.

    Raises:
        PyAirbyteSecretNotFoundError: a secret is not known.
    """
    secrets: list[str] = []

    def resolve(value: str, path: ValuePath) -> str:
        del path

        if value.startswith(SECRETS_HYDRATION_PREFIX):
            value = get_secret(value, allow_prompt=allow_prompt)

        if isinstance(value, SecretString):
            secrets.append(str(value))

        return value

    result: dict[str, Any] = _mapped(config, resolve, ())
    behind = variables_behind([value for _, value in leaves(result, ()) if isinstance(value, str)])
    return Hydrated(result, tuple(dict.fromkeys([*secrets, *behind.values()])), frozenset(behind))


def hydrate_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Return a new config with every `secret_reference::NAME` resolved.

    Raises:
        PyAirbyteSecretNotFoundError: a secret is not known.
    """
    return hydrate(config).config


def expand_env(
    config: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    keep: Collection[str] = ("SOURCE_NAMESPACE",),
) -> dict[str, Any]:
    """Return the content of a pipeline file with `${NAME}` in its strings replaced by environment variables.

    `${NAME:-default}` gives a default for a variable that is not set; `$${` stands for `${` itself. Keys stay as they
    are, and a value stays a string. Where the variable has the name of a credential, or the key of a value that is one
    variable and no more, the value is a `SecretString` and counts as taken from that variable.

    Parameters:
        config: what the file holds; it is not changed.
        environ: the variables; by default those of this process.
        keep: names that mean something else and stay as they are written.

    Raises:
        PyAirbyteInputError: variables are not set; the message names them all.
    """
    variables = os.environ if environ is None else environ
    missing: list[str] = []

    def expand(text: str, path: ValuePath) -> str:
        whole = _VARIABLE.fullmatch(text) is not None and looks_secret(path[-1])
        taken: list[str] = []

        def replace(match: re.Match[str]) -> str:
            name, default = match[1], match[2]

            if name is None or name in keep:
                return "${" if name is None else match[0]

            if name not in variables:
                missing.extend([name] if default is None else [])
                return default or ""

            if whole or looks_secret(name):
                taken.append(name)

            return variables[name]

        expanded = _VARIABLE.sub(replace, text)

        for name in taken:
            remember(name, variables[name])

        return SecretString(expanded) if taken or isinstance(text, SecretString) else expanded

    result: dict[str, Any] = _mapped(config, expand, ())

    if missing:
        raise exc.PyAirbyteInputError(
            message=f"Environment variables are not set: {', '.join(dict.fromkeys(missing))}.",
            guidance="Set them, or give a default: `${NAME:-default}`.",
        )

    return result


def deep_update(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Put the values of `source` into `target`; dicts in both are merged, all else is replaced."""
    for key, value in source.items():
        known = target.get(key)

        if isinstance(value, Mapping) and isinstance(known, dict):
            deep_update(known, value)
        else:
            target[key] = value


def detect_hardcoded_secrets(
    config: Mapping[str, Any], spec_json_schema: Mapping[str, Any] | None = None
) -> list[list[str]]:
    """Return the paths of secrets that stand in a config as they are, and not as a reference.

    Parameters:
        config: the config.
        spec_json_schema: the connector's `connectionSpecification`, which says what is secret; without it, names that
            look like credentials are.
    """
    if spec_json_schema is None:
        found = [(path, value) for path, value in leaves(config, ()) if any(looks_secret(key) for key in path)]
    else:
        found = list(secret_leaves(config, spec_json_schema))

    paths = {
        path: None for path, value in found if isinstance(value, str) and not value.startswith(SECRETS_HYDRATION_PREFIX)
    }
    return [[str(part) for part in path] for path in paths]


def _mapped(value: Any, change: Callable[[str, ValuePath], str], path: ValuePath) -> Any:
    if isinstance(value, Mapping):
        return {key: _mapped(inner, change, (*path, key)) for key, inner in value.items()}

    if isinstance(value, list | tuple):
        return [_mapped(inner, change, (*path, index)) for index, inner in enumerate(value)]

    return change(value, path) if isinstance(value, str) else value
