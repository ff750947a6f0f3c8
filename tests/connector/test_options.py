from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from airbyte_exec._connector.limits import DEFAULT_LIMITS
from airbyte_exec._connector.options import DEFAULT_OPTIONS, SessionOptions, effective, running_with
from airbyte_exec.exceptions import PyAirbyteInputError

OWN = SessionOptions(environment=frozenset({"A"}), max_line=5)


def test_what_a_sync_does_not_say_the_connector_says() -> None:
    limits = replace(DEFAULT_LIMITS, check=1)

    assert SessionOptions(limits=limits, max_line=7).over(OWN) == SessionOptions(
        limits=limits, max_line=7, environment=frozenset({"A"})
    )
    assert DEFAULT_OPTIONS.over(OWN) == OWN
    assert OWN.over(DEFAULT_OPTIONS) == OWN


def test_options_hold_for_the_length_of_a_block_and_in_the_tasks_that_it_starts() -> None:
    seen: list[SessionOptions] = []

    async def look() -> None:
        seen.append(effective(DEFAULT_OPTIONS))

    async def main() -> None:
        with running_with(OWN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(look)

        await look()

    anyio.run(main)

    assert seen == [OWN, DEFAULT_OPTIONS]


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(PyAirbyteInputError, match="on_malformed"):
        SessionOptions(on_malformed="ignore")  # type: ignore[arg-type]


def test_the_folder_of_malformed_lines_follows_that_of_the_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", "/somewhere")

    assert DEFAULT_OPTIONS.quarantine == Path("/somewhere/quarantine")
    assert SessionOptions(quarantine_folder=Path("/there")).quarantine == Path("/there")
