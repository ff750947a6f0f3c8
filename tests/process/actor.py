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


def fork_off(fifo: str, name: str, *, new_session: bool = False, twice: bool = False, bare: bool = False) -> None:
    told, tell = os.pipe()
    if os.fork() == 0:
        if new_session:
            os.setsid()
        if twice and os.fork():
            os._exit(0)
        if bare:
            script = "import os,sys,signal; os.write(os.open(sys.argv[1],1),b'bare\\n'); os.close(int(sys.argv[2])); signal.pause()"
            os.set_inheritable(tell, True)
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", script, fifo, str(tell)], {})
        announce(fifo, name)
        os.close(tell)
        pause()

    os.close(tell)
    os.read(told, 1)  # until it, and its child, are there
    if twice:
        os.wait()


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def read_to_the_end(marker: str) -> None:
    while os.read(0, 1 << 16):
        pass

    with open(marker, "w", encoding="utf-8") as file:
        file.write("saw the end of its input")


def main(fifo: str, scenes: list[str]) -> None:
    for scene in scenes:
        match scene.split("="):
            case ["name", name]:
                announce(fifo, name)
            case ["grandchild"]:
                fork_off(fifo, "grandchild")
            case ["session"]:
                fork_off(fifo, "session", new_session=True)
            case ["daemon"]:
                fork_off(fifo, "daemon", new_session=True, twice=True)
            case ["bare"]:
                fork_off(fifo, "bare", bare=True)
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
