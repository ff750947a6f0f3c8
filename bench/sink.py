"""destination-bench for a machine without a C compiler: the same as sink.c, slower."""

from __future__ import annotations

import os
import re
import sys

SPEC = (
    b'{"type":"SPEC","spec":{"connectionSpecification":{"type":"object","properties":{}},'
    b'"supported_destination_sync_modes":["append","overwrite","append_dedup"]}}\n'
)
CHECK = b'{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}\n'
STATES = re.compile(rb'^\{"type":"STATE".*\n', re.MULTILINE)


def drain() -> None:
    """Read stdin to its end and write each line that is a STATE."""
    held = b""

    while chunk := os.read(0, 1 << 20):
        held += chunk
        end = held.rfind(b"\n") + 1
        os.write(1, b"".join(STATES.findall(held, 0, end)))
        held = held[end:]


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else ""

    if command == "write":
        drain()
    elif command in ("spec", "check"):
        os.write(1, SPEC if command == "spec" else CHECK)
    else:
        sys.exit(2)
