"""Files into a container and out of it, by the engine: nothing of them lies on a disk that we share with it.

They are owned by the user that the connector runs as, and that user's alone.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from airbyte_exec.executors.docker.engine import Engine

FOLDER = PurePosixPath("/airbyte-exec")
"""Where the connector finds its files; a folder of our own, for one of the image may belong to somebody else."""
LARGEST_READ = 64 << 20
"""Bytes that are read back of a file; the largest configs, with keys and certificates in them, have some kilobytes."""
_MOST_LINKS = 5


def file_path(option: str) -> str:
    """Return where a file is that an option names."""
    return str(FOLDER / f"{option}.json")


def put_files(engine: Engine, container: str, files: Mapping[str, bytes], *, uid: int, gid: int, mtime: int) -> None:
    """Put files into a created container, by the name of the option that names each.

    Parameters:
        mtime: when they were written, in seconds since the epoch: a file that has another time was written since.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo(FOLDER.name)
        folder.type, folder.mode, folder.uid, folder.gid, folder.mtime = tarfile.DIRTYPE, 0o700, uid, gid, mtime
        tar.addfile(folder)
        for option, content in files.items():
            entry = tarfile.TarInfo(f"{FOLDER.name}/{option}.json")
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(content), 0o600, uid, gid, mtime
            tar.addfile(entry, io.BytesIO(content))

    with engine.errors("putting files into a container"):
        engine.api.put_archive(container, str(FOLDER.parent), data.getvalue())


def is_as_put(engine: Engine, container: str, path: str, *, size: int, mtime: int) -> bool:
    """Return whether a file still has the size and the time that it was put with.

    It is twenty times as quick as reading it, for which an engine starts a process.

    Raises:
        AirbyteConnectorError: the engine cannot be reached.
    """
    api = engine.api
    with engine.errors("looking at a file of a container"):
        response = api.head(api._url("/containers/{0}/archive", container), params={"path": path}, timeout=api.timeout)

    try:
        stat = json.loads(base64.b64decode(response.headers["X-Docker-Container-Path-Stat"]))
        written = datetime.fromisoformat(stat["mtime"])
    except (KeyError, ValueError, TypeError):
        return False

    # A file that is written anew has a time between two whole seconds.
    return bool(stat.get("size") == size) and written == datetime.fromtimestamp(mtime, UTC)


def read_file(engine: Engine, container: str, path: str) -> bytes | None:
    """Return what a file in a container holds, None where there is no such file, or it is too large.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    for _ in range(_MOST_LINKS):
        link, content = _fetch(engine, container, path)
        if not link:
            return content

        path = str(PurePosixPath(path).parent / link)

    return None


def _fetch(engine: Engine, container: str, path: str) -> tuple[str, bytes | None]:
    """Return where a link leads and what a file holds."""
    import docker.errors

    data = bytearray()
    with engine.errors("reading a file of a container"):
        try:
            parts, _ = engine.api.get_archive(container, path)
            for part in parts:
                data += part
                if len(data) > LARGEST_READ:
                    return "", None
        except docker.errors.NotFound:
            return "", None

    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.next()
            if member is None or member.issym():
                return (member.linkname if member else ""), None

            file = tar.extractfile(member)
            return "", None if file is None else file.read()
    except tarfile.TarError:
        return "", None


def find_user(engine: Engine, container: str, user: str) -> tuple[int, int]:
    """Return uid and gid of what stands as USER in an image or an option: numbers, or names of its /etc/passwd.

    What cannot be found is left to the engine to refuse when the container is started; then it is root's here.
    """
    name, _, group = user.partition(":")
    if name in ("", "root", "0") and group in ("", "root", "0"):
        return 0, 0

    if name.isdecimal() and group.isdecimal():
        return int(name), int(group)

    users = _table(read_file(engine, container, "/etc/passwd"), columns=4)
    uid, gid = _numbers(users, name)
    if group.isdecimal():
        gid = int(group)
    elif group:
        groups = _table(read_file(engine, container, "/etc/group"), columns=3)
        gid = next((int(row[2]) for row in groups if row[0] == group), gid)

    return uid, gid


def _numbers(users: list[list[str]], name: str) -> tuple[int, int]:
    """Return uid and primary gid: a name is looked up first, as the engine does, and a number may have no line."""
    for column in (0, 2):
        for row in users:
            if row[column] == name:
                return int(row[2]), int(row[3])

    return (int(name), 0) if name.isdecimal() else (0, 0)


def _table(text: bytes | None, *, columns: int) -> list[list[str]]:
    """Return the rows that have as many columns, with numbers from the third on."""
    rows = [line.split(":") for line in (text or b"").decode(errors="replace").splitlines()]
    return [row for row in rows if len(row) >= columns and all(part.isdecimal() for part in row[2:columns])]
