"""The guardian: ends our children when we cannot any more.

Run as `python -I -S _guardian_main.py SOCKET [OWNER]`, OWNER a pidfd of our process. Over the socket it is told
which runs are open, which children they have, and gets copies of the write ends of destinations' stdin: each order
is a dictionary, marshalled, after its length in `LENGTH` bytes. It answers each with one byte, when it has done it.

A short sync waits for its start, so nothing is imported that costs more than it is worth: `json`, `array`, `socket`,
`signal` and `contextlib` together take as long as the bare interpreter.

A destination takes the end of its stdin for a normal end of input. So when the socket closes, or our process is
gone, it first kills all that the open runs started, and closes the copies only after that. Then it removes the
runs' folders and ends. Standard library only; signals that a terminal or a service manager sends to everybody do
not reach it.
"""

from __future__ import annotations

import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False  # as in _sweep
if TYPE_CHECKING:
    import signal
    import socket
    from typing import Any

    from airbyte_exec._process import _sweep
else:
    signal, socket = __import__("_signal"), __import__("_socket")
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is too slow to import
    import _sweep

KILL_COMMAND_LIMIT = 15.0  # seconds for all of them together; `docker kill` answers within one
DONE, FAILED = b"+", b"-"
LENGTH = FD_SIZE = 4  # bytes


class Child:
    """A child of an open run."""

    def __init__(self, order: dict[str, Any], stdin: int | None) -> None:
        self.run: str = order["run"]
        self.leader: tuple[int, int | None] | None = (order["pid"], order["start"]) if order["pid"] else None
        self.kill_argv: list[str] | None = order["kill_argv"]
        self.stdin = stdin

    def drop_stdin(self) -> None:
        """Close the copy of its stdin."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None


class Guardian:
    """What is open, and how it is ended."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.children: dict[str, Child] = {}

    def obey(self, order: dict[str, Any], stdin: int | None) -> None:
        """Do what one order says."""
        match order["do"]:
            case "open_run":
                self.folders[order["run"]] = order["folder"]
            case "close_run":
                self.folders.pop(order["run"], None)
            case "add_child":
                self.children[order["child"]] = Child(order, stdin)
            case "drop_stdin":
                self.children[order["child"]].drop_stdin()
            case "forget_leader":
                self.children[order["child"]].leader = None
            case "remove_child":
                self.children.pop(order["child"]).drop_stdin()

    def end_all(self) -> None:
        """Kill what the open runs started, then let go of the stdins, then remove the folders."""
        wanted = {tuple(child.kill_argv or ()) for child in self.children.values()}
        commands = [pid for argv in wanted if (pid := start_command(argv))]
        # The client of a container is killed after its container: the end of a client is an end of input there.
        remote = {child.run for child in self.children.values() if child.kill_argv}
        self._kill(set(self.folders) - remote)
        await_commands(commands)
        self._kill(remote)
        for child in self.children.values():
            child.drop_stdin()

        for folder in self.folders.values():
            _sweep.remove_folder(folder)

    def _kill(self, runs: set[str]) -> None:
        children = [child for child in self.children.values() if child.run in runs]
        leaders = dict(child.leader for child in children if child.leader)
        for pause in _sweep.KillRounds(runs, leaders) if runs else ():
            time.sleep(pause)


def start_command(argv: tuple[str, ...]) -> int | None:
    """Start a command that ends a child for sure; return its pid, None if there is none or it cannot be started."""
    if not argv:
        return None

    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    reset = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    try:
        return os.posix_spawnp(argv[0], argv, os.environ, file_actions=null, setsigmask=(), setsigdef=reset)
    except OSError:
        return None


def await_commands(pids: list[int]) -> None:
    """Wait for the commands, all together for a bounded time."""
    end = time.monotonic() + KILL_COMMAND_LIMIT
    waiting = set(pids)
    while waiting and time.monotonic() < end:
        waiting = {pid for pid in waiting if os.waitpid(pid, os.WNOHANG) == (0, 0)}
        if waiting:
            time.sleep(0.01)


def receive(link: socket.socket, received: list[int]) -> bytes:
    """Return what is there, b"" at the end; file descriptors that came along are added to `received`."""
    try:
        text, extra, _, _ = link.recvmsg(1 << 16, socket.CMSG_SPACE(4 * FD_SIZE))
    except ConnectionError:
        return b""

    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for at in range(0, len(data) // FD_SIZE * FD_SIZE, FD_SIZE):
                fd = int.from_bytes(data[at : at + FD_SIZE], sys.byteorder)
                os.set_inheritable(fd, False)
                received.append(fd)

    return text


def serve(link: socket.socket, owner: int | None, guardian: Guardian) -> None:
    """Obey until the other end closes or its process is gone."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    if owner is not None:
        poll.register(owner, select.POLLIN)

    data = b""
    received: list[int] = []
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if link.fileno() not in ready:
            return  # it is gone, though a fork of it that runs no Python may still hold the socket

        part = receive(link, received)
        if not part:
            return

        data += part
        while len(data) >= LENGTH and len(data) >= (end := LENGTH + int.from_bytes(data[:LENGTH], sys.byteorder)):
            order, data = marshal.loads(data[LENGTH:end]), data[end:]  # noqa: S302 - from who started us
            try:
                answer(link, guardian, order, received)
            except ConnectionError:
                return


def answer(link: socket.socket, guardian: Guardian, order: dict[str, Any], received: list[int]) -> None:
    """Obey one order and say so."""
    try:
        guardian.obey(order, received.pop(0) if order.get("with_stdin") else None)
    except (KeyError, IndexError):  # a file descriptor did not fit into our table, or the two sides disagree
        link.sendall(FAILED)
    else:
        link.sendall(DONE)


def main() -> None:
    """Serve one process, then end its runs."""
    # Blocked from before the exec on (see guardian_link.py) and for ever: SIGTERM to all of us must not end it first.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    guardian = Guardian()
    owner = int(sys.argv[2]) if len(sys.argv) > 2 else None
    serve(socket.socket(fileno=int(sys.argv[1])), owner, guardian)
    guardian.end_all()
    os._exit(0)


if __name__ == "__main__":
    main()
