from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airbyte_exec._process import open_guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from airbyte_exec._process import Guard

PATIENCE = 30.0  # seconds until a test gives up waiting for something that must come


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def guard() -> Iterator[Guard]:
    with open_guard() as opened:
        yield opened


@pytest.fixture
def env() -> dict[str, str]:
    return dict(os.environ)


@pytest.fixture
def python() -> Callable[..., list[str]]:
    """Make the command line of a child from a few lines of Python, in an interpreter that starts fast."""
    return lambda source, *args: [sys.executable, "-I", "-S", "-c", source, *map(str, args)]


@pytest.fixture
def actor() -> Callable[..., list[str]]:
    """Make the command line of `actor.py`."""
    return lambda *args: [sys.executable, "-I", "-S", str(Path(__file__).with_name("actor.py")), *map(str, args)]


@contextmanager
def host(*argv: object, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A host process of its own, in a session of its own: killed at the end, also of a failed test."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *map(str, argv)], stdin=pipe, stdout=pipe, env=env, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def open_host() -> Callable[..., AbstractContextManager[subprocess.Popen[str]]]:
    return host


# The quota of pipes and the modes of folders bind only an unprivileged user. It is one of the test's own, since all of
# a user's processes count. The interpreter may lie where that user cannot read: everything is imported before.
BECOME_NOBODY = """
import encodings.ascii, fcntl, os, sys
if os.getuid() == 0:
    nobody = 60000 + os.getpid() % 5000
    os.setgroups([]); os.setresgid(nobody, nobody, nobody); os.setresuid(nobody, nobody, nobody)
"""


@pytest.fixture
def run_as_nobody() -> Callable[[str, str], str]:
    def run(imports: str, script: str) -> str:
        argv = [sys.executable, "-c", imports + BECOME_NOBODY + script]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


class Liveness:
    """A FIFO that processes hold open while they live: its end is the proof that all of them are gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._text = ""

    def await_names(self, *names: str) -> None:
        while missing := set(names) - set(self._text.split("\n")[:-1]):
            assert self._read(), f"{missing} never came, or all others ended before"

    def await_end(self) -> None:
        while self._read():
            pass

    def _read(self) -> str:
        assert select.select([self._fd], [], [], PATIENCE)[0], f"still alive, of {self._text.split()}"
        text = os.read(self._fd, 4096).decode()
        self._text += text
        return text

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def liveness(tmp_path: Path) -> Iterator[Liveness]:
    fifo = Liveness(tmp_path / "liveness")
    yield fifo
    fifo.close()
