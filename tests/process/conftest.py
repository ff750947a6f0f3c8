from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airbyte_exec._process import open_guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
