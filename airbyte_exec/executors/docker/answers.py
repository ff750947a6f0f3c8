"""What an image answered to `spec` and `discover`, on disk by the image's digest, for this user alone.

A spec is the same for as long as the image is. A catalog is that of one config, and of what it leads to, which may
change: it is believed for a while. The name of a catalog's file is a digest of the config under a key that never
leaves the folder: nobody who sees a name learns anything of a config.

    <cache>/airbyte_exec/images/key
    <cache>/airbyte_exec/images/<digest>/spec.json
    <cache>/airbyte_exec/images/<digest>/users.json
    <cache>/airbyte_exec/images/<digest>/catalog-<digest of the config>.json
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

CATALOG_AGE = 3600.0
"""Seconds for which a catalog is believed: several syncs of one sitting, and not those of tomorrow."""
_KEY_SIZE = 32  # bytes


def answers_folder() -> Path:
    """Return where answers are kept: below `XDG_CACHE_HOME`, by default `~/.cache`."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".cache") / "airbyte_exec" / "images"


def clear_answers() -> int:
    """Forget every answer; return how many images were known.

    Raises:
        OSError: the folder cannot be removed.
    """
    folder = answers_folder()
    if not folder.exists():
        return 0

    known = sum(1 for entry in folder.iterdir() if entry.is_dir())
    shutil.rmtree(folder)
    return known


class Answers:
    """The answers of one image. What cannot be read or written is as if it had never been there.

    Parameters:
        digest: the image's.
    """

    def __init__(self, digest: str) -> None:
        self._folder = answers_folder() / digest.replace(":", "-")

    def spec(self) -> dict[str, Any] | None:
        """Return the specification, None where it is not known."""
        return _read(self._folder / "spec.json")

    def keep_spec(self, text: str) -> None:
        """Keep a specification, which is a JSON object."""
        _write(self._folder / "spec.json", text)

    def catalog(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the catalog that belongs to a config, None where it is not known, or too old."""
        path = self._catalog_path(config)
        return _read(path) if path is not None and _is_young(path) else None

    def keep_catalog(self, config: Mapping[str, Any], text: str) -> None:
        """Keep a catalog, which is a JSON object; those that are too old are thrown away."""
        for old in self._folder.glob("catalog-*.json"):
            if not _is_young(old):
                old.unlink(missing_ok=True)

        path = self._catalog_path(config, make=True)
        if path is not None:
            _write(path, text)

    def user(self, user: str) -> tuple[int, int] | None:
        """Return uid and gid of a user of the image, None where they are not known."""
        match (_read(self._folder / "users.json") or {}).get(user):
            case [int(uid), int(gid)]:
                return uid, gid
            case _:
                return None

    def keep_user(self, user: str, numbers: tuple[int, int]) -> None:
        """Keep uid and gid of a user of the image."""
        known = _read(self._folder / "users.json") or {}
        _write(self._folder / "users.json", json.dumps({**known, user: numbers}))

    def forget(self) -> None:
        """Forget what the image answered."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _catalog_path(self, config: Mapping[str, Any], *, make: bool = False) -> Path | None:
        key = _key(self._folder.parent, make=make)
        if key is None:
            return None

        text = json.dumps(config, sort_keys=True).encode()
        return self._folder / f"catalog-{hmac.new(key, text, hashlib.sha256).hexdigest()}.json"


def _is_young(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False

    return 0 <= age < CATALOG_AGE


def _key(folder: Path, *, make: bool) -> bytes | None:
    """Return the key of the names, made where it is wanted."""
    path = folder / "key"
    try:
        if make and not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = _write_new(folder, secrets.token_bytes(_KEY_SIZE))
            try:
                os.link(temporary, path)  # unlike a rename it fails where another process was first
            except FileExistsError:
                pass
            finally:
                temporary.unlink()

        key = path.read_bytes()
    except OSError:
        return None

    return key if len(key) == _KEY_SIZE else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None

    return found if isinstance(found, dict) else None


def _write(path: Path, text: str) -> None:
    try:
        for folder in (path.parent.parent, path.parent):  # what `parents` makes would be open to others
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        _write_new(path.parent, text.encode()).replace(path)
    except OSError as error:
        logger.debug("An answer was not kept: %s", error)


def _write_new(folder: Path, content: bytes) -> Path:
    path = folder / f".{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)

    return path
