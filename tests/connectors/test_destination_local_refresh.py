"""Every format x sync mode x way in which a replace can be interrupted, and what follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_destination import FORMATS, MODES, Ended, Local, records, state, status, stream

if TYPE_CHECKING:
    from pathlib import Path

ENDS = [
    "killed",
    "no status",
    pytest.param("stopped", marks=pytest.mark.slow),
    pytest.param("incomplete", marks=pytest.mark.slow),
]


@pytest.fixture(params=FORMATS)
def local(tmp_path: Path, request: pytest.FixtureRequest) -> Local:
    """A destination that holds the rows 0 to 2 of generation 1."""
    local = Local(tmp_path, request.param)
    done = local.write(
        [stream(generation=1), stream("pets", generation=1)], records(range(3)), status(), status("pets")
    )
    assert done.exit_code == 0
    return local


def interrupt(local: Local, mode: str, end: str, *, generation: int = 2) -> Ended | None:
    """Begin a replace by the rows 10 and 11, see their state echoed, and end it before it is complete."""
    process = local.start([stream(mode=mode, generation=generation, minimum=generation)])
    process.send(status(what="STARTED"), records([10, 11]), state("half"))
    assert process.next_state()["stream"]["stream_state"] == {"at": "half"}
    if end == "killed":
        process.kill()
        return None

    if end == "stopped":
        process.process.terminate()
        return process.end()

    if end == "incomplete":
        process.send(status(what="INCOMPLETE"))

    return process.end()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", MODES)
def test_an_interrupted_replace_keeps_the_old_rows_until_another_attempt_completes_it(
    local: Local, mode: str, end: str
) -> None:
    done = interrupt(local, mode, end)
    assert local.ids() == [0, 1, 2]
    if done is not None:
        assert done.exit_code == (143 if end == "stopped" else 1)

    if end in ("no status", "incomplete"):
        assert done is not None
        assert "'users'" in done.errors[0]["message"]

    again = local.write([stream(mode=mode, generation=2, minimum=2)], records([12]), state("end"), status())

    assert again.exit_code == 0
    assert local.ids() == [10, 11, 12]
    assert {int(row["_airbyte_generation_id"]) for row in local.rows() or []} == {2}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_a_sync_that_keeps_all_rows_keeps_those_of_an_interrupted_replace_too(
    local: Local, mode: str, end: str
) -> None:
    interrupt(local, mode, end)
    done = local.write([stream(mode=mode, generation=2, minimum=0)], records([12]), status())

    assert done.exit_code == 0
    assert local.ids() == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize("end", ["killed", "no status"])
@pytest.mark.parametrize("mode", MODES)
def test_a_newer_replace_forgets_the_rows_of_an_interrupted_one(local: Local, mode: str, end: str) -> None:
    interrupt(local, mode, end)
    done = local.write([stream(mode=mode, generation=3, minimum=3)], records([20]), status())

    assert done.exit_code == 0
    assert local.ids() == [20]


@pytest.mark.parametrize("mode", MODES)
def test_another_attempt_of_a_replace_that_was_done_already_adds_to_it(local: Local, mode: str) -> None:
    catalog = [stream(mode=mode, generation=2, minimum=2), stream("pets", generation=2, minimum=2)]
    first = local.write(catalog, records([10]), status())
    assert first.exit_code == 1  # pets is not complete
    assert (local.ids(), local.ids("pets")) == ([10], [])

    second = local.write(catalog, records([11]), status(), status("pets"))

    assert second.exit_code == 0
    assert local.ids() == [10, 11]


@pytest.mark.parametrize("mode", MODES)
def test_a_replace_without_rows_empties_the_stream_once_it_is_complete(local: Local, mode: str) -> None:
    catalog = [stream(mode=mode, generation=2, minimum=2)]
    assert local.write(catalog).exit_code == 1
    assert local.ids() == [0, 1, 2]

    assert local.write(catalog, status()).exit_code == 0
    assert local.rows() == []


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_an_end_without_complete_keeps_the_added_rows_and_fails(local: Local, mode: str) -> None:
    done = local.write([stream(mode=mode, generation=1)], records([3]), state(3))

    assert done.exit_code == 1
    assert done.states == [3]
    assert done.errors[0]["failure_type"] == "transient_error"
    assert local.ids() == [0, 1, 2, 3]


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_rows_that_wait_for_a_merge_are_not_lost_to_a_replace_that_is_interrupted(local: Local, end: str) -> None:
    process = local.start([stream(mode="append_dedup", generation=1)])
    process.send(records([3]), state("merge"))
    process.next_state()
    process.kill()
    interrupt(local, "append_dedup", end)

    assert local.ids() == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", MODES)
def test_an_overwrite_of_a_platform_without_generations_ends_with_its_input(local: Local, mode: str) -> None:
    process = local.start([stream(mode="overwrite")])
    process.send(records([10]), state("half"))
    process.next_state()
    process.kill()
    assert local.ids() == [0, 1, 2]

    done = local.write([stream(mode=mode)], records([11]))

    assert done.exit_code == 0
    assert local.ids() == ([11] if mode == "overwrite" else [0, 1, 2, 10, 11])


def test_streams_are_replaced_each_for_itself(local: Local) -> None:
    catalog = [stream(generation=2, minimum=2), stream("pets", generation=2, minimum=2)]
    done = local.write(catalog, records([10]), records([10], "pets"), status("pets"))

    assert done.exit_code == 1
    assert local.ids() == [0, 1, 2]
    assert local.ids("pets") == [10]


def test_a_refresh_that_would_keep_some_generations_is_refused(local: Local) -> None:
    done = local.write([stream(generation=3, minimum=2)], records([10]))

    assert done.exit_code == 1
    assert done.errors[0]["failure_type"] == "config_error"
    assert local.ids() == [0, 1, 2]
