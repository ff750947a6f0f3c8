"""One command of one connector: its child, the messages it sends, and its end.

`open_session` starts the connector with its files and stops it, whatever happens. `Session.batches` yields what is data
(runs of records, and states) and takes everything else by itself: LOG goes to a logger, TRACE ERROR and STREAM_STATUS
are kept, CONTROL changes the config, noise is counted, a malformed line is treated as the caller wants it. Nothing here
knows what the data is for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio

from airbyte_exec import exceptions as exc
from airbyte_exec import logs
from airbyte_exec._connector.environment import connector_environment
from airbyte_exec._connector.facts import Facts, TraceError, describe_exit, describe_malformed, hint_for_exit
from airbyte_exec._connector.files import ConnectorFiles
from airbyte_exec._connector.limits import DEFAULT_LIMITS, TimeLimits
from airbyte_exec._connector.quarantine import Quarantine
from airbyte_exec._process import Child, ExitStatusLost, open_child, open_guard
from airbyte_exec.executors.base import Executor
from airbyte_exec.protocol.codec import MAX_LINE, LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Malformed, Message, Noise, Records, State
from airbyte_exec.secrets.masking import Masker
from airbyte_exec.types import StreamId

OnMalformed = Literal["fail", "quarantine", "warn"]
ConfigListener = Callable[[dict[str, Any]], Awaitable[None]]

_LEVELS = {"FATAL": 50, "ERROR": 40, "WARN": 30, "INFO": 20, "DEBUG": 10, "TRACE": 5}
_NOISE_SHOWN = 2_000  # characters of a line that is no message; the rest is in no log
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How a connector is run.

    Parameters:
        limits: time limits.
        on_malformed: what is done with a line that was meant as a message and cannot be one.
        max_line: the longest line that is taken, in bytes.
        environment: the only variables of ours that the connector sees; None for all of them.
        quarantine_folder: where malformed lines are kept (`on_malformed="quarantine"`).
    """

    limits: TimeLimits = DEFAULT_LIMITS
    on_malformed: OnMalformed = "fail"
    max_line: int = MAX_LINE
    environment: frozenset[str] | None = None
    quarantine_folder: Path = field(default_factory=lambda: logs.get_logging_root() / "quarantine")


DEFAULT_OPTIONS = SessionOptions()


class Session:
    """A running connector. Made by `open_session`."""

    def __init__(
        self,
        child: Child,
        *,
        connector: str,
        command: str,
        options: SessionOptions,
        on_config: ConfigListener,
        masker: Masker,
        log_file: Path | None,
    ) -> None:
        self.child = child
        self.connector = connector
        self.command = command
        self.options = options
        self.facts = Facts()
        self.exit_code: int | None = None
        self.log_file = log_file
        self.bytes_read = 0
        self._on_config = on_config
        self._masker = masker
        self._logger = logs.get_logger(connector)
        self._quarantine = Quarantine(options.quarantine_folder, connector, command)
        self._waited = 0.0

    async def batches(self, *, heartbeat: float | None = None) -> AsyncGenerator[list[Records | State], None]:
        """Yield the data as it comes, until the end of the output.

        Parameters:
            heartbeat: how long there may be no data, in seconds of waiting for it.

        Raises:
            AirbyteConnectorError: a malformed line, a line that is too long, or no data for too long.
        """
        decoder = LineDecoder(max_line=self.options.max_line)
        chunk = b"-"
        while chunk:
            chunk = await self._read(heartbeat)
            self.bytes_read += len(chunk)
            try:
                items = decoder.feed(chunk) if chunk else decoder.end()
            except LineTooLongError as error:
                raise self.error(
                    f"It wrote a line that is longer than {error.max_line} bytes (line {error.line_no}).",
                    guidance="Set `max_line` higher if the line is meant to be that long.",
                ) from error

            data: list[Records | State] = []
            for item in items:
                if isinstance(item, Records | State):
                    data.append(item)
                    continue

                try:
                    await self._take(item)
                except BaseException:
                    if data:  # what came before is good
                        yield data

                    raise

            if data:
                self._waited = 0.0
                yield data

    async def finish(self, *, exit_timeout: float) -> int:
        """Wait for the connector's exit, after the end of its output; returns its exit code.

        Raises:
            AirbyteConnectorError: it did not exit in time, or how it ended cannot be told.
        """
        try:
            self.exit_code = await self.child.finish(drain_timeout=self.options.limits.drain, exit_timeout=exit_timeout)
        except TimeoutError:
            raise self.error(f"It closed its output, and did not exit within {exit_timeout:g} s.") from None
        except ExitStatusLost as error:
            raise self.error(
                "Its exit code is lost: another part of this process reaped it.",
                guidance="SIGCHLD must not be ignored, and nobody may call waitpid(-1), while connectors run.",
            ) from error

        return self.exit_code

    def error(self, message: str, *, guidance: str | None = None, **details: Any) -> exc.AirbyteConnectorError:
        """Return an error of this connector, with its exit, its own words and its last lines on stderr."""
        kind = _ERRORS.get(self.command, exc.AirbyteConnectorFailedError)
        return kind(
            message=f"{self.connector}: {self._masker.mask(message)}",
            connector_name=self.connector,
            exit_code=self.exit_code,
            trace_messages=[self._masker.mask(str(error)) for error in self.facts.errors],
            stderr_tail=[self._masker.mask(line) for line in self.child.stderr_tail],
            log_file=self.log_file if self.log_file is not None and self.log_file.exists() else None,
            guidance=guidance or hint_for_exit(self.exit_code),
            **details,
        )

    def exit_error(self) -> exc.AirbyteConnectorError | None:
        """Return the error that the connector's end is, or None where it ended well."""
        whole = [error for error in self.facts.errors if error.stream is None]
        if self.exit_code:
            return self.error(f"{self.command!r} failed: it {describe_exit(self.exit_code)}.")

        if whole:
            return self.error(f"{self.command!r} failed: {whole[0].message}")

        return None

    async def _read(self, heartbeat: float | None) -> bytes:
        if heartbeat is None:
            return await self.child.read()

        started = anyio.current_time()
        try:
            with anyio.fail_after(heartbeat - self._waited):
                return await self.child.read()
        except TimeoutError:
            raise self.error(
                f"It sent no record and no state for {heartbeat:g} s.",
                guidance="Set the time limit `source_heartbeat` higher if it may be silent for that long.",
            ) from None
        finally:
            self._waited += anyio.current_time() - started

    async def _take(self, item: Message | Noise | Malformed) -> None:
        if isinstance(item, Message):
            await self._take_message(item)
        elif isinstance(item, Noise):
            self._take_noise(item)
        else:
            await self._take_malformed(item)

    async def _take_message(self, item: Message) -> None:
        message = item.decode()
        if message.log is not None:
            level = _LEVELS.get(str(message.log.level.value), logging.INFO)
            self._logger.log(level, "%s", self._masker.mask(message.log.message))
        elif message.trace is not None:
            self._take_trace(message.trace)
        elif message.control is not None:
            await self._take_control(message.control)
        else:
            self.facts.answers.append(message)

    def _take_trace(self, trace: Any) -> None:
        kind = trace.type.value
        if kind == "ERROR":
            self.facts.errors.append(_trace_error(trace.error))
        elif kind == "STREAM_STATUS" and trace.stream_status is not None:
            descriptor = trace.stream_status.stream_descriptor
            stream = StreamId(descriptor.name, descriptor.namespace)
            self.facts.statuses[stream] = trace.stream_status.status.value
        elif kind == "ESTIMATE" and trace.estimate is not None and trace.estimate.row_estimate is not None:
            estimate = trace.estimate
            whole = estimate.type.value == "SYNC"
            self.facts.estimates[None if whole else StreamId(estimate.name, estimate.namespace)] = estimate.row_estimate

    async def _take_control(self, control: Any) -> None:
        if control.connectorConfig is not None:
            await self._on_config(dict(control.connectorConfig.config))

    def _take_noise(self, item: Noise) -> None:
        self.facts.noise[item.rule] += 1
        text = self._masker.mask(item.line.decode(errors="replace").rstrip()[:_NOISE_SHOWN])
        if item.rule == "line.unknown-type":
            warning = f"{self.connector} sends messages of a type that nobody knows: {item.type}"
            if self.facts.warn(warning):
                logger.warning("%s", warning)
        else:
            self._logger.info("%s", text)

    async def _take_malformed(self, item: Malformed) -> None:
        if item.is_error:
            self.facts.errors.append(TraceError(_words_of(item)))
            return

        text = describe_malformed(item)
        if self.options.on_malformed == "fail":
            raise self.error(
                f"It wrote a line that cannot be a message. {text[0].upper()}{text[1:]}.",
                guidance='Nothing after that line was taken. on_malformed="quarantine" keeps such lines in a file and '
                "goes on.",
                stream_name=item.stream,
            )

        self.facts.malformed += 1
        if self.options.on_malformed == "quarantine":
            self.facts.quarantine = await anyio.to_thread.run_sync(self._quarantine.add, item.line)

        logger.warning("%s: malformed line %s: %s", self.connector, item.line_no, self._masker.mask(text))


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
        on_config: awaited with the new config where the connector changes it, by a CONTROL message or in its file.
        secret_variables: environment variables that a secret was taken from: the connector does not see them.

    Raises:
        AirbyteConnectorError: it cannot be started.
    """
    launch = executor.launch()
    log_file = await anyio.to_thread.run_sync(logs.new_log_file, executor.name, command)
    writes = command == "write"
    with open_guard() as guard:
        files = ConnectorFiles(guard.folder)
        argv = [*launch.argv, command]
        if config is not None:
            argv += ["--config", launch.show_path(files.add_config(config))]

        for name, content in (("catalog", catalog), ("state", state)):
            if content is not None:
                argv += [f"--{name}", launch.show_path(files.add(f"{name}.json", content))]

        environment = connector_environment(command, allowed=options.environment, secret=secret_variables)
        async with AsyncExitStack() as stack:
            if launch.cleanup is not None:
                stack.callback(launch.cleanup)

            child = await _start(
                stack,
                executor.name,
                argv,
                env=launch.environment(environment),
                stdin=writes,
                guard=guard,
                grow_stdout=command == "read",
                grow_stdin=writes,
                hold_stdin=writes,
                kill_argv=launch.kill_argv,
                stderr_log=log_file,
            )
            try:
                yield Session(
                    child,
                    connector=executor.name,
                    command=command,
                    options=options,
                    on_config=on_config,
                    masker=masker,
                    log_file=log_file,
                )
            finally:
                with anyio.CancelScope(shield=True):
                    rewritten = await anyio.to_thread.run_sync(files.rewritten_config)
                    if rewritten is not None:
                        await on_config(rewritten)


async def _start(stack: AsyncExitStack, connector: str, argv: list[str], **how: Any) -> Child:
    try:
        return await stack.enter_async_context(open_child(argv, **how))
    except OSError as error:
        raise _cannot_start(connector, argv[0], error) from error


def _cannot_start(connector: str, program: str, error: OSError) -> exc.AirbyteConnectorError:
    return exc.AirbyteConnectorExecutableNotFoundError(
        message=f"{connector} cannot be started: {program}: {os.strerror(error.errno or 0)}.",
        connector_name=connector,
        guidance="Is it installed, executable, and made for this machine?",
    )


_ERRORS: dict[str, type[exc.AirbyteConnectorError]] = {
    "spec": exc.AirbyteConnectorSpecFailedError,
    "check": exc.AirbyteConnectorCheckFailedError,
    "discover": exc.AirbyteConnectorDiscoverFailedError,
    "read": exc.AirbyteConnectorReadError,
    "write": exc.AirbyteConnectorWriteError,
}


def _trace_error(error: Any) -> TraceError:
    if error is None:
        return TraceError("it gave no reason")

    descriptor = error.stream_descriptor
    return TraceError(
        error.message or "it gave no reason",
        error.internal_message,
        None if error.failure_type is None else error.failure_type.value,
        None if descriptor is None else StreamId(descriptor.name, descriptor.namespace),
    )


def _words_of(item: Malformed) -> str:
    return f"a broken TRACE ERROR: {item.line.decode(errors='replace').strip()[:_NOISE_SHOWN]}"
