"""The child that starts a container, at an engine that a test plays; and output that does not arrive."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.opening import open_session
from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.executors.docker import attach
from airbyte_exec.executors.placement import Job, LocalPlacement, Placement
from airbyte_exec.secrets.masking import Masker

START = Path(attach.__file__).with_name("_start_main.py")
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"
STARTED = b"HTTP/1.1 204 No Content\r\n\r\n"
ENDED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{"StatusCode":7}\n\r\n0\r\n\r\n'


def frames(*payloads: bytes) -> bytes:
    return b"".join(struct.pack(">BxxxL", 2, len(payload)) + payload for payload in payloads)


@contextmanager
def engine(folder: Path, **answers: bytes) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of an engine that has one answer for each kind of question, and the questions."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "engine.sock"))
        server.listen()

        def serve() -> None:
            for _ in answers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return

                with connection:
                    question = b""
                    while b"\r\n\r\n" not in question and (part := connection.recv(1 << 16)):
                        question += part

                    asked.append(question.split()[1].decode() if question else "")
                    kind = next((kind for kind in answers if f"/{kind}" in asked[-1]), "")
                    connection.sendall(answers.get(kind, b""))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{folder}/engine.sock", asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def start(address: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", str(START), address, "1.41", "abc"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_stderr_comes_out_and_the_exit_code_is_the_containers(tmp_path: Path) -> None:
    text = os.urandom(100_000)
    said = UPGRADED + frames(b"one\n", b"", text)
    with engine(tmp_path, attach=said, start=STARTED, wait=ENDED) as (address, asked):
        done = start(address)

    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"one\n" + text)
    assert asked == [
        "/v1.41/containers/abc/attach?stream=1&stderr=1",
        "/v1.41/containers/abc/start",
        "/v1.41/containers/abc/wait",
    ]


@pytest.mark.parametrize("whole", [b"", ENDED[:20], ENDED[: ENDED.index(b"7")], ENDED[: ENDED.index(b"7") + 1]])
def test_an_engine_that_goes_away_before_it_has_told_the_end_tells_no_success(tmp_path: Path, whole: bytes) -> None:
    with engine(tmp_path, attach=UPGRADED + frames(b"one\n"), start=STARTED, wait=whole) as (address, _):
        done = start(address)

    assert done.returncode == 125
    assert done.stderr.startswith(b"one\nThe connection to the engine broke.")


def test_what_the_engine_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    refused = b'HTTP/1.1 400 Bad Request\r\n\r\n{"message":"exec: \\"x\\": not found"}\n'
    with engine(tmp_path, attach=UPGRADED, start=refused) as (address, _):
        done = start(address)

    assert (done.returncode, done.stderr) == (1, b'Error response from daemon: exec: "x": not found\n')


def test_without_an_engine_nothing_is_started(tmp_path: Path) -> None:
    done = start(f"unix://{tmp_path}/none.sock")

    assert done.returncode == 125
    assert b"No such file" in done.stderr


class Torn(Executor):
    """Runs a program that ends well, whose output comes over a connection that a test has ended."""

    def __init__(self, text: bytes) -> None:
        super().__init__("source-torn")
        self._text = text

    def launch(self) -> Launch:
        theirs, ours = socket.socketpair()
        with theirs:
            theirs.sendall(self._text)

        return Launch(argv=("sh", "-c", "exit 0"), take_stdout=ours.detach)

    def place(self, job: Job) -> Placement:
        return LocalPlacement(self.launch(), job)

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Nothing is installed."""


async def nobody(config: dict[str, object]) -> None:
    raise AssertionError(config)


@pytest.mark.parametrize(("lost", "reason"), [(0, None), (1, "engine_lost")])
def test_a_success_whose_last_bytes_did_not_arrive_is_a_failure(lost: int, reason: str | None) -> None:
    text = frames(b'{"type":"LOG","log":{"level":"INFO","message":"hello"}}\n')
    found: list[exc.AirbyteConnectorError | None] = []

    async def main() -> None:
        executor = Torn(text[: len(text) - lost])
        async with open_session(executor, "check", on_config=nobody, masker=Masker([])) as session:
            async for _ in session.batches():
                raise AssertionError

            await session.finish(exit_timeout=30)
            found.append(session.exit_error())

    anyio.run(main)
    (error,) = found
    assert (error and (error.context or {}).get("reason")) == reason
