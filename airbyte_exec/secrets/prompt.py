"""Secrets that the user types."""

from __future__ import annotations

import sys
from getpass import getpass

from airbyte_exec.secrets.base import SecretManager, SecretSourceEnum, SecretString


class SecretsPrompt(SecretManager):
    """Asks on the terminal, without showing what is typed."""

    name = SecretSourceEnum.PROMPT.value

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Ask for a secret; None where there is no terminal, or nothing was typed."""
        if not is_interactive():
            return None

        try:
            typed = getpass(f"Enter the value for secret '{secret_name}': ")
        except EOFError:
            return None

        return SecretString(typed) if typed else None


def is_interactive() -> bool:
    """Return whether somebody can be asked: both ends are a terminal."""
    return all(stream is not None and not stream.closed and stream.isatty() for stream in (sys.stdin, sys.stderr))
