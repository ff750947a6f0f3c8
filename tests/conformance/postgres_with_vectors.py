"""A Postgres of one's own with the extension `vector`, from a wheel of PyPI: nothing is installed on the machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "pgserver==0.1.4"
USER = "tester"
NOBODY = "nobody"  # who runs the server where we are root, which Postgres refuses
LIMIT = 120  # seconds for each step


class NoPostgresError(Exception):
    """There is none to be had here; the text is the reason."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A server that runs.

    Parameters:
        port: of 127.0.0.1.
    """

    port: int


@contextmanager
def postgres_with_vectors() -> Iterator[Postgres]:
    """Run a server for as long as the block lasts.

    Raises:
        NoPostgresError: it cannot be installed or started.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not below a folder that only we may enter
    try:
        folder.chmod(0o755)
        programs = _install(folder / "package")
        home = folder / "home"
        home.mkdir()
        if os.geteuid() == 0:
            shutil.chown(home, NOBODY)

        with _server(programs, home) as port:
            yield Postgres(port=port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(target: Path) -> Path:
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "-q", "--target", target, "--python-version", "3.11", "--no-deps", PACKAGE]
    _run([str(word) for word in command], as_other=False)
    return target / "pgserver" / "pginstall" / "bin"


@contextmanager
def _server(programs: Path, home: Path) -> Iterator[int]:
    port = _free_port()
    data, log = str(home / "data"), str(home / "log")
    control = [str(programs / "pg_ctl"), "-D", data]
    _run([str(programs / "initdb"), "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync"])
    _run([*control, "-w", "-l", log, "-o", f"-p {port} -k {home} -c listen_addresses=127.0.0.1", "start"])
    try:
        sql = ["-h", "127.0.0.1", "-p", str(port), "-U", USER, "-q", "-c", "CREATE EXTENSION vector", "postgres"]
        _run([str(programs / "psql"), *sql])
        yield port
    finally:
        _run([*control, "-m", "immediate", "stop"])


def _run(command: list[str], *, as_other: bool = True) -> None:
    user = NOBODY if as_other and os.geteuid() == 0 else None
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        # Files, not pipes: the server inherits them and stays.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            done = subprocess.run(
                command, cwd="/", env=environment, user=user, stdout=said, stderr=said, timeout=LIMIT, check=False
            )
            said.seek(0)
            words = said.read()
    except (OSError, LookupError, subprocess.TimeoutExpired) as error:
        raise NoPostgresError(f"no Postgres with vectors: {error}") from error

    if done.returncode != 0:
        raise NoPostgresError(f"no Postgres with vectors: {Path(command[0]).name}: {words.strip()[-300:]}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
