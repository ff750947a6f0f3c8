"""One running command of one connector: the messages it sends, and its end. `opening` starts and stops it.

`Session.batches` yields what is data (runs of records, and states) and takes everything else by itself: LOG goes to a
logger, TRACE ERROR and STREAM_STATUS are kept, CONTROL changes the config, noise is counted, a malformed line is
treated as the caller wants it. Nothing here knows what the data is for.

Somewhat over 300 lines: one method for each kind of message, and all of them change the same facts.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Container
from pathlib import Path
from typing import Any

import anyio

from airbyte_exec import exceptions as exc
from airbyte_exec import logs
from airbyte_exec._connector.facts import Facts, TraceError, describe_exit, describe_malformed, hint_for_exit
from airbyte_exec._connector.options import SessionOptions
from airbyte_exec._connector.quarantine import Quarantine
from airbyte_exec._connector.stderr_log import StderrLog
from airbyte_exec._process import Child, ExitStatusLost
from airbyte_exec.executors.placement import Ending
from airbyte_exec.logs import visible
from airbyte_exec.protocol.codec import LineDecoder, LineTooLongError
from airbyte_exec.protocol.envelope import Item, Malformed, Message, Noise, Records, State
from airbyte_exec.secrets.masking import Masker
from airbyte_exec.types import StreamId

ConfigListener = Callable[[dict[str, Any]], Awaitable[None]]

_LEVELS = {"FATAL": 50, "ERROR": 40, "WARN": 30, "INFO": 20, "DEBUG": 10, "TRACE": 5}
_NOISE_SHOWN = 2_000  # characters of a line that is no message; the rest is in no log
_NOISE_LOOKED_AT = 1 << 17  # bytes of it that are looked through for secrets: far more than a secret is long
logger = logging.getLogger(__name__)


class Session:
    """A running connector. Made by `opening.open_session`."""

    def __init__(
        self,
        child: Child,
        *,
        connector: str,
        command: str,
        options: SessionOptions,
        on_config: ConfigListener,
        log: StderrLog,
        ask_ending: Callable[[int], Awaitable[Ending]] | None = None,
    ) -> None:
        self.child = child
        self.connector = connector
        self.command = command
        self.options = options
        self.facts = Facts()
        self.exit_code: int | None = None
        self.ending: Ending | None = None
        self.bytes_read = 0
        self.tap: Callable[[Item], None] | None = None
        """Told of each item as it comes, before anything is done with it."""
        self.peers: list[Session] = []
        """Sessions that this one's secrets may come to, and that mask them therefore."""
        self.facts.mask = self._mask
        self._on_config = on_config
        self._log = log
        self._ask_ending = ask_ending
        self._logger = logs.get_logger(connector)
        self._quarantine = Quarantine(options.quarantine, connector, command)
        self._waited = 0.0

    @property
    def log_file(self) -> Path:
        """The file that gets its stderr, masked; it is made with the first byte, and whole after the session."""
        return self._log.path

    @property
    def log_overflowed(self) -> anyio.Event:
        """Set where its stderr is more than one file takes: what came first is in another one, or is not kept."""
        return self._log.overflowed

    async def batches(self, *, heartbeat: float | None = None) -> AsyncGenerator[list[Records | State], None]:
        """Yield the data as it comes, until the end of the output.

        Parameters:
            heartbeat: how long there may be no data, in seconds of waiting for it.

        Raises:
            AirbyteConnectorError: a malformed line, one that is too long, two kinds of state, or no data for too long.
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
                if self.tap is not None:
                    self.tap(item)

                if isinstance(item, Records):
                    data.append(item)
                    continue

                try:
                    if isinstance(item, State):
                        self._check_kind(item)
                        data.append(item)
                    else:
                        await self._take(item)
                except Exception:
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
            code = await self.child.finish(drain_timeout=self.options.limits.drain, exit_timeout=exit_timeout)
        except TimeoutError:
            raise self.error(f"It closed its output, and did not exit within {exit_timeout:g} s.") from None
        except ExitStatusLost as error:
            raise self.error(
                "Its exit code is lost: another part of this process reaped it.",
                guidance="SIGCHLD must not be ignored, and nobody may call waitpid(-1), while connectors run.",
            ) from error

        self.ending = Ending(exit_code=code) if self._ask_ending is None else await self._ask_ending(code)
        self.exit_code = self.ending.exit_code
        return self.exit_code

    def error(self, message: str, *, guidance: str | None = None, **details: Any) -> exc.AirbyteConnectorError:
        """Return an error of this connector, with its exit, its own words and its last lines on stderr."""
        kind = _ERRORS.get(self.command, exc.AirbyteConnectorFailedError)
        ending = self.ending
        details = {"failure_type": self.facts.failure_type(), **details}
        if ending is not None and ending.reason is not None:
            details = {**details, "context": {"reason": ending.reason, **details.get("context", {})}}

        return kind(
            message=f"{self.connector}: {self._mask(message)}",
            connector_name=self.connector,
            exit_code=self.exit_code,
            trace_messages=self.facts.error_texts(self._mask),
            stderr_tail=[self._mask(line) for line in self.child.masked_stderr_tail(self.mask_bytes)],
            log_file=self._log.path if self._log.path.exists() else None,
            guidance=guidance or (ending and ending.guidance) or hint_for_exit(self.exit_code),
            **details,
        )

    def exit_error(self, *, apart: Container[StreamId | None] = ()) -> exc.AirbyteConnectorError | None:
        """Return the error that the connector's end is, or None where it ended well.

        Parameters:
            apart: streams whose errors are not those of the whole.
        """
        if self.exit_code or (self.ending is not None and self.ending.failure):
            return self.error(f"{self.command!r} failed: it {self._how_it_ended()}.")

        whole = [error for error in self.facts.errors if error.stream not in apart]
        return self.error(f"{self.command!r} failed: {whole[0].message}") if whole else None

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

    def _check_kind(self, state: State) -> None:
        if self.command == "read" and (wrong := self.facts.mixed_states(state)) is not None:
            raise self.error(**wrong)

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
            self._logger.log(level, "%s", self._mask(message.log.message))
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
            self.facts.saw_status(stream, trace.stream_status.status.value)
        elif kind == "ESTIMATE" and trace.estimate is not None and trace.estimate.row_estimate is not None:
            estimate = trace.estimate
            whole = estimate.type.value == "SYNC"
            self.facts.estimates[None if whole else StreamId(estimate.name, estimate.namespace)] = estimate.row_estimate

    async def _take_control(self, control: Any) -> None:
        if control.connectorConfig is not None:
            await self._on_config(dict(control.connectorConfig.config))

    def _take_noise(self, item: Noise) -> None:
        self.facts.noise[item.rule] += 1
        text = self._shown(item)
        if item.rule == "line.unknown-type":
            warning = f"{self.connector} sends messages of a type that nobody knows: {self._mask(item.type or '')}"
            if self.facts.warn(warning):
                logger.warning("%s", warning)
        else:
            self._logger.info("%s", text)

    async def _take_malformed(self, item: Malformed) -> None:
        if item.is_error:
            self.facts.errors.append(TraceError(f"a broken TRACE ERROR: {self._shown(item)}"))
            return

        text = self._mask(describe_malformed(item))
        if self.options.on_malformed == "fail":
            await self._raise_early_end(item)
            raise self.error(
                f"It wrote a line that cannot be a message. {text[0].upper()}{text[1:]}.",
                guidance='Nothing after that line was taken. on_malformed="quarantine" keeps such lines in a file and '
                "goes on.",
                stream_name=None if item.stream is None else self._mask(item.stream),
            )

        self.facts.malformed += 1
        if self.options.on_malformed == "quarantine":
            self.facts.quarantine = await anyio.to_thread.run_sync(self._quarantine.add, self.mask_bytes(item.line))

        logger.warning("%s: malformed %s", self.connector, text)

    async def _raise_early_end(self, item: Malformed) -> None:
        """Raise how the connector ended, where half a line is the trace of it: that is the cause."""
        if item.rule == "line.last":
            await self.finish(exit_timeout=self.options.limits.exit)
            if self.exit_code:
                raise self.error(f"{self.command!r} failed: it {self._how_it_ended()}, in the middle of a line.")

    def _how_it_ended(self) -> str:
        told = None if self.ending is None else self.ending.failure
        return told or describe_exit(self.exit_code or 0)

    def mask_also(self, masker: Masker) -> None:
        """Mask further values from now on: those of a config that the connector has just made."""
        self._log.masker |= masker
        for peer in self.peers:
            peer._log.masker |= masker

    def mask_bytes(self, line: bytes) -> bytes:
        """Return a line with the secrets of the config replaced."""
        return self._log.masker.mask_bytes(line)

    @property
    def masker(self) -> Masker:
        """What is masked now."""
        return self._log.masker

    def _mask(self, text: str) -> str:
        """Return a text of the connector as it may be shown: an escape code may stand in the middle of a secret."""
        masker = self._log.masker
        return masker.mask(visible(masker.mask(text)))

    def _shown(self, item: Noise | Malformed) -> str:
        """Return the beginning of a line; it is masked before it is cut, since half a secret is not known again."""
        return self._mask(item.line[:_NOISE_LOOKED_AT].decode(errors="replace").strip())[:_NOISE_SHOWN]


_ERRORS: dict[str, type[exc.AirbyteConnectorError]] = {
    "spec": exc.AirbyteConnectorSpecFailedError,
    "check": exc.AirbyteConnectorCheckFailedError,
    "discover": exc.AirbyteConnectorDiscoverFailedError,
    "read": exc.AirbyteConnectorReadError,
    "write": exc.AirbyteConnectorWriteError,
}


def share_masks(*sessions: Session) -> None:
    """Let each session mask the secrets of all: what one of them reads or writes may come back from another."""
    for session in sessions:
        session.peers = [peer for peer in sessions if peer is not session]
        for peer in session.peers:
            peer._log.masker |= session.masker


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
