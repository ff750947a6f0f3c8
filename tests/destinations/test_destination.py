"""The blocking face: in a script, in threads, in a running loop, and when somebody presses Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mini import DESTINATION_MINI, after_state, destination_config, last_run, runs, step, stream, write_config
from syncs import SHORT, Lab

import airbyte_exec as ab
from airbyte_exec import exceptions as exc
from airbyte_exec._connector.writer import AirbyteWriterInterface
from airbyte_exec._engine.options import WriteOptions

TESTS = Path(__file__).parent.parent


def test_a_write_works_inside_a_running_loop(lab: Lab) -> None:
    async def notebook() -> int:
        return lab.write().processed_records

    assert asyncio.run(notebook()) == 100


def test_sixteen_writes_at_once_do_not_meet(lab: Lab) -> None:
    def write(number: int) -> int:
        source = lab.source(streams=[stream(records=10 + number)], path=lab.folder / f"from-{number}")
        return lab.write(source, lab.destination(path=lab.folder / f"to-{number}")).processed_records

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(write, range(16))) == [10 + number for number in range(16)]

    for number in range(16):
        assert len(last_run(lab.folder / f"to-{number}", "write").lines("RECORD")) == 10 + number


def test_a_write_in_a_thread_leaves_no_thread(lab: Lab) -> None:
    before = set(threading.enumerate())

    lab.write()

    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(timeout=20)

    assert not any(thread.is_alive() for thread in left)


@pytest.mark.parametrize("face", ["write", "get_records", "async"])
def test_ctrl_c_leaves_no_process_and_no_file(lab: Lab, face: str) -> None:
    never = lab.folder / "never"
    script = [step("mark", after_state(1), path=lab.folder / "mark"), step("wait_for", after_state(1), path=never)]
    source = write_config(lab.folder, lab.source(script=script).get_config(), "source.json")
    destination = write_config(lab.folder, lab.destination().get_config(), "destination.json")
    program = """
import json, sys, anyio
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from syncs import *
given = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[2:4]]
source = Source(Scripted(SOURCE_MINI), "source-mini", given[0])
destination = Destination(Scripted(DESTINATION_MINI), "destination-mini", given[1])
def told(progress):
    if progress.states_committed:
        print("running", flush=True)
def records():
    for record in source.get_records("users"):
        if record["id"] == 1:
            print("running", flush=True)
async def write():
    await destination._core.write(source._core, cache=False, check=False, on_progress=told)
try:
    if sys.argv[4] == "write":
        destination.write(source, cache=False, check=False, on_progress=told)
    elif sys.argv[4] == "async":
        anyio.run(write)
    else:
        records()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    command = [sys.executable, "-c", program, str(TESTS), str(source), str(destination), face]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.read().endswith("interrupted\n")

    assert process.returncode == 0
    assert lab.leftovers() == []
    assert not runs(lab.got) or not lab.written.saw_eof


@pytest.mark.parametrize("data", [None, [], "users", object()])
def test_other_data_than_a_source_or_a_read_result_is_refused(lab: Lab, data: object) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="Source or a ReadResult"):
        lab.destination().write(data, cache=False)  # type: ignore[arg-type]


def test_an_argument_that_nobody_knows_is_a_type_error(lab: Lab) -> None:
    with pytest.raises(TypeError, match="streems"):
        lab.destination().write(lab.source(), cache=False, streems=["users"])  # type: ignore[call-arg]


@pytest.mark.parametrize("strategy", ["upsert", "", None, 7])
def test_a_strategy_that_is_none_is_refused(lab: Lab, strategy: object) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="write strategy"):
        lab.write(write_strategy=strategy)


def test_options_are_given_together_or_one_by_one(lab: Lab) -> None:
    options = WriteOptions(check=False, limits=SHORT, on_count_mismatch="off")

    result = lab.destination().write(
        lab.source(source_stats="wrong"), cache=False, options=options, names=ab.NameMapping(prefix="raw_")
    )

    assert result.warnings == ()
    assert lab.written.records().keys() == {"raw_users"}


def test_a_destination_has_the_face_of_a_writer(lab: Lab) -> None:
    destination = lab.destination()

    assert isinstance(destination, AirbyteWriterInterface)
    assert destination.connector_type == "destination"
    assert destination.name == "destination-mini"
    assert destination.config_hash
    assert destination.docs_url == "https://docs.airbyte.com/integrations/destinations/mini"


def test_a_destination_from_its_factory_writes(lab: Lab) -> None:
    destination = ab.get_destination("destination-mini", destination_config(lab.got), local_executable=DESTINATION_MINI)

    assert lab.write(destination=destination).processed_records == 100


def test_progress_tells_every_phase(lab: Lab) -> None:
    seen: list[tuple[str, int]] = []

    lab.write(on_progress=lambda progress: seen.append((progress.phase, progress.records_read)))

    assert list(dict(seen)) == ["starting", "reading", "finishing", "done"]
    assert seen[-1] == ("done", 100)


@pytest.mark.parametrize(
    ("modes", "sent"),
    [
        (["overwrite", "append", "append_dedup"], "append_dedup"),
        (["overwrite", "append"], "append"),
        (["overwrite"], "overwrite"),
        ([], "append_dedup"),
        (None, "append_dedup"),
    ],
)
def test_what_the_destination_does_not_support_falls_back_to_the_next_best(
    lab: Lab, modes: list[str] | None, sent: str
) -> None:
    result = lab.write(destination=lab.destination(modes=modes))

    (entry,) = lab.written.catalog["streams"]
    assert entry["destination_sync_mode"] == sent
    assert bool(result.warnings) == (sent != "append_dedup")


def test_a_stream_that_is_full_refresh_only_is_never_sent_as_incremental(lab: Lab) -> None:
    lab.write(lab.source(streams=[stream(sync_modes=["full_refresh"])]))

    assert [entry["sync_mode"] for entry in lab.read.catalog["streams"]] == ["full_refresh"]
    assert [entry["sync_mode"] for entry in lab.written.catalog["streams"]] == ["full_refresh"]


def test_cursors_and_keys_of_the_caller_reach_the_catalog(lab: Lab) -> None:
    source = lab.source(streams=[stream(cursor=None, source_defined_cursor=False, primary_key=None)])
    source.set_cursor_keys(users="updated_at")
    source.set_primary_keys(users=["id", "name"])

    lab.write(source)

    (entry,) = lab.written.catalog["streams"]
    assert entry["cursor_field"] == ["updated_at"]
    assert entry["primary_key"] == [["id"], ["name"]]
    assert (entry["sync_mode"], entry["destination_sync_mode"]) == ("incremental", "append_dedup")


def test_the_order_of_streams_is_that_of_the_source(lab: Lab) -> None:
    source = lab.source(streams=[stream(name, records=1) for name in ("c", "a", "b")])

    lab.write(source, streams=["b", "c"])

    assert [entry["stream"]["name"] for entry in lab.written.catalog["streams"]] == ["c", "b"]


def test_names_of_any_kind_pass(lab: Lab) -> None:
    names = ['quo"te', "semi;colon", "new\nline", "😀", "sp ace", "a/b", "x" * 300]

    result = lab.write(lab.source(streams=[stream(name, records=2) for name in names]))

    assert {found.name for found in result.streams} == set(names)
    assert lab.write(lab.source(streams=[stream(name, records=2) for name in names])).processed_records == 0
