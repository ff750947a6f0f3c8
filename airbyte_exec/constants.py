"""Names that stand on the wire or in tables, and what the environment says.

Nothing is read when this module is imported: the functions read the environment when they are called, and the
constants whose value depends on it (`DEFAULT_INSTALL_DIR`, …) are computed at each access.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

AB_EXTRACTED_AT_COLUMN: Final = "_airbyte_extracted_at"
AB_META_COLUMN: Final = "_airbyte_meta"
AB_RAW_ID_COLUMN: Final = "_airbyte_raw_id"
AB_INTERNAL_COLUMNS: Final = frozenset({AB_RAW_ID_COLUMN, AB_EXTRACTED_AT_COLUMN, AB_META_COLUMN})

DEFAULT_CACHE_SCHEMA_NAME: Final = "airbyte_raw"
DEFAULT_ARROW_MAX_CHUNK_SIZE: Final = 100_000

SECRETS_HYDRATION_PREFIX: Final = "secret_reference::"
"""A config value `secret_reference::NAME` stands for the secret NAME, looked up when it is needed."""

_TRUE_WORDS = frozenset({"1", "true", "t", "yes", "y", "on"})

if TYPE_CHECKING:
    from collections.abc import Callable

    AIRBYTE_OFFLINE_MODE: bool
    DEFAULT_CACHE_ROOT: Path
    DEFAULT_INSTALL_DIR: Path
    DEFAULT_PROJECT_DIR: Path
    NO_UV: bool
    TEMP_DIR_OVERRIDE: Path | None


def is_set(variable: str) -> bool:
    """Return whether an environment variable holds a word for yes: 1, true, t, yes, y, on (in any case)."""
    return os.environ.get(variable, "").strip().lower() in _TRUE_WORDS


def offline_mode() -> bool:
    """Return whether `AIRBYTE_OFFLINE_MODE` forbids asking the connector registry on the network."""
    return is_set("AIRBYTE_OFFLINE_MODE")


def no_uv() -> bool:
    """Return whether `AIRBYTE_NO_UV` asks for `venv` and `pip` in the place of uv."""
    return is_set("AIRBYTE_NO_UV")


def project_dir() -> Path:
    """Return `AIRBYTE_PROJECT_DIR`, or the working directory."""
    return _folder("AIRBYTE_PROJECT_DIR") or Path.cwd()


def cache_root() -> Path:
    """Return where caches lie by default: `AIRBYTE_CACHE_ROOT`, or `.cache` in the project's folder."""
    return _folder("AIRBYTE_CACHE_ROOT") or project_dir() / ".cache"


def install_root() -> Path:
    """Return where connectors are installed by default.

    `AIRBYTE_INSTALL_DIR` itself, else `.venvs` in `AIRBYTE_PROJECT_DIR`, else `airbyte_exec/venvs` in the
    user's data folder (`XDG_DATA_HOME`, by default `~/.local/share`).
    """
    if chosen := _folder("AIRBYTE_INSTALL_DIR"):
        return chosen

    if project := _folder("AIRBYTE_PROJECT_DIR"):
        return project / ".venvs"

    # The XDG base directory specification asks to ignore a relative path.
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = data_home if data_home.is_absolute() else Path.home() / ".local" / "share"
    return base / "airbyte_exec" / "venvs"


def temp_dir_override() -> Path | None:
    """Return `AIRBYTE_TEMP_DIR`, the folder for temporary files, where it is set."""
    return _folder("AIRBYTE_TEMP_DIR")


def _folder(variable: str) -> Path | None:
    text = os.environ.get(variable, "").strip()
    return Path(text).expanduser().absolute() if text else None


_COMPUTED: dict[str, Callable[[], Any]] = {
    "AIRBYTE_OFFLINE_MODE": offline_mode,
    "DEFAULT_CACHE_ROOT": cache_root,
    "DEFAULT_INSTALL_DIR": install_root,
    "DEFAULT_PROJECT_DIR": project_dir,
    "NO_UV": no_uv,
    "TEMP_DIR_OVERRIDE": temp_dir_override,
}


def __getattr__(name: str) -> Any:
    if name in _COMPUTED:
        return _COMPUTED[name]()

    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *_COMPUTED})
