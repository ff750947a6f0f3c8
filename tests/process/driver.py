"""A host that runs a source and a destination until it is ended from outside. Usage: driver.py LIVENESS MARKER KILLED

Prints the guardian's pid and the run's folder once both children run.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio

from airbyte_exec._process import guardian, open_child, open_guard

ACTOR = [sys.executable, "-I", "-S", str(Path(__file__).with_name("actor.py"))]


async def main(fifo: str, marker: str, killed: str) -> None:
    with open_guard() as guard:
        (guard.folder / "config.json").write_text("{}", encoding="utf-8")
        (guard.folder / "made-by-a-connector").mkdir(mode=0o000)
        scenes = ["session", "daemon", "grandchild", "bare", "regrouped", "ignore-sigterm"]
        source = [*ACTOR, fifo, *scenes, "name=source", "pause"]
        destination = [*ACTOR, fifo, *scenes, f"escaped={marker}", "name=destination", f"read-to-the-end={marker}"]
        env = dict(os.environ)
        # Slow, as a container engine is: the copies of stdin must not close before such a command is done.
        kill_argv = ["sh", "-c", f"sleep 0.2; kill -9 $(cat {marker}.pid); touch {killed}"]
        async with (
            open_child(source, env=env, stdin=False, guard=guard, stop_grace=0.1),
            open_child(
                destination,
                env=env,
                stdin=True,
                guard=guard,
                hold_stdin=True,
                kill_argv=kill_argv,
                stop_grace=0.1,
            ) as sink,
        ):
            await sink.write(b"a line\n")
            link = guardian._guardian._link
            assert link is not None
            print(link.pid, guard.folder, flush=True)  # noqa: T201 - how it tells the test
            await anyio.sleep_forever()


if __name__ == "__main__":
    # Whoever runs the tests may have these ignored, as `nohup` and a shell's background do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], backend=os.environ["BACKEND"])
