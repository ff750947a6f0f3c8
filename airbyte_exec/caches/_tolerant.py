"""RECORD lines that DuckDB cannot parse: lone surrogates, extreme depth.

The line itself is in the journal as it came. Here it becomes a line that DuckDB can parse, with as much of the data
as there is, and with a note in its meta on what is missing.
"""

from __future__ import annotations

import json
import re
from typing import Any

_EMITTED_AT = re.compile(rb'"emitted_at"\s*:\s*(\d{1,18})(?![\d.eE])')
_SURROGATE = re.compile("[\ud800-\udfff]")
_REASON = "DESTINATION_SERIALIZATION_ERROR"
_DEEPEST = 500


def readable(line: bytes) -> bytes:
    """Return a RECORD line that any JSON parser takes. Properties that cannot be kept are left out, and named in
    `meta.changes`; characters that no encoding has become U+FFFD.
    """
    try:
        record = json.loads(line)["record"]
        data = dict(record["data"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _without_data(line)

    meta = record.get("meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    changes = meta.get("changes")
    changes = list(changes) if isinstance(changes, list) else []
    kept: dict[str, Any] = {}
    for key, value in data.items():
        try:
            text = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            text = None

        if text is None or _depth(text) > _DEEPEST:
            changes.append({"field": _clean(key), "change": "NULLED", "reason": _REASON})
        elif _SURROGATE.search(text):
            kept[key] = json.loads(_clean(text))
            changes.append({"field": _clean(key), "change": "TRUNCATED", "reason": _REASON})
        else:
            kept[key] = value

    return _line(kept, record.get("emitted_at"), {**meta, "changes": changes})


def _without_data(line: bytes) -> bytes:
    found = _EMITTED_AT.search(line)
    changes = [{"field": "data", "change": "NULLED", "reason": _REASON}]
    return _line({}, int(found[1]) if found else None, {"changes": changes})


def _line(data: dict[str, Any], emitted_at: Any, meta: dict[str, Any]) -> bytes:
    text = json.dumps({"record": {"data": data, "emitted_at": emitted_at, "meta": meta}}, ensure_ascii=False)
    return _clean(text).encode() + b"\n"


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _depth(text: str) -> int:
    """Return how deep the brackets nest at most; brackets in strings count too, which only errs on the safe side."""
    deepest = depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1

    return deepest
