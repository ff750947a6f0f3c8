"""Starts one command of one connector with its files, and stops it, whatever happens.

The config is watched while it runs: a CONTROL message changes it, and so does a connector that writes its config file
anew. A message is newer than what was in the file when it came.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from airbyte_exec import exceptions as exc
from airbyte_exec import logs
from airbyte_exec._connector.environment import connector_environment
from airbyte_exec._connector.files import ConnectorFiles, same_text
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions
from airbyte_exec._connector.session import ConfigListener, Session
from airbyte_exec._connector.stderr_log import StderrLog
from airbyte_exec._process import Child, open_child, open_guard
from airbyte_exec.executors.base import Executor
from airbyte_exec.secrets.masking import Masker


@asynccontextmanager
async def open_session(
    executor: Executor,
    command: str,
    *,
    config: Mapping[str, Any] | None = None,
    catalog: bytes | None = None,
    state: bytes | None = None,
    options: SessionOptions = DEFAULT_OPTIONS,
    on_config: ConfigListener,
    masker: Masker,
    secret_variables: frozenset[str] = frozenset(),
) -> AsyncIterator[Session]:
    """Run one command of a connector for as long as the block lasts; leaving the block stops it.

    Parameters:
        config: the config with its secrets resolved; the file is the user's alone and gone afterwards.
        on_config: awaited with each new config that the connector makes, by a CONTROL message or in its file.
        secret_variables: environment variables that a secret was taken from: the connector does not see them.

    Raises:
        AirbyteConnectorError: it cannot be started.
    """
    launch = await anyio.to_thread.run_sync(executor.launch)
    log = StderrLog(await anyio.to_thread.run_sync(logs.new_log_file, executor.name, command), masker)
    with open_guard() as guard:
        files = ConnectorFiles(guard.folder)
        watch = _ConfigWatch(files, config, on_config)
        argv = [*launch.argv, command]
        if config is not None:
            argv += ["--config", launch.show_path(files.add_config(config))]

        for name, content in (("catalog", catalog), ("state", state)):
            if content is not None:
                argv += [f"--{name}", launch.show_path(files.add(f"{name}.json", content))]

        environment = connector_environment(command, allowed=options.environment, secret=secret_variables)
        try:
            async with AsyncExitStack() as stack:
                stack.callback(log.close)
                if launch.cleanup is not None:
                    stack.callback(launch.cleanup)

                child = await _start(
                    stack,
                    executor.name,
                    argv,
                    env=launch.environment(environment),
                    stdin=command == "write",
                    guard=guard,
                    grow_stdout=command == "read",
                    grow_stdin=command == "write",
                    hold_stdin=command == "write",
                    kill_argv=launch.kill_argv,
                    on_stderr=log.take,
                    drain_timeout=options.limits.drain,
                    stop_grace=options.limits.stop,
                )
                yield Session(
                    child, connector=executor.name, command=command, options=options, on_config=watch.take, log=log
                )
        finally:
            with anyio.CancelScope(shield=True):
                await watch.look()


class _ConfigWatch:
    """Tells of each config that a connector makes, once, in the order in which it makes them."""

    def __init__(self, files: ConnectorFiles, config: Mapping[str, Any] | None, tell: ConfigListener) -> None:
        self._files = files
        self._tell = tell
        self._last = None if config is None else same_text(config)

    async def take(self, config: dict[str, Any]) -> None:
        """Take the config of a CONTROL message."""
        await self.look()
        await self._changed(config)

    async def look(self) -> None:
        """Look at the config file."""
        rewritten = await anyio.to_thread.run_sync(self._files.rewritten_config)
        if rewritten is not None:
            await self._changed(rewritten)

    async def _changed(self, config: dict[str, Any]) -> None:
        text = same_text(config)
        if text != self._last:
            self._last = text
            await self._tell(config)


async def _start(stack: AsyncExitStack, connector: str, argv: list[str], **how: Any) -> Child:
    try:
        return await stack.enter_async_context(open_child(argv, **how))
    except OSError as error:
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"{connector} cannot be started: {argv[0]}: {os.strerror(error.errno or 0)}.",
            connector_name=connector,
            guidance="Is it installed, executable, and made for this machine?",
        ) from error
