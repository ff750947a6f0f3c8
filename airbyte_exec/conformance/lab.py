"""Runs commands of the subject, each in a child of its own, and keeps what they wrote.

Two cases that ask for the same command with the same input get the same transcript. Whatever the child does (hang,
flood, crash, lie), the answer is a transcript within a bounded time.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import anyio

from airbyte_exec import exceptions as exc
from airbyte_exec._connector import stderr_log
from airbyte_exec._connector.config import resolve_config
from airbyte_exec._connector.errors import bare_errors
from airbyte_exec._connector.limits import TimeLimits
from airbyte_exec._connector.opening import PreparedSession, prepare_session
from airbyte_exec._connector.options import SessionOptions
from airbyte_exec._connector.session import Session
from airbyte_exec._process import Child, ExitStatusLost, StdinClosed
from airbyte_exec.conformance.checks import NotApplicableError
from airbyte_exec.conformance.jobs import Job, Send, argv_of, files_of, inputs_of
from airbyte_exec.conformance.subject import Subject
from airbyte_exec.conformance.transcript import Transcript, misplaced, read_line
from airbyte_exec.secrets.masking import Masker

FLOOD_BYTES = 256 << 20  # of stdout; a subject that writes more is stopped: its config asks for too much
FLOOD_LINES = 1_000_000
FLOOD_MEMORY = 192 << 20  # of what is kept of it, decoded; several commands run at once
FLOOD_KEPT = 1_000  # lines of what was too much: no rule but that one is judged by it, and it may be gigabytes
EXIT_LIMIT = 15.0  # seconds between the end of stdout and the exit; the platform waits for ten
ECHO_LIMIT = 20.0  # seconds that a scenario waits for the echo of a state
HANGS_TAKEN = 3  # times that a command may hang before it is not tried any more: each costs minutes
STOP_LIMITS = TimeLimits(stop=2.0, drain=2.0)


class Lab:
    """Runs the commands of one subject.

    Parameters:
        subject: the connector.
        at_once: how many children may run at a time.
    """

    def __init__(self, subject: Subject, *, at_once: int | None = None) -> None:
        self.subject = subject
        self.spec: Mapping[str, Any] | None = None
        self.masker = Masker()  # of the secrets of all configs that were used
        self._children = anyio.CapacityLimiter(at_once or min(4, max(2, os.cpu_count() or 2)))
        self._stores = anyio.Lock()  # a destination may let one sync at a time write to a place
        self._done: dict[str, Transcript] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._hung: Counter[str] = Counter()
        self._ended: set[str] = set()  # the commands that came to their end at least once

    async def run(self, job: Job) -> Transcript:
        """Return the transcript of a command; it is run once.

        Raises:
            NotApplicableError: the command has done nothing but hang, again and again.
            AirbyteConnectorFailedError: the files of a run cannot be written.
        """
        async with self._locks.setdefault(job.digest, anyio.Lock()):
            if job.digest not in self._done:
                self._done[job.digest] = await self._run_in_turn(job)

            return self._done[job.digest]

    @asynccontextmanager
    async def alone(self, *, shared_place: bool) -> AsyncIterator[None]:
        """Let nobody else write to the place of a destination, where all cases share one."""
        if not shared_place:
            yield
            return

        async with self._stores:
            yield

    async def _run_in_turn(self, job: Job) -> Transcript:
        if job.after:
            await anyio.sleep(job.after)  # only the clock can tell two reads apart that must be apart in time

        async with self._children:
            if self._hung[job.command] >= HANGS_TAKEN and job.command not in self._ended:
                raise NotApplicableError(f"`{job.command}` never came to its end, {HANGS_TAKEN} times")

            transcript = await self._run(job)

        if transcript.stop == "timeout":
            self._hung[job.command] += 1
        else:
            self._ended.add(job.command)

        return transcript

    async def _run(self, job: Job) -> Transcript:
        resolved = resolve_config(job.config or {}, self.spec)
        self.masker |= resolved.masker
        watch = _Watch(Transcript(command=job.command), resolved.masker)
        watch.transcript.started_at = int(time.time() * 1000)
        started = time.monotonic()
        try:
            prepared = await prepare_session(
                self.subject.executor,
                job.command,
                config=None if job.config is None else resolved.config,
                catalog=_bytes(job.catalog),
                state=_bytes(job.state),
                options=SessionOptions(limits=STOP_LIMITS),
                on_config=_ignore,
                masker=resolved.masker,
                secret_variables=resolved.secret_variables,
            )
            with bare_errors():
                await _attend(prepared, job, watch)
        except exc.PyAirbyteError as error:
            if isinstance(error, exc.AirbyteConnectorFailedError) and isinstance(error.__cause__, OSError):
                raise  # a full disk is no breach

            watch.transcript.stop = "not started"
            watch.transcript.problem = resolved.masker.mask(error.get_message())

        watch.end()
        transcript = watch.transcript
        transcript.seconds = time.monotonic() - started
        transcript.argv = argv_of(self.subject, job)
        transcript.inputs = inputs_of(job, resolved.masker)
        transcript.files = files_of(job, resolved.config)
        return transcript


async def _attend(prepared: PreparedSession, job: Job, watch: _Watch) -> None:
    transcript = watch.transcript
    async with prepared.run() as session:
        child = session.child
        with anyio.move_on_after(job.time_limit) as limit:
            async with anyio.create_task_group() as tasks:
                if job.command == "write":
                    tasks.start_soon(_feed, child, job.send, watch)

                tasks.start_soon(_end_flood, session, transcript, tasks.cancel_scope)
                await watch.read(child)
                tasks.cancel_scope.cancel()

            if transcript.stop == "exit":
                await _finish(child, transcript)

        if limit.cancelled_caught:
            transcript.stop = "timeout"

        await child.stop()
        transcript.stderr = [watch.masker.mask(line) for line in child.stderr_tail]

    if job.command == "read":  # all of stderr is in the file now; its tail has but the end
        transcript.misplaced = await anyio.to_thread.run_sync(misplaced, session.log_file)


async def _end_flood(session: Session, transcript: Transcript, scope: anyio.CancelScope) -> None:
    await session.log_overflowed.wait()
    transcript.stop, transcript.problem = "flood", f"{stderr_log.FULL >> 20} MiB on stderr"
    scope.cancel()


async def _finish(child: Child, transcript: Transcript) -> None:
    try:
        transcript.exit_code = await child.finish(exit_timeout=EXIT_LIMIT)
    except TimeoutError:
        transcript.stop = "timeout"
        transcript.problem = f"closed its stdout, and had not ended {EXIT_LIMIT:g} s later"
    except ExitStatusLost:
        transcript.problem = "its exit code is lost"


async def _feed(child: Child, steps: Sequence[Send], watch: _Watch) -> None:
    try:
        for step, after in zip(steps, [*steps[1:], Send()], strict=True):
            if step.echoes and after.kill and not after.lines:
                watch.kill_at(step.echoes, child.pid)

            await child.write(step.lines)
            if step.echoes:
                with anyio.move_on_after(ECHO_LIMIT):
                    await watch.echoes(step.echoes)

            if step.kill:
                watch.kill(child.pid)
                return

        await child.close_stdin()
    except StdinClosed:
        return  # it ended early: its exit code tells the rest


class _Watch:
    """Takes what a child writes, a line at a time."""

    def __init__(self, transcript: Transcript, masker: Masker) -> None:
        self.transcript = transcript
        self.masker = masker
        self._parts: list[bytes] = []  # of the line that has not ended yet
        self._number = 0
        self._bytes = 0
        self._weight = 0  # about so many bytes are kept
        self._states = 0
        self._start = time.monotonic()
        self._news = anyio.Event()
        self._kill_at: tuple[int, int] | None = None  # after so many states, and whom

    def kill_at(self, states: int, pid: int) -> None:
        """Kill a process at the very moment at which so many states have come: not a write later, nor a task switch."""
        self._kill_at = (states, pid)

    def kill(self, pid: int) -> None:
        """Kill a process with its group, once."""
        if self.transcript.stop != "killed":
            self.transcript.stop = "killed"
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def read(self, child: Child) -> None:
        """Read to the end of stdout, or to what no connector should write."""
        while chunk := await child.read():
            self._bytes += len(chunk)
            at = time.monotonic() - self._start
            self._parts.append(chunk)
            if b"\n" in chunk:
                *lines, last = b"".join(self._parts).split(b"\n")
                self._parts = [last]
                for raw in lines:
                    self._take(raw, at)
                    if self._weight > FLOOD_MEMORY:
                        break

            if self._bytes > FLOOD_BYTES or self._number > FLOOD_LINES or self._weight > FLOOD_MEMORY:
                self.transcript.stop = "flood"
                self.transcript.problem = f"{self._number} lines of {self._bytes} bytes"
                del self.transcript.lines[FLOOD_KEPT:]
                self._parts = [b"".join(self._parts)[:FLOOD_KEPT]]
                return

    async def echoes(self, count: int) -> None:
        """Wait until so many states have come."""
        while self._states < count:
            self._news = anyio.Event()
            await self._news.wait()

    def end(self) -> None:
        """Take the last line, if it has no newline."""
        if rest := b"".join(self._parts):
            self._take(rest, time.monotonic() - self._start)
            self._parts = []

    def _take(self, raw: bytes, at: float) -> None:
        self._number += 1
        if self._kill_at is not None and self._states + 1 >= self._kill_at[0] and _is_state(raw):
            self.kill(self._kill_at[1])

        line = read_line(self._number, raw.rstrip(b"\r"), round(at, 4), self.masker.mask)
        if line is None:
            return

        self._weight += 600 + 2 * len(raw) + 90 * raw.count(b",")  # measured: a line, its text, the values of its dict
        self.transcript.lines.append(replace(line, raw=self.masker.mask_bytes(line.raw)))
        if line.type == "STATE":
            self._states += 1
            self._news.set()


def _is_state(raw: bytes) -> bool:
    """Tell whether a line is a state, before it is looked at with care: a process that is to be killed goes on."""
    try:
        return b'"STATE"' in raw and json.loads(raw)["type"] == "STATE"
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


async def _ignore(config: dict[str, Any]) -> None:
    del config  # a rule is judged by the lines; nothing is kept between two commands


def _bytes(document: Any) -> bytes | None:
    return None if document is None else json.dumps(document).encode()
