"""Names of streams and namespaces as names of files: readable where they can be, and never anything but one name."""

from __future__ import annotations

import hashlib

_PLAIN = frozenset("-_. ")
_LONGEST = 200  # bytes; a file name has 255 on every usual filesystem, and ours get a suffix in places


def file_name(name: str) -> str:
    """Return the name as one path component; two different names never become the same one.

    Letters and digits of any script, `-`, `_`, and inner dots and spaces stay; all else is percent-encoded as UTF-8.
    A name that would be too long is cut and gets a digest behind `%~`, which no encoded name contains.
    """
    if not name:
        return "%empty"

    last = len(name) - 1
    parts = [
        char if char.isalnum() or (char in _PLAIN and not (char in ". " and at in (0, last))) else _encoded(char)
        for at, char in enumerate(name)
    ]
    whole = "".join(parts)
    if len(whole.encode()) <= _LONGEST:
        return whole

    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    kept, size = 0, 0
    while size + len(parts[kept].encode()) <= _LONGEST - 34:
        size += len(parts[kept].encode())
        kept += 1

    return "".join(parts[:kept]) + "%~" + digest


def _encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
