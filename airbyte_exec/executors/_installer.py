"""Runs uv, or venv and pip: one command at a time, in a process group of its own, never longer than it may.

Knows nothing of connectors. What a command leaves running when it has ended is the caller's guard to end.
"""

from __future__ import annotations

import logging
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airbyte_exec import exceptions as exc

logger = logging.getLogger(__name__)

TERM_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL: an installer has nothing to save, its folder is thrown away."""
REAP_TIMEOUT = 10.0
"""Seconds for the kernel to end a killed process; longer only where it hangs in the kernel."""
_GLANCE = 0.2
"""Seconds between two looks at whether the installer ended while something else still holds its output."""

OUR_PYTHON = frozenset({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__"})
"""Variables that speak of our own interpreter: they would lead another one astray."""

_QUIET = {"GIT_TERMINAL_PROMPT": "0", "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "PYTHONUNBUFFERED": "1"}
"""A question on the terminal would never be seen, and progress bars are for terminals."""

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_MILESTONE = re.compile(r"(Resolved|Prepared|Installed|Building|Successfully installed|Collecting)\b")
_OTHER_PYTHON = re.compile(r"does not satisfy Python|requires a different Python|different python version")

_NO_PACKAGE = re.compile(r"was not found in the (?:package registry|provided package)|No matching distribution found")


@dataclass(frozen=True)
class Outcome:
    """What became of one command. `exit_code` is None where it was ended because it took too long."""

    exit_code: int | None
    text: str

    @property
    def wants_other_python(self) -> bool:
        """Whether the installer failed because some package does not support this Python."""
        return self.exit_code not in (0, None) and bool(_OTHER_PYTHON.search(_unwrapped(self.text)))

    @property
    def not_found(self) -> bool:
        """Whether the index has no package of that name."""
        return bool(_NO_PACKAGE.search(_unwrapped(self.text)))


def _unwrapped(text: str) -> str:
    """Return what uv folds to the width of a terminal as one line, without the bars that lead its lines."""
    return re.sub(r"\s*\n[\s│├╰─▶]*", " ", text)


class Uv:
    """The commands of uv."""

    def __init__(self) -> None:
        self.program = find_uv()

    def make_venv(self, folder: Path, python: str, *, download: bool) -> list[str]:
        """Return the command that makes a virtual environment."""
        fetch = [] if download else ["--no-python-downloads"]
        return [self.program, "venv", "--no-project", *fetch, "--python", python, str(folder)]

    def install(self, folder: Path, requirements: list[str], *, dependencies: bool) -> list[str]:
        """Return the command that installs into a virtual environment."""
        alone = [] if dependencies else ["--no-deps"]
        return [self.program, "pip", "install", "--python", str(folder / "bin" / "python"), *alone, *requirements]


class Pip:
    """The commands of `venv` and `pip`, for machines where uv is not wanted."""

    def make_venv(self, folder: Path, python: str, *, download: bool) -> list[str]:
        """Return the command that makes a virtual environment; a version is looked for on PATH."""
        del download
        program = python if "/" in python else shutil.which(f"python{python}") or f"python{python}"
        return [program, "-m", "venv", str(folder)]

    def install(self, folder: Path, requirements: list[str], *, dependencies: bool) -> list[str]:
        """Return the command that installs into a virtual environment."""
        alone = [] if dependencies else ["--no-deps"]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        return [*pip, "install", *alone, *requirements]


def find_uv() -> str:
    """Return the path of uv: the one that came with us, else the one on PATH.

    Raises:
        AirbyteConnectorInstallationError: there is none.
    """
    from uv import find_uv_bin

    try:
        return os.fspath(find_uv_bin())
    except FileNotFoundError:
        found = shutil.which("uv")

    if found is None:
        raise exc.AirbyteConnectorInstallationError(
            message="uv, which installs connectors, was not found.",
            guidance="Install it (`pip install uv`), or set AIRBYTE_NO_UV=1 to use venv and pip.",
        )

    return found


def mask_credentials(text: str) -> str:
    """Return a text with `user:password@` in its URLs made unreadable."""
    return _CREDENTIALS.sub("****", text)


def run(argv: list[str], *, env: Mapping[str, str], cwd: Path, timeout: float) -> Outcome:
    """Run a command to its end; its lines go to the logger.

    Parameters:
        env: set on top of what a child inherits.
        cwd: the working directory; uv takes settings from a project that it finds there.
        timeout: seconds; then the whole process group is ended. So it is when this call is interrupted.
    """
    logger.debug("Running %s", mask_credentials(" ".join(argv)))
    inherited = {name: value for name, value in os.environ.items() if name not in OUR_PYTHON}

    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**inherited, **_QUIET, **env},
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(127, str(error))

    lines: list[str] = []

    try:
        finished = _read_lines(process, time.monotonic() + timeout, lines.append)
    finally:
        _end_group(process)

    return Outcome(process.returncode if finished else None, "\n".join(lines))


def _read_lines(process: subprocess.Popen[bytes], deadline: float, keep: Callable[[str], None]) -> bool:
    """Read until the command ended; return whether it did so before the deadline."""
    assert process.stdout is not None
    fd = process.stdout.fileno()
    rest = b""

    with process.stdout, selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)

        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(min(left, _GLANCE)):
                if process.poll() is not None:
                    return True

                continue

            chunk = os.read(fd, 65536)
            *whole, rest = (rest + chunk).split(b"\n")

            for line in whole if chunk else [rest]:
                _tell(line, keep)

            if not chunk:
                return _wait(process, deadline - time.monotonic())

    return False


def _tell(line: bytes, keep: Callable[[str], None]) -> None:
    text = mask_credentials(line.decode(errors="replace").rstrip())

    if text:
        keep(text)
        logger.log(logging.INFO if _MILESTONE.match(text.strip()) else logging.DEBUG, "%s", text)


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bool:
    try:
        process.wait(max(timeout, 0.0))
    except subprocess.TimeoutExpired:
        return False

    return True


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the command's process group, unless its leader has ended: then its number may be another group's by now."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)

        if not _wait(process, TERM_GRACE):
            _signal_group(process.pid, signal.SIGKILL)
            _wait(process, REAP_TIMEOUT)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # Nobody is left; macOS answers EPERM for a group of zombies.
        return
