"""An engine of a test's own, which may be killed: `dockerd` in a folder, with the images of another engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

START_LIMIT = 60.0
NEEDED = 1 << 30  # bytes
PATHS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def why_no_own_engine() -> str | None:
    """Return why no engine can be started here; None where one can."""
    if os.geteuid() != 0:
        return "an engine of a test's own needs root"

    return None if shutil.which("dockerd", path=PATHS) else "there is no dockerd to start"


class OwnEngine:
    """A `dockerd` without any network of its own.

    Attributes:
        address: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"unix://{folder / 'docker.sock'}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        for stale in ("dockerd.pid", "exec/containerd/containerd.pid"):
            (self._folder / stale).unlink(missing_ok=True)

        program = shutil.which("dockerd", path=PATHS)
        assert program is not None
        flags = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false")
        places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "dockerd.pid"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(program, "--host", self.address, *flags),
                    *(word for flag, name in places.items() for word in (flag, str(self._folder / name))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": PATHS},
                start_new_session=True,
            )

        end = time.monotonic() + START_LIMIT
        while subprocess.run(["docker", "--host", self.address, "info"], capture_output=True, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < end, "the engine does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it with all that it started, as a machine does that loses its power: nothing says goodbye."""
        assert self._process is not None
        while found := self._mine():
            for process in found:
                with suppress(psutil.Error):
                    process.kill()

            psutil.wait_procs(found, timeout=1)  # they hold locks that the next one needs

        self._process.wait()

    def suspend(self) -> None:
        """Stop dockerd where it stands: it answers nothing, and passes nothing on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let dockerd go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it. It is killed: an orderly end takes seconds, and nothing of it is kept."""
        if self._process is not None:
            self.kill()

        for mounted in reversed(_mounts(self._folder)):
            subprocess.run(["umount", "--lazy", mounted], check=False, capture_output=True)

    def take_images(self, images: Iterable[str]) -> None:
        """Copy images from the engine of the environment."""
        names = list(images)
        with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "--host", self.address, "load", "--quiet"],
                stdin=saved.stdout,
                check=True,
                capture_output=True,
            )

        assert saved.returncode == 0

    def _mine(self) -> list[psutil.Process]:
        """Return dockerd itself, then its containerd and the shims, which are told by the folder."""
        mark = str(self._folder)
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue

                if mark in line and any(word in line.split()[0] for word in ("dockerd", "containerd")):
                    found.append(process)

        return sorted(found, key=lambda process: process.pid)


def _mounts(folder: Path) -> list[str]:
    with open("/proc/self/mounts", encoding="utf-8") as table:
        return [line.split()[1] for line in table if line.split()[1].startswith(str(folder))]


def place_of_engines() -> str:
    """Return a short path, since a socket's name has 107 bytes; in memory where there is room for two images."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > NEEDED else "/tmp"


@contextmanager
def own_engine(images: Iterable[str]) -> Iterator[OwnEngine]:
    """Yield an engine that has some images of the one of the environment."""
    folder = Path(tempfile.mkdtemp(prefix="own-engine-", dir=place_of_engines()))
    engine = OwnEngine(folder)
    try:
        engine.start()
        engine.take_images(images)
        yield engine
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)
