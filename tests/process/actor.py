"""Plays a connector, or what connectors leave behind. Usage: actor.py LIVENESS SCENE...

A scene is done after the other; each process says its name into the FIFO and holds it until it dies.
"""

from __future__ import annotations

import os
import signal
import sys


def announce(fifo: str, name: str) -> None:
    os.write(os.open(fifo, os.O_WRONLY), name.encode() + b"\n")


def pause() -> None:
    while True:
        signal.pause()


BARE = """
import os, signal, sys
fifo, name, tell, marker = sys.argv[1:]
if marker:
    with open(marker + ".pid", "w") as file:
        file.write(str(os.getpid()))
os.write(os.open(fifo, os.O_WRONLY), name.encode() + b"\\n")
os.close(int(tell))
if marker:
    while os.read(0, 65536):
        pass
    open(marker, "w").close()
while True:
    signal.pause()
"""


def fork_off(
    fifo: str, name: str, *, session: bool = False, group: bool = False, twice: bool = False, bare: str | None = None
) -> None:
    """Leave a process behind; `bare` gives it an empty environment, and a marker to write at the end of its input."""
    told, tell = os.pipe()
    if (child := os.fork()) == 0:
        if session:
            os.setsid()
        if twice and os.fork():
            os._exit(0)
        if group:
            os.setpgid(0, 0)
        if bare is not None:
            os.set_inheritable(tell, True)
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", BARE, fifo, name, str(tell), bare], {})
        announce(fifo, name)
        os.close(tell)
        pause()

    os.close(tell)
    os.read(told, 1)  # until it, and its child, are there
    os.close(told)
    if twice:
        os.waitpid(child, 0)


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def read_to_the_end(marker: str) -> None:
    while os.read(0, 1 << 16):
        pass

    with open(marker, "w", encoding="utf-8") as file:
        file.write("saw the end of its input")


def main(fifo: str, scenes: list[str]) -> None:  # noqa: C901, PLR0912 - a list, one line a scene
    for scene in scenes:
        match scene.split("="):
            case ["name", name]:
                announce(fifo, name)
            case ["grandchild"]:
                fork_off(fifo, "grandchild")
            case ["session"]:
                fork_off(fifo, "session", session=True)
            case ["daemon"]:
                fork_off(fifo, "daemon", session=True, twice=True)
            case ["bare"]:
                fork_off(fifo, "bare", bare="")
            case ["regrouped"]:
                fork_off(fifo, "regrouped", group=True, twice=True, bare="")
            case ["escaped", marker]:  # like a container: nothing but the command made for it finds this one
                fork_off(fifo, "escaped", session=True, twice=True, bare=marker)
            case ["wait-for-input"]:
                os.read(0, 1)
            case ["ignore-sigterm"]:
                ignore_sigterm()
            case ["print", text]:
                os.write(1, text.encode())
            case ["read-to-the-end", marker]:
                read_to_the_end(marker)
            case ["close-stdout"]:
                os.close(1)
            case ["stop-yourself"]:
                os.kill(os.getpid(), signal.SIGSTOP)
            case ["pause"]:
                pause()
            case ["exit", code]:
                os._exit(int(code))
            case _:
                raise ValueError(scene)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
