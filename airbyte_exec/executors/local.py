"""Connectors that are programs on this machine, installed by somebody else.

Everything that can be known about the file is checked before it is run: the kernel's own answers ("no such
file" for a missing interpreter, "exec format error" for a script without one) name neither the connector nor
the fault.
"""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.base import Executor, Launch

_HEAD_SIZE = 512
"""Bytes of a file that tell what it is; the kernel looks at no more than 256 for a script's interpreter."""
_CONNECTOR_PREFIXES = ("source-", "destination-")


class PathExecutor(Executor):
    """Runs an executable file.

    Parameters:
        name: the connector's name; by default the file's.
        path: the file; a relative path is taken from the working directory of now.
        target_version: kept for callers; a file has no version that we could choose.
    """

    def __init__(self, name: str | None = None, *, path: Path, target_version: str | None = None) -> None:
        super().__init__(name or path.name, target_version=target_version)
        self.path = path.expanduser().absolute()

    def launch(self) -> Launch:
        """Return the command, after the file was checked."""
        check_executable(self.path, self.name)
        return Launch(argv=(str(self.path),))

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """Check that the file exists and can be run."""
        del auto_fix
        check_executable(self.path, self.name)


def find_executable(wanted: Path | str, name: str) -> Path:
    """Return the absolute path of an executable.

    Parameters:
        wanted: a path with a slash, a `Path` that exists, or the name of a program on PATH.
        name: the connector's name, for errors.

    Raises:
        AirbyteConnectorExecutableNotFoundError: there is no such file, or it cannot be run.
    """
    bare = os.fspath(wanted)
    is_path = os.sep in bare or (isinstance(wanted, Path) and wanted.exists())

    if is_path:
        path = Path(wanted).expanduser().absolute()
        check_executable(path, name)
        return path

    found = shutil.which(bare)

    if found is None:
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"There is no executable {bare!r} on PATH.",
            connector_name=name,
            guidance=_hint(bare, _programs_on_path(), "A path needs a slash in it, such as `./{}`."),
        )

    path = Path(found).absolute()
    check_executable(path, name)
    return path


def check_executable(path: Path, name: str) -> None:
    """Check that a file exists and that the kernel can run it.

    Raises:
        AirbyteConnectorExecutableNotFoundError: it cannot be run; the message says why.
    """
    fault, guidance = _fault(path)

    if fault:
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"The executable cannot be run: {fault}.",
            connector_name=name,
            guidance=guidance,
            context={"executable": str(path)},
        )


def _fault(path: Path) -> tuple[str | None, str | None]:
    try:
        if path.is_dir():
            return "it is a folder", _hint(path.name, _names_in(path), "Name a file in it, such as `{}`.")

        if not path.exists():
            gone = "it is a link to a file that does not exist" if path.is_symlink() else "it does not exist"
            return gone, _hint(path.name, _names_in(path.parent), None)

        if not path.is_file():
            return "it is no file", None

        if not os.access(path, os.X_OK):
            return "it is not executable for this user", f"chmod +x {path}"

        with path.open("rb") as file:
            head = file.read(_HEAD_SIZE)
    except PermissionError:
        # A program may be executable and not readable; then only the kernel can tell more.
        return (None, None) if os.access(path, os.X_OK) else ("this user may not look at it", None)
    except OSError as error:
        return str(error), None

    return _content_fault(head)


def _content_fault(head: bytes) -> tuple[str | None, str | None]:
    if not head:
        return "it is empty", None

    if not head.startswith(b"#!"):
        # Binary formats hold zero bytes; text without an interpreter is what the kernel refuses.
        text = b"\0" not in head
        guidance = "Begin the script with its interpreter, such as `#!/usr/bin/env python3`."
        return ("it is a script without a `#!` line", guidance) if text else (None, None)

    line = head.partition(b"\n")[0]

    if line.endswith(b"\r"):
        return "its `#!` line ends in a carriage return", "Save the script with Unix line ends."

    words = os.fsdecode(line[2:]).split()

    if not words:
        return "its `#!` line names no interpreter", None

    if not Path(words[0]).exists():
        return f"its interpreter {words[0]} does not exist", "Was the virtual environment moved or removed?"

    if Path(words[0]).name == "env" and len(words) == 2 and shutil.which(words[1]) is None:
        return f"its interpreter {words[1]} is not on PATH", None

    return None, None


def _hint(wanted: str, names: list[str], otherwise: str | None) -> str | None:
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)

    if near:
        return f"Near names: {', '.join(near)}."

    return otherwise.format(wanted) if otherwise else None


def _names_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []


def _programs_on_path() -> list[str]:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    names = {entry for folder in folders for entry in _names_in(Path(folder or os.curdir))}
    return sorted(entry for entry in names if entry.startswith(_CONNECTOR_PREFIXES))
