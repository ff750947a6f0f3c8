"""Removes containers whose owner has died, and never one whose owner may live."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from airbyte_exec.exceptions import AirbyteConnectorError
from airbyte_exec.executors.docker import owner
from airbyte_exec.executors.docker.engine import Engine, find_engine

logger = logging.getLogger(__name__)


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
    return sweep(find_engine(engine))


def sweep_once(engine: Engine) -> None:
    """Remove the orphans that an engine has, once a process, and what this process could not remove before.

    That it fails is no reason to run nothing.
    """
    while engine.left:
        container = engine.left.pop()
        try:
            remove(engine, container)
        except AirbyteConnectorError:
            engine.left.add(container)
            break

    if engine.swept:
        return

    engine.swept = True
    try:
        report = sweep(engine)
    except AirbyteConnectorError as error:
        logger.debug("The engine was not looked through for orphans: %s", error.get_message())
        return

    for name in report.removed:
        logger.info("Removed the container %s, whose owner has died.", name)


def sweep(engine: Engine) -> PruneReport:
    """Remove the orphans that an engine has.

    Raises:
        AirbyteConnectorExecutableNotFoundError: the engine cannot be reached.
    """
    api: Any = engine.api
    with engine.errors("listing containers"):
        found = api.containers(all=True, filters={"label": owner.RUN_LABEL})

    names: dict[str, list[str]] = defaultdict(list)
    for container in found:
        name = str((container.get("Names") or [container["Id"]])[0]).lstrip("/")
        state = owner.life(container.get("Labels") or {}, is_running=container.get("State") == "running")
        if state != "gone":
            names[state].append(name)
            continue

        try:
            remove(engine, container["Id"])
        except AirbyteConnectorError as error:
            names["failed"].append(f"{name}: {error.get_message()}")
        else:
            names["removed"].append(name)

    return PruneReport(**{kind: tuple(listed) for kind, listed in names.items()})


def remove(engine: Engine, container: str) -> None:
    """Kill and remove a container, with the volumes that are its alone; one that is gone is well.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    import docker.errors

    with engine.errors("removing a container"):
        try:
            engine.api.remove_container(container, v=True, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            # Somebody else is at it: it will be gone.
            if error.status_code != 409 or "already in progress" not in str(error.explanation):
                raise
