"""What real connectors wrote goes through a whole sync as it was recorded, and has the recorded outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mini import DESTINATION_MINI, FIXTURES, destination_config, last_run

import airbyte_exec as ab

FOLDERS = sorted(path.parent for path in (FIXTURES / "recordings").glob("*/origin.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_read_goes_through_a_sync_with_the_recorded_outcome(folder: Path, tmp_path: Path) -> None:
    origin: dict[str, Any] = json.loads((folder / "origin.json").read_text(encoding="utf-8"))
    source = ab.get_source(
        "source-replay",
        {"recording": str(folder)},
        local_executable=FIXTURES / "recordings" / "source-replay",
        streams="*",
    )
    destination = ab.get_destination(
        "destination-mini", destination_config(tmp_path / "out"), local_executable=DESTINATION_MINI
    )
    result = destination.write(source, cache=False, state_cache=False)

    recorded = (folder / "read.jsonl").read_bytes().splitlines()
    assert result.processed_records == sum(origin["outcome"]["records"].values())
    assert result.states_sent == result.states_committed == origin["outcome"]["states"]
    kinds = (b"RECORD", b"STATE")
    data = [line for line in recorded if json.loads(line)["type"].encode() in kinds]
    assert [line for line in last_run(tmp_path / "out").lines() if json.loads(line)["type"].encode() in kinds] == data
