"""The environment of a connector: the user's own, as a local program expects it, and what the platform sets."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from airbyte_exec.secrets.util import secret_variables

PLATFORM = {
    "DATA_CHANNEL_FORMAT": "JSONL",
    "DATA_CHANNEL_MEDIUM": "STDIO",
    "DEPLOYMENT_MODE": "OSS",
    "USE_STREAM_CAPABLE_STATE": "true",
    "WORKER_JOB_ATTEMPT": "0",
    "WORKER_JOB_ID": "0",
}
"""What the Airbyte platform tells every connector (its `RuntimeEnvVarFactory`), as far as it is true here."""

ALWAYS = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER"})
"""What a narrowed environment keeps all the same: nothing starts without these."""


def connector_environment(
    command: str, *, allowed: Collection[str] | None = None, secret: Collection[str] = ()
) -> dict[str, str]:
    """Return the environment for one command of a connector.

    Parameters:
        command: `spec`, `check`, `discover`, `read` or `write`.
        allowed: the only variables of ours that are passed on, beside `ALWAYS`; None passes all of them.
        secret: variables that hold a secret: these are never passed on. Nor is any other variable that a secret was
            taken from in this process: it may be another connector's.
    """
    ours: Mapping[str, str] = os.environ
    hidden = secret_variables().union(secret)
    kept = {
        name: value
        for name, value in ours.items()
        if name not in hidden and (allowed is None or name in allowed or name in ALWAYS)
    }
    return {**kept, **platform_environment(command)}


def platform_environment(command: str) -> dict[str, str]:
    """Return what the Airbyte platform tells a connector for one command: all of it that is not the machine's."""
    asks = command in ("spec", "check", "discover")
    return {**PLATFORM, "OPERATION_TYPE": command.upper()} if asks else dict(PLATFORM)
