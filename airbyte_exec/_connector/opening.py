"""Starts one command of one connector with its files, and stops it, whatever happens.

It has two steps, so that what takes time can be done for two connectors side by side: `prepare_session` puts everything
in its place (files, a container), `PreparedSession.run` starts the child.

The config is watched while it runs: a CONTROL message changes it, and so does a connector that writes its config file
anew. A message is newer than what was in the file when it came.

Somewhat over 300 lines: the steps of one start, in their order.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio

from airbyte_exec import _portal, logs
from airbyte_exec import exceptions as exc
from airbyte_exec._connector.environment import connector_environment, platform_environment
from airbyte_exec._connector.files import ConfigFile, same_text
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions
from airbyte_exec._connector.session import ConfigListener, Session
from airbyte_exec._connector.stderr_log import StderrLog
from airbyte_exec._process import Child, Guard, open_child, open_guard
from airbyte_exec.executors.base import Executor, Launch
from airbyte_exec.executors.placement import Ending, Job, Placement
from airbyte_exec.secrets.masking import Masker

CLOSE_LIMIT = 5.0  # seconds that are waited for a container to be removed; what is not removed then is swept later
LOOK_LIMIT = 3.0  # seconds for a last look at the config; an engine answers within 0.1


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
    prepared = await prepare_session(
        executor,
        command,
        config=config,
        catalog=catalog,
        state=state,
        options=options,
        on_config=on_config,
        masker=masker,
        secret_variables=secret_variables,
    )
    async with prepared.run() as session:
        yield session


async def prepare_session(
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
) -> PreparedSession:
    """Put everything in its place for one command; the result must be run, or closed. See `open_session`.

    Raises:
        AirbyteConnectorError: it cannot be started.
    """
    texts = {"config": None if config is None else _as_json(config), "catalog": catalog, "state": state}
    with _file_errors(executor.name), ExitStack() as undo:
        log = StderrLog(await anyio.to_thread.run_sync(logs.new_log_file, executor.name, command), masker)
        guard = undo.enter_context(open_guard())
        undo.callback(log.close)
        job = Job(
            command=command,
            files={name: text for name, text in texts.items() if text is not None},
            environment=platform_environment(command),
            folder=guard.folder,
            run_id=guard.run_id,
        )
        placement = await _portal.call(executor.place, job, may_be_abandoned=executor.may_be_abandoned)
        undo.enter_context(guard.ends_by(placement.orphan_argv))
        try:
            launch = await _portal.call(placement.prepare, may_be_abandoned=placement.may_be_abandoned)
        except BaseException:
            await _close(placement)
            raise

        return PreparedSession(
            executor.name,
            command,
            options=options,
            launch=launch,
            environment=connector_environment(command, allowed=options.environment, secret=secret_variables),
            placement=placement,
            watch=_ConfigWatch(
                ConfigFile(config, placement.config), config, on_config, may_be_abandoned=placement.may_be_abandoned
            ),
            log=log,
            guard=guard,
            undo=undo.pop_all(),
        )


@contextmanager
def _file_errors(connector: str) -> Iterator[None]:
    """Raise what the system says about our files as an error of ours: a full disk is no reason for a stack trace."""
    try:
        yield
    except OSError as error:
        raise exc.AirbyteConnectorFailedError(
            message=f"{connector} cannot be started: the files of its run cannot be written: {error}",
            connector_name=connector,
            guidance="Is the disk full? TMPDIR and AIRBYTE_LOGGING_ROOT name other places.",
        ) from error


def _as_json(config: Mapping[str, Any]) -> bytes:
    same_text(config)  # says what JSON does not know
    return json.dumps(config).encode()


async def _close(placement: Placement) -> None:
    with anyio.move_on_after(CLOSE_LIMIT, shield=True):
        await _portal.call(placement.close, may_be_abandoned=placement.may_be_abandoned)


@dataclass(kw_only=True)
class _Parts:
    options: SessionOptions
    launch: Launch
    environment: dict[str, str]
    placement: Placement
    watch: _ConfigWatch
    log: StderrLog
    guard: Guard
    undo: ExitStack


class PreparedSession:
    """A command of a connector that is ready to be started."""

    def __init__(self, connector: str, command: str, **parts: Any) -> None:
        self.connector = connector
        self.command = command
        self.session: Session | None = None
        self._parts = _Parts(**parts)

    async def close(self) -> None:
        """Leave nothing of it; a second time does nothing."""
        await _close(self._parts.placement)
        self._parts.undo.close()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Session]:
        """Run it, once, for as long as the block lasts; leaving the block stops it and closes this.

        Raises:
            AirbyteConnectorError: it cannot be started.
        """
        parts = self._parts
        try:
            async with AsyncExitStack() as stack:
                self.session = await self._start(stack)
                yield self.session
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await parts.watch.look_once_more()
                finally:
                    await self.close()

    async def _start(self, stack: AsyncExitStack) -> Session:
        parts, launch = self._parts, self._parts.launch
        limits = parts.options.limits
        is_write, is_read = self.command == "write", self.command == "read"
        child = await _start(
            stack,
            self.connector,
            launch.argv,
            env=launch.environment(parts.environment),
            stdin=is_write,
            guard=parts.guard,
            grow_stdout=is_read,
            grow_stdin=is_write,
            hold_stdin=is_write,
            stdin_fd=None if launch.take_stdin is None else launch.take_stdin(),
            stdout_fd=None if launch.take_stdout is None else launch.take_stdout(),
            stop_argv=launch.stop_argv,
            kill_argv=launch.kill_argv,
            orphan_argv=launch.orphan_argv,
            on_stderr=parts.log.take,
            drain_timeout=limits.drain,
            stop_grace=limits.stop if launch.stop_grace is None else min(limits.stop, launch.stop_grace),
        )

        async def ask_ending(exit_code: int) -> Ending:
            ending = await _portal.call(
                parts.placement.ending,
                exit_code,
                child.stderr_tail,
                may_be_abandoned=parts.placement.may_be_abandoned,
            )
            is_cut = launch.take_stdout is not None and child.stdout_cut
            return _cut_off(ending) if is_cut and not (ending.exit_code or ending.failure) else ending

        return Session(
            child,
            connector=self.connector,
            command=self.command,
            options=parts.options,
            on_config=parts.watch.take,
            log=parts.log,
            ask_ending=ask_ending,
        )


def _cut_off(ending: Ending) -> Ending:
    """Return the end of a connector that succeeded, as far as it knows, and whose last words did not arrive."""
    return replace(
        ending,
        exit_code=1,
        failure="ended well, but the connection to its output broke before",
        guidance="Was the engine restarted, or is there something between here and it that ends connections?",
        reason="engine_lost",
    )


class _ConfigWatch:
    """Tells of each config that a connector makes, once, in the order in which it makes them."""

    def __init__(
        self, file: ConfigFile, config: Mapping[str, Any] | None, tell: ConfigListener, *, may_be_abandoned: bool
    ) -> None:
        self._file = file
        self._may_be_abandoned = may_be_abandoned
        self._tell = tell
        self._last = None if config is None else same_text(config)

    async def take(self, config: dict[str, Any]) -> None:
        """Take the config of a CONTROL message."""
        await self.look()
        await self._changed(config)

    async def look(self) -> None:
        """Look at the config file."""
        await self._take_rewritten(await self._rewritten())

    async def look_once_more(self) -> None:
        """Look at the config file after the end, for no longer than it usually takes."""
        rewritten = None
        with anyio.move_on_after(LOOK_LIMIT if self._may_be_abandoned else None):
            rewritten = await self._rewritten()

        await self._take_rewritten(rewritten)

    async def _rewritten(self) -> dict[str, Any] | None:
        return await _portal.call(self._file.rewritten, may_be_abandoned=self._may_be_abandoned)

    async def _take_rewritten(self, rewritten: dict[str, Any] | None) -> None:
        if rewritten is not None:
            await self._changed(rewritten)

    async def _changed(self, config: dict[str, Any]) -> None:
        text = same_text(config)
        if text != self._last:
            self._last = text
            await self._tell(config)


async def _start(stack: AsyncExitStack, connector: str, argv: Sequence[str], **how: Any) -> Child:
    try:
        return await stack.enter_async_context(open_child(argv, **how))
    except OSError as error:
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"{connector} cannot be started: {argv[0]}: {os.strerror(error.errno or 0)}.",
            connector_name=connector,
            guidance="Is it installed, executable, and made for this machine?",
        ) from error
