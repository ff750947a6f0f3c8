"""Each blocking call ends within its bound when a connector is stopped in any of its commands: docs/time-limits.md.

A connector that is stopped by SIGSTOP cannot even react to SIGTERM. Nothing here measures time: a call that does not
come back runs into the time-out of the test.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from mini import after_line, after_record, after_state, runs, step, stream
from syncs import SHORT, Lab, is_running

from airbyte_exec import exceptions as exc
from airbyte_exec._connector.limits import TimeLimits
from airbyte_exec._connector.options import SessionOptions
from airbyte_exec.caches import DuckDBCache

MOMENT = 0.4  # seconds: the limit that is to be passed
PAGE = Path(__file__).resolve().parents[2] / "docs" / "time-limits.md"
QUICK = {"stop": 0.2, "acknowledge": 0.2, "exit": 1.0}


def stopped(*at: Any) -> list[Any]:
    """Return a step: the connector is stopped for longer than any test lasts."""
    return [step("stop_for", *at, seconds=3600)]


def limits(**changed: float) -> TimeLimits:
    return replace(SHORT, **{**QUICK, **changed})


def all_dead(lab: Lab) -> bool:
    return not any(
        is_running(run.pid)
        for folder in (lab.sent, lab.got)
        for command in ("spec", "check", "discover", "read", "write")
        for run in runs(folder, command)
    )


def ended(call: Callable[[], object]) -> exc.PyAirbyteError:
    """Return the error with which a call ends; it must end."""
    found: list[exc.PyAirbyteError] = []

    def run() -> None:
        try:
            call()
        except exc.PyAirbyteError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the call hangs"
    assert found
    return found[0]


@pytest.mark.parametrize("command", ["check", "discover"])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_connector_that_is_stopped_in_a_command_is_given_up(lab: Lab, side: str, command: str) -> None:
    made_with = {"options": SessionOptions(limits=limits(**{command: MOMENT}))}
    make = lab.source if side == "source" else lab.destination
    connector: Any = make(script={command: stopped()}, made_with=made_with)
    if side == "destination" and command == "discover":
        connector = lab.source(script={command: stopped()}, made_with=made_with)

    error = ended(connector.check if command == "check" else lambda: connector.discovered_catalog)

    assert f"time limit `{command}`" in str(error)
    assert all_dead(lab)


def test_a_connector_that_is_stopped_in_spec_is_given_up(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from mini import SOURCE_MINI

    from airbyte_exec.executors.local import PathExecutor
    from airbyte_exec.sources import Source

    script = tmp_path / "script.json"
    script.write_text(json.dumps({"script": {"spec": stopped()}}))
    monkeypatch.setenv("SOURCE_MINI_SCRIPT", str(script))
    options = SessionOptions(limits=limits(spec=MOMENT))
    source = Source(PathExecutor(path=SOURCE_MINI), "source-mini", {}, options=options)

    assert "time limit `spec`" in str(ended(lambda: source.config_spec))


@pytest.mark.parametrize("at", ["start", after_record(5), after_state(2), "end"])
def test_a_source_that_is_stopped_in_a_write_is_given_up(lab: Lab, at: Any) -> None:
    error = ended(
        lambda: lab.write(lab.source(script=stopped(at)), limits=limits(source_heartbeat=MOMENT, exit=MOMENT))
    )

    assert getattr(error, "connector_name", None) == "source-mini"
    assert all_dead(lab)


@pytest.mark.parametrize("at", ["start", after_line(5), after_state(2), "eof", "end"])
def test_a_destination_that_is_stopped_in_a_write_is_given_up(lab: Lab, at: Any) -> None:
    told = limits(destination_write=MOMENT, destination_finish=MOMENT)
    error = ended(lambda: lab.write(destination=lab.destination(script=stopped(at)), limits=told))

    assert getattr(error, "connector_name", None) == "destination-mini"
    assert all_dead(lab)


def test_both_sides_stopped_are_given_up(lab: Lab) -> None:
    told = limits(source_heartbeat=MOMENT, destination_write=MOMENT, destination_finish=MOMENT)
    source, destination = lab.source(script=stopped(after_state(2))), lab.destination(script=stopped("start"))

    ended(lambda: lab.write(source, destination, limits=told))

    assert all_dead(lab)


def test_a_destination_that_is_stopped_while_a_huge_batch_is_written_is_given_up(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=50_000, pad=400)], fast=True)
    destination = lab.destination(script=stopped(after_line(5)))

    error = ended(lambda: lab.write(source, destination, limits=limits(destination_write=MOMENT)))

    assert "destination_write" in str(error)


def test_a_destination_that_takes_a_little_now_and_then_is_not_given_up(lab: Lab) -> None:
    source = lab.source(streams=[stream(records=400, pad=9000)], fast=True)
    slow = lab.destination(read_size=65536, read_delay=MOMENT / 4)

    result = lab.write(source, slow, limits=limits(destination_write=2 * MOMENT))

    assert result.processed_records == 400


def test_a_source_that_is_stopped_in_a_read_into_a_cache_is_given_up(lab: Lab) -> None:
    cache = DuckDBCache(lab.folder / "cache.duckdb")
    options = SessionOptions(limits=limits(source_heartbeat=MOMENT))
    source = lab.source(script=stopped(after_record(5)), made_with={"options": options})

    error = ended(lambda: source.read(cache, streams="*", skip_validation=True))

    assert "source_heartbeat" in str(error)
    cache.close()


def test_a_source_that_is_stopped_while_its_records_are_looped_over_is_given_up(lab: Lab) -> None:
    options = SessionOptions(limits=limits(source_heartbeat=MOMENT))
    source = lab.source(script=stopped(after_record(5)), made_with={"options": options})

    assert "source_heartbeat" in str(ended(lambda: list(source.get_records("users"))))
    assert all_dead(lab)


def test_the_page_tells_every_limit_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) s \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert {name: float(value.replace(",", "")) for name, value in rows.items()} == {
        item.name: getattr(TimeLimits(), item.name) for item in fields(TimeLimits)
    }
