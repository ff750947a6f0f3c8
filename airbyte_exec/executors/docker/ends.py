"""How a container ended, in words: what its exit code alone does not tell."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_exec.executors.docker.engine import Engine
from airbyte_exec.executors.docker.errors import refusal
from airbyte_exec.executors.docker.image import Image
from airbyte_exec.executors.placement import Ending

_LOOKS = 5
_LOOK_PAUSE = 0.1
"""Seconds between two looks: the engine hears of an end, and of a want of memory, a little after the client."""
_KILLED, _TERMINATED, _JVM_OUT_OF_MEMORY = 137, 143, 3
_NO_SPACE = re.compile(r"No space left on device|Errno 28|disk quota exceeded", re.IGNORECASE)
_EXEC_FAILED = re.compile(r"\[FATAL tini|exec [^:]+: |executable file not found", re.IGNORECASE)
_MEMORY_HINT = "Give it more by `DockerOptions(memory='4g')`, or let it do less at a time."


def describe_end(
    engine: Engine, container: str, client_code: int, stderr_tail: Sequence[str], *, image: Image
) -> Ending:
    """Return how a container ended.

    Parameters:
        client_code: the exit code of the client program that was attached to it.
        stderr_tail: the last lines on stderr: the connector's, or the client's own.

    Raises:
        AirbyteConnectorError: the engine cannot be asked.
    """
    state = _state(engine, container, client_code)
    if state is None:
        return Ending(
            exit_code=client_code or _KILLED,
            failure="lost its container: somebody removed it while it ran",
            reason="killed",
        )

    if state["Status"] == "created":
        return _never_started(client_code, state, stderr_tail, image)

    if state.get("Running"):
        how = "its client program was killed" if client_code < 0 else "the connection to the engine broke"
        return Ending(
            exit_code=client_code or 1,
            failure=f"was cut off: {how}, while the container still ran",
            guidance="What it did after that is not known. Was the engine restarted, or a process killed?",
            reason="engine_lost",
        )

    return _exited(client_code, state, stderr_tail, image, engine)


def engine_lost(exit_code: int, why: str) -> Ending:
    """Return the end of a connector whose engine cannot be asked any more."""
    return Ending(
        exit_code=exit_code or 1,
        failure=f"was cut off: the engine ended or was restarted while it ran. {why}".rstrip("."),
        guidance="What is confirmed is saved: once the engine is up, the next run goes on from there.",
        reason="engine_lost",
    )


def _state(engine: Engine, container: str, client_code: int) -> Mapping[str, Any] | None:
    """Return the engine's State of the container, None where it is gone."""
    import docker.errors

    look = 0
    while True:
        with engine.errors("asking how a container ended"):
            try:
                state: dict[str, Any] = engine.api.inspect_container(container)["State"]
            except docker.errors.NotFound:
                return None

        is_settled = not state.get("Running") and (state.get("ExitCode") != _KILLED or state.get("OOMKilled"))
        look += 1
        if is_settled or client_code < 0 or look == _LOOKS:
            return state

        time.sleep(_LOOK_PAUSE)


def _never_started(code: int, state: Mapping[str, Any], tail: Sequence[str], image: Image) -> Ending:
    said = str(state.get("Error") or "") or "\n".join(tail)
    error = refusal(said or "nothing", doing="to start", image=image.name)
    return Ending(
        exit_code=state.get("ExitCode") or code or 1,
        failure=f"was not started. {error.get_message()}".rstrip("."),
        guidance=error.guidance,
        reason=(error.context or {}).get("reason"),
    )


def _exited(code: int, state: Mapping[str, Any], tail: Sequence[str], image: Image, engine: Engine) -> Ending:
    own = int(state.get("ExitCode") or 0)
    text = "\n".join(tail)
    if state.get("OOMKilled") and own:
        return Ending(
            exit_code=own,
            failure="ran out of memory: the kernel ended it at its container's limit",
            guidance=_MEMORY_HINT,
            reason="out_of_memory",
        )

    if own == _JVM_OUT_OF_MEMORY:
        return Ending(
            exit_code=own,
            failure="exited with code 3, by which a Java connector says that it ran out of memory",
            guidance=_MEMORY_HINT,
            reason="out_of_memory",
        )

    if own != code:
        return engine_lost(code or own, f"Its client program ended with {code}, and it with {own}")

    if own in (_KILLED, _TERMINATED):
        how = "was killed (SIGKILL)" if own == _KILLED else "was told to end (SIGTERM)"
        return Ending(
            exit_code=own,
            failure=how,
            guidance="`docker kill`, `docker stop`, a restart of the engine, or the kernel for want of memory on the "
            "whole machine.",
            reason="killed",
        )

    if own in (1, 126, 127, 255) and _EXEC_FAILED.search(text):
        found = _entrypoint_fault(own, text, image, engine)
        if found is not None:
            return found

    if own and _NO_SPACE.search(text):
        return Ending(
            exit_code=own,
            failure=f"exited with code {own}: there is no space left on its disk",
            guidance="`docker system df` shows what takes the space; it may also be the disk that it writes to.",
            reason="disk_full",
        )

    return Ending(exit_code=own)


def _entrypoint_fault(code: int, text: str, image: Image, engine: Engine) -> Ending | None:
    if "exec format error" in text.lower():
        return Ending(
            exit_code=code,
            failure=f"cannot run here: the image is made for {image.platform}, and the engine runs {engine.platform}",
            guidance=f"`DockerOptions(platform={engine.platform!r})` chooses another build of it, where there is one.",
            reason="wrong_platform",
        )

    if code in (126, 127):
        return Ending(
            exit_code=code,
            failure=f"was not started: what the image {image.name} is to run is not in it, or cannot be executed",
            guidance="An image of a connector sets ENTRYPOINT and AIRBYTE_ENTRYPOINT to a program that exists in it.",
            reason="entrypoint_missing",
        )

    return None
