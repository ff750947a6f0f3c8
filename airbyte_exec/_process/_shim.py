"""Becomes the connector, once the process that started it says so.

Run as `python -I -S _shim.py GO ERRORS`, with two inherited pipes. Everything comes over GO and not over the
command line: the program, its arguments, its environment, and last the word to go. If GO ends without that word,
whoever started us is gone, and nothing is executed. ERRORS tells that we came as far as `execve`, and the errno if
it failed; it closes by itself when it succeeded.

A start of the interpreter is the price of every child, so nothing is imported that is not built into it.
"""

from __future__ import annotations

import posix
import sys

# `signal` would add half of the whole start (it builds enums); its C core is there already.
signals = __import__("_signal")

GO_WORD = b"go"


def main(go: int, errors: int) -> None:
    """Wait for the word on `go`, then execute; the errno of a failure goes to `errors`."""
    parts = []
    while part := posix.read(go, 1 << 16):
        parts.append(part)

    fields = b"".join(parts).split(b"\0")
    if fields[-1] != GO_WORD:
        posix._exit(0)

    posix.close(go)
    posix.set_inheritable(errors, False)
    restore_signals()
    count = int(fields[1])
    environ = dict(entry.split(b"=", 1) for entry in fields[2 + count : -1])
    posix.write(errors, b"+")
    try:
        posix.execve(fields[0], fields[2 : 2 + count], environ)
    except OSError as error:
        posix.write(errors, str(error.errno).encode())

    posix._exit(127)


def restore_signals() -> None:
    """Undo what the interpreter, and who started it, did to the signals: ignored and blocked ones survive `execve`."""
    for number in signals.valid_signals():
        try:
            signals.signal(number, signals.SIG_DFL)
        except OSError:  # SIGKILL and SIGSTOP
            continue

    signals.pthread_sigmask(signals.SIG_SETMASK, ())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
