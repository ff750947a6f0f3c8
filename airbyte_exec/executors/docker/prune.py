"""Removes containers whose owner has died, and never one whose owner may live."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PruneReport:
    """What was done with the containers of airbyte_exec that the engine has.

    Parameters:
        removed: names of those whose owner is gone: they were killed and removed.
        alive: names of those whose owner lives.
        unknown: names of those whose owner cannot be seen from here (another machine, another pid namespace): left.
        failed: names of those that could not be removed, each with the engine's reason.
    """

    removed: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def prune(engine: str | None = None) -> PruneReport:
    """Remove the containers that a process of airbyte_exec left behind when it was killed.

    Parameters:
        engine: the engine's address or a context, as in `DockerOptions`.

    Raises:
        AirbyteConnectorExecutableNotFoundError: the engine cannot be reached; the message says why.
    """
    raise NotImplementedError(engine)
