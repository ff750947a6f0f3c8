"""The command line: one module a command. The only part of the package that prints."""

from __future__ import annotations

from airbyte_exec.cli._main import main

__all__ = ["main"]
