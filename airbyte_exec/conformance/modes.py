"""The sync modes in which a case writes: those that it names, else one that the destination has.

By airbyte-protocol.md a destination is sent no mode but those of `supported_destination_sync_modes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_exec.conformance.cases import Case
from airbyte_exec.conformance.checks import NotApplicableError


def with_modes(case: Case, spec: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the syncs of a case, each stream with a mode.

    A stream without one is appended. Where the destination cannot, rows that stay can be told apart by `id`, as
    append_dedup does it; and what is written once and brought to its end can be overwritten.

    Raises:
        NotApplicableError: the destination has no such mode.
    """
    supported = (spec or {}).get("supported_destination_sync_modes")
    syncs: list[dict[str, Any]] = [dict(sync) for sync in case.input["syncs"] if _is_for(sync, supported)]
    times = Counter(about["name"] for sync in syncs for about in sync["streams"])
    breaks_off = any(not sync.get("complete", True) for sync in syncs)
    is_killed = any("kill" in step for sync in syncs for step in sync["send"])
    for sync in syncs:
        sync["streams"] = [
            about
            if "mode" in about
            else _with_mode(about, supported, once=times[about["name"]] == 1 and not breaks_off, ends=not is_killed)
            for about in sync["streams"]
        ]

    return syncs


def _is_for(sync: Mapping[str, Any], supported: Sequence[str] | None) -> bool:
    """Tell whether a destination can be sent a sync that is for those with a mode."""
    return supported is None or "only_with" not in sync or sync["only_with"] in supported


def _with_mode(about: Mapping[str, Any], supported: Sequence[str] | None, *, once: bool, ends: bool) -> dict[str, Any]:
    """Return a stream with the first mode that both it and the destination can be tried with."""
    allowed = {"append": True, "append_dedup": ends, "overwrite": once}
    modes = [mode for mode, is_allowed in allowed.items() if is_allowed]
    for mode in modes:
        if supported is None or mode in supported:
            keys = {"primary_key": [["id"]], "cursor": ["id"]} if mode == "append_dedup" else {}
            return {**about, **keys, "mode": mode}

    raise NotApplicableError(f"it does not support {' or '.join(modes)}")
