"""One command of a connector on its way to being run: its files lie where it will look for them.

An executor answers with a placement; whoever runs the command prepares it, starts what `launch` says, asks how it
ended, and closes it. A placement starts no connector. Its methods block, and are called from worker threads.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from airbyte_exec import _crashpoints

if TYPE_CHECKING:
    from airbyte_exec.executors.base import Launch


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be run.

    Parameters:
        command: `spec`, `check`, `discover`, `read` or `write`.
        files: the contents of the files that the command is given, by the name of the option that names them, such as
            `config`.
        environment: what the platform tells every connector in its environment.
        folder: a folder that only this user can enter, gone when the run ends.
        run_id: marks the run.
    """

    command: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path
    run_id: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a connector ended, as far as its executor can tell more than the child's exit code does.

    Parameters:
        exit_code: the connector's own.
        failure: what happened, as the end of a sentence that begins with "it"; None where the exit code says it all.
        guidance: a hint.
        reason: a word for programs.
    """

    exit_code: int
    failure: str | None = None
    guidance: str | None = None
    reason: str | None = None


class Placement(abc.ABC):
    """A command that is ready to be started, or becomes so."""

    may_be_abandoned: ClassVar[bool] = False
    """Whether `prepare` may be left to itself when nobody waits for it any more: `close` then cleans up after it."""

    orphan_argv: tuple[str, ...] | None = None
    """A command that leaves nothing of it when we die, from before `prepare` until `close` is over."""

    @abc.abstractmethod
    def prepare(self) -> Launch:
        """Put everything in its place, once; return how it is started, with all arguments.

        Raises:
            AirbyteConnectorError: it cannot be started.
        """

    @abc.abstractmethod
    def config(self) -> bytes | None:
        """Return what the connector's config file holds now, None where there is none."""

    def ending(self, exit_code: int, stderr_tail: Sequence[str]) -> Ending:
        """Return how it ended, once its child has exited.

        Parameters:
            exit_code: the child's; negative for a signal.
            stderr_tail: its last lines on stderr.
        """
        del stderr_tail
        return Ending(exit_code=exit_code)

    @abc.abstractmethod
    def close(self) -> None:
        """Leave nothing of it; a second time does nothing. Another thread may still be in `prepare`."""


class LocalPlacement(Placement):
    """A command that runs on this machine: its files lie in the folder of the run.

    Parameters:
        launch: how the connector is started.
        job: the command.
    """

    def __init__(self, launch: Launch, job: Job) -> None:
        self._launch = launch
        self._job = job
        self._is_closed = False

    def prepare(self) -> Launch:
        """Write the files: this user's alone, and writable, for some connectors migrate their config in place."""
        argv = [*self._launch.argv, self._job.command]
        for option, content in self._job.files.items():
            path = self._path(option)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                _crashpoints.reached("placement.file.opened")
                file.write(content)

            _crashpoints.reached("placement.file.written")

            argv += [f"--{option}", self._launch.show_path(path)]

        return replace(self._launch, argv=tuple(argv))

    def config(self) -> bytes | None:
        """Return what the file holds."""
        try:
            return self._path("config").read_bytes()
        except OSError:
            return None

    def close(self) -> None:
        """Call the launch's own cleanup; the folder goes with the run."""
        if not self._is_closed and self._launch.cleanup is not None:
            self._is_closed = True
            self._launch.cleanup()

    def _path(self, option: str) -> Path:
        return self._job.folder / f"{option}.json"
