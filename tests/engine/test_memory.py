"""Memory does not grow with the stream."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 110  # MB; about 70 are used, of which 30 are Python's and pydantic's

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from mini import *
from syncs import *
folder = Path(sys.argv[2])
config = source_config(streams=[stream(records=int(sys.argv[3]), pad=100)], fast=True, state_every=10_000)
source = Source(Scripted(SOURCE_MINI), "source-mini", config)
destination = Destination(Scripted(DESTINATION_MINI), "destination-mini", destination_config(read_delay=0.001))
if sys.argv[4] == "write":
    done = destination.write(source, cache=False, check=False, state_cache=False).processed_records
else:
    done = sum(1 for _ in source.get_records("users"))
assert done == int(sys.argv[3])
# Not ru_maxrss: that is at least what the process had that started this one.
status = Path("/proc/self/status").read_text(encoding="utf-8")
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of one program alone")
@pytest.mark.parametrize(("what", "records"), [("write", 300_000), ("get_records", 60_000)])
def test_memory_stays_flat_however_long_the_stream_is(tmp_path: Path, what: str, records: int) -> None:
    folder = Path(__file__).parent.parent
    command = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path), str(records), what]

    env = {**os.environ, "AIRBYTE_LOGGING_ROOT": str(tmp_path)}

    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=env)

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < LIMIT
