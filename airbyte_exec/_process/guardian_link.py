"""The guardian's process, and the socket over which it is told."""

from __future__ import annotations

import array
import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from airbyte_exec._process.launch import start_interpreter

ANSWER_LIMIT = 30.0  # seconds; its start takes 20 ms and an answer 0.05 ms, this is for a machine that swaps
REAP_LIMIT = 5.0  # seconds; it was killed and waits for nothing
_SCRIPT = str(Path(__file__).with_name("_guardian_main.py"))
_DONE = b"+"
LENGTH = 4  # bytes of the length of an order, as _guardian_main reads it


class Link:
    """The guardian's process and the socket to it."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        inherited = [theirs.detach()]
        # What is blocked here is blocked there from the start: no signal to everybody ends it before it is ready.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if hasattr(os, "pidfd_open"):
                # Taken here, for the guardian may begin after our end, when its parent is another process already.
                inherited.append(os.pidfd_open(os.getpid()))

            null = subprocess.DEVNULL
            self.pid = start_interpreter(_SCRIPT, inherited, stdin=null, stdout=null, stderr=null, env=None, cwd=os.sep)
            self.handle = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        except BaseException:
            self.socket.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for fd in inherited:
                os.close(fd)

        self.socket.settimeout(ANSWER_LIMIT)
        self._unanswered = 0

    def send(self, order: dict[str, Any], stdin: int | None = None) -> None:
        """Send one order. It will be obeyed, also after our death, unless the guardian itself is gone.

        Raises:
            OSError: it is gone, or does not read.
        """
        body = marshal.dumps(order)
        message = len(body).to_bytes(LENGTH, sys.byteorder) + body
        extra = [] if stdin is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stdin]))]
        sent = self.socket.sendmsg([message], extra)
        self.socket.sendall(message[sent:])
        self._unanswered += 1

    def settle(self) -> None:
        """Wait until everything that was sent is done.

        Raises:
            OSError: it is gone, or silent, or could not do it.
        """
        while self._unanswered:
            answers = self.socket.recv(self._unanswered)
            if answers.strip(_DONE) or not answers:
                raise ConnectionError("it is gone" if not answers else "it could not obey")

            self._unanswered -= len(answers)

    def kill(self) -> None:
        """Kill and reap it, and only then close the socket, whose end it would take for our death."""
        with suppress(ProcessLookupError):
            if self.handle is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)

        self._reap()
        self.forget()

    def _reap(self) -> None:
        end = time.monotonic() + REAP_LIMIT
        with suppress(ChildProcessError):  # the host reaps all children, or ignores SIGCHLD
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0) and time.monotonic() < end:
                time.sleep(0.0005)

    def forget(self) -> None:
        """Close what we hold of it."""
        self.socket.close()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None
