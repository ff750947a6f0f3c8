"""The docker client's own settings: its contexts, which say where an engine is and how it is spoken to."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airbyte_exec.exceptions import PyAirbyteInputError

if TYPE_CHECKING:
    from docker.tls import TLSConfig


def current_context() -> str:
    """Return the context that the client's own settings name."""
    config = _read_json(_config_folder() / "config.json") or {}
    return str(config.get("currentContext") or "default")


def context_host(name: str) -> str:
    """Return the address of a context.

    Raises:
        PyAirbyteInputError: there is none of that name.
    """
    # The SDK has a reader of its own, which finds no context where there is no config.json.
    meta = _read_json(_config_folder() / "contexts" / "meta" / _context_id(name) / "meta.json")
    try:
        return str(meta["Endpoints"]["docker"]["Host"])  # type: ignore[index]  # None is a TypeError, too
    except (KeyError, TypeError):
        raise PyAirbyteInputError(
            message=f"There is no context {name!r}, and it is no address.",
            guidance="`docker context ls` shows the contexts; an address begins with unix://, tcp:// or ssh://.",
            input_value=name,
        ) from None


def context_tls(name: str) -> TLSConfig | None:
    """Return how a context is spoken to; None where that is without TLS."""
    from docker.tls import TLSConfig

    folder = _config_folder() / "contexts" / "tls" / _context_id(name) / "docker"
    authority, certificate, key = (folder / f"{part}.pem" for part in ("ca", "cert", "key"))
    if not authority.exists() and not certificate.exists():
        return None

    pair = (str(certificate), str(key)) if certificate.exists() else None
    return TLSConfig(client_cert=pair, ca_cert=str(authority) if authority.exists() else None, verify=True)


def _config_folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _context_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None

    return found if isinstance(found, dict) else None
