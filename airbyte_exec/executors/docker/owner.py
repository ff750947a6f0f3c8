"""Whose a container is: labels that name the process that made it, and whether that process still lives.

A process is named by its pid, when it began, its pid namespace and the boot of its machine: together they are given
to no other. Whether it lives can be told from the same namespace alone; elsewhere, a container is left in peace.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from airbyte_exec._process import _sweep

PREFIX = "airbyte-exec."
RUN_LABEL = f"{PREFIX}run"
CONNECTOR_LABEL = f"{PREFIX}connector"
COMMAND_LABEL = f"{PREFIX}command"
PID_LABEL = f"{PREFIX}owner-pid"
START_LABEL = f"{PREFIX}owner-start"
NAMESPACE_LABEL = f"{PREFIX}owner-pid-namespace"
BOOT_LABEL = f"{PREFIX}owner-boot"
HOST_LABEL = f"{PREFIX}owner-host"

Life = Literal["alive", "gone", "unknown"]


def labels(connector: str, command: str, run_id: str) -> dict[str, str]:
    """Return the labels of a container that this process makes."""
    pid = os.getpid()
    return {
        RUN_LABEL: run_id,
        CONNECTOR_LABEL: connector,
        COMMAND_LABEL: command,
        PID_LABEL: str(pid),
        START_LABEL: str(_sweep.start_time(pid) or ""),
        NAMESPACE_LABEL: _namespace(),
        BOOT_LABEL: _boot(),
        HOST_LABEL: _host(),
    }


def container_name(connector: str, command: str, run_id: str) -> str:
    """Return the name of a container; the run makes it unique."""
    return f"airbyte-exec-{re.sub(r'[^A-Za-z0-9_.-]+', '-', connector)[:80]}-{command}-{run_id[:16]}"


def life(found: Mapping[str, str], *, is_running: bool) -> Life:
    """Return whether the owner of a container with these labels lives, as far as it can be told from here.

    Parameters:
        is_running: whether the container runs.
    """
    if found.get(HOST_LABEL) != _host():
        return "unknown"

    if found.get(BOOT_LABEL) != _boot():
        # The machine was started anew since. A name may be shared by two machines: what runs is left alone.
        return "unknown" if is_running else "gone"

    if found.get(NAMESPACE_LABEL) != _namespace() or not found.get(PID_LABEL, "").isdecimal():
        return "unknown"

    return "alive" if _lives(int(found[PID_LABEL]), found.get(START_LABEL, "")) else "gone"


def _lives(pid: int, start: str) -> bool:
    process = _sweep.read_process(pid)
    if process is not None:
        return process.state not in (b"Z", b"X") and str(process.start) in (start, "")

    if Path("/proc/self/stat").exists():
        return False

    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True

    return True


@cache
def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


@cache
def _host() -> str:
    return f"{socket.gethostname()} {_read('/etc/machine-id')}".strip()


@cache
def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
