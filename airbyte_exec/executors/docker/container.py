"""One command of a connector in a container: created, filled, described, asked how it ended, removed.

The container is made by the SDK and started by a child that lives as long as it does. What goes in and comes out goes
over connections of our own, or, where these cannot be opened, the pipes of the client program. It is
removed by us and not by the engine, for only a container that is still there tells how it ended. Its name is known
before it is made: whatever is interrupted, it can be found and removed.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Literal

from airbyte_exec.exceptions import AirbyteConnectorError, PyAirbyteInputError, PyAirbyteInternalError
from airbyte_exec.executors.base import Launch
from airbyte_exec.executors.docker import owner
from airbyte_exec.executors.docker.answers import Answers
from airbyte_exec.executors.docker.archive import file_path, find_user, is_as_put, put_files, read_file
from airbyte_exec.executors.docker.attach import attach, can_attach, start_command
from airbyte_exec.executors.docker.ends import describe_end, engine_lost
from airbyte_exec.executors.docker.engine import CALL_LIMIT, Engine, client_environment
from airbyte_exec.executors.docker.errors import naming
from airbyte_exec.executors.docker.image import Image
from airbyte_exec.executors.docker.options import DockerOptions
from airbyte_exec.executors.docker.prune import remove, sweep_once
from airbyte_exec.executors.placement import Ending, Job, Placement

logger = logging.getLogger(__name__)

STOP_GRACE = 2.0
"""Seconds between SIGTERM and the kill, at most: whoever waits for a cancelled sync waits for two containers."""


class ContainerPlacement(Placement):
    """A command that runs in a container.

    Parameters:
        engine: the engine.
        image: the image; the engine has it.
        options: how the container is made.
        connector: the connector's name.
        job: the command.
    """

    may_be_abandoned: ClassVar[bool] = True

    def __init__(self, engine: Engine, image: Image, options: DockerOptions, *, connector: str, job: Job) -> None:
        self._engine = engine
        self._image = image
        self._options = options
        self._connector = connector
        self._job = job
        self.name = owner.container_name(connector, job.command, job.run_id)
        self._lock = threading.Lock()
        self._is_closed = False
        self._idle = threading.Event()
        self._idle.set()
        self._id: str | None = None
        self._ways: dict[str, socket.socket] = {}
        self._put_at = 0
        at_once = ["--time", "0"] if engine.address.program == "podman" else []
        self.orphan_argv = engine.command("rm", "--force", *at_once, "--volumes", self.name)

    def prepare(self) -> Launch:
        """Create the container and put the files into it."""
        with self._lock:
            if self._is_closed:
                raise self._not_wanted()

            self._idle.clear()

        try:
            with naming(self._connector):
                return self._prepare()
        finally:
            self._idle.set()

    def _prepare(self) -> Launch:
        client = self._engine.client
        sweep_once(self._engine)
        container = self._create()
        with self._lock:
            self._id = container
            is_closed = self._is_closed

        if is_closed:  # whoever asked has gone
            remove(self._engine, container)
            raise self._not_wanted()

        if self._job.files:
            uid, gid = self._user(container)
            self._put_at = int(time.time())
            put_files(self._engine, container, self._job.files, uid=uid, gid=gid, mtime=self._put_at)

        if can_attach(self._engine):
            if self._job.command == "write":
                self._attach(container, "stdin")

            self._attach(container, "stdout")

        return self._launch(client, container)

    def _not_wanted(self) -> AirbyteConnectorError:
        return AirbyteConnectorError(message="The container is not wanted any more.", connector_name=self._connector)

    def _attach(self, container: str, stream: Literal["stdin", "stdout"]) -> None:
        connection = attach(self._engine, container, stream)
        with self._lock:
            if not self._is_closed:
                self._ways[stream] = connection
                return

        connection.close()

    def _take(self, stream: str) -> int:
        """Give a way into the container or out of it away: whoever takes it closes it."""
        with self._lock:
            connection = self._ways.pop(stream, None)

        if connection is None:
            raise PyAirbyteInternalError(message=f"The {stream} of a container was taken twice, or after its end.")

        return connection.detach()

    def _launch(self, client: str, container: str) -> Launch:
        takes = {stream: partial(self._take, stream) for stream in self._ways}
        stdin = ["--interactive"] if self._job.command == "write" else []
        by_client = (client, *self._engine.address.arguments, "start", "--attach", *stdin, container)
        return Launch(
            argv=start_command(self._engine, container) if takes else by_client,
            env=client_environment(),
            take_stdin=takes.get("stdin"),
            take_stdout=takes.get("stdout"),
            # Not by SIGTERM to the client, which ends by it, and its end is a clean end of input for a destination.
            stop_argv=self._engine.command("kill", "--signal", "TERM", container),
            kill_argv=self._engine.command("kill", container),
            orphan_argv=self.orphan_argv,
            stop_grace=STOP_GRACE,
        )

    def _user(self, container: str) -> tuple[int, int]:
        """Return uid and gid of the connector; an image is asked once, for that takes as long as all the rest."""
        chosen = self._options.create_kwargs.get("user") or self._options.user
        user, answers = str(chosen or self._image.user), Answers(self._image.digest)
        found = answers.user(user)
        if found is None:
            found = find_user(self._engine, container, user)
            answers.keep_user(user, found)

        return found

    def _create(self) -> str:
        # Not through `containers.create`: it would ask for what it has just made.
        from docker.errors import DockerException
        from docker.models import containers

        settings = {name: value for name, value in self._settings().items() if value not in (None, {}, [])}
        settings = {**settings, **self._options.create_kwargs}
        more = self._options.create_kwargs.get("labels") or {}
        settings["labels"] = {**(more if isinstance(more, dict) else dict.fromkeys(more, "")), **self._labels()}
        api = self._engine.api
        arranged = containers._create_container_args  # type: ignore[attr-defined]  # its types leave it out
        try:
            request = arranged({"version": api._version, **settings})
        except (TypeError, ValueError, DockerException) as error:
            raise PyAirbyteInputError(message=f"No container can be made as the options say: {error}") from error

        with self._engine.errors("making a container of", self._image.name):
            made = api.create_container(**request)

        for warning in made.get("Warnings") or ():
            logger.debug("The engine says of the container of %s: %s", self._connector, warning)

        return str(made["Id"])

    def _labels(self) -> dict[str, str]:
        said = {name: str(value) for name, value in self._options.labels.items()}
        return {**said, **owner.labels(self._connector, self._job.command, self._job.run_id)}

    def _settings(self) -> dict[str, Any]:
        from docker.types import LogConfig

        options, job = self._options, self._job
        arguments = [part for option in job.files for part in (f"--{option}", file_path(option))]
        return {
            "image": self._image.digest,
            "name": self.name,
            "command": [job.command, *arguments],
            "entrypoint": list(self._image.entrypoint),
            "environment": {**job.environment, **options.env},
            "stdin_open": job.command == "write",
            "user": options.user,
            "platform": options.platform,
            "network": options.network,
            "extra_hosts": dict(options.extra_hosts),
            "volumes": options.binds(),
            "mem_limit": options.memory,
            "nano_cpus": None if options.cpus is None else round(options.cpus * 1e9),
            "init": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            # What it prints goes through us: a second copy, on the engine's disk, costs two thirds of the speed.
            "log_config": LogConfig(type=LogConfig.types.NONE),
        }

    def config(self) -> bytes | None:
        """Return what the config file holds; None also where the engine does not say."""
        if self._id is None or "config" not in self._job.files:
            return None

        given, path = self._job.files["config"], file_path("config")
        try:
            if is_as_put(self._engine, self._id, path, size=len(given), mtime=self._put_at):
                return given

            return read_file(self._engine, self._id, path)
        except AirbyteConnectorError as error:
            logger.warning("The config of %s was not read back: %s", self._connector, error.get_message())
            return None

    def ending(self, exit_code: int, stderr_tail: Sequence[str]) -> Ending:
        """Ask the engine how the container ended: the client's exit code alone may be its own."""
        try:
            return describe_end(self._engine, self._id or self.name, exit_code, stderr_tail, image=self._image)
        except AirbyteConnectorError as error:
            return engine_lost(exit_code, error.get_message())

    def close(self) -> None:
        """Kill and remove the container."""
        with self._lock:
            if self._is_closed:
                return

            self._is_closed = True
            container, connections = self._id, list(self._ways.values())
            self._ways.clear()

        if container is None:  # it is not made, or is removed by the thread that is making it
            self._idle.wait(CALL_LIMIT)
            return

        try:
            # Before the connections are closed: the container must not take that for the end of its input.
            remove(self._engine, container)
        except AirbyteConnectorError as error:
            self._engine.left.add(container)
            logger.warning(
                "The container %s could not be removed (%s); the next start, or `airbyte-exec prune`, will.",
                self.name,
                error.get_message(),
            )
        finally:
            for connection in connections:
                connection.close()
