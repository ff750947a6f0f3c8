"""What the next run is given: state, generations, and whose state it is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mini import after_record, after_state, step, stream, write_config
from syncs import SECRET, Lab

from airbyte_exec import exceptions as exc
from airbyte_exec._state.files import StateFile, StateFolder
from airbyte_exec.types import StreamId

USERS = StreamId("users")
ITEMS = StreamId("items")


def ids(lab: Lab) -> tuple[int, int, int]:
    """Return generation, minimum generation and sync id of the one stream of the last write."""
    (entry,) = lab.written.catalog["streams"]
    return entry["generation_id"], entry["minimum_generation_id"], entry["sync_id"]


def test_no_state_file_is_given_where_there_is_no_state(lab: Lab) -> None:
    lab.write()

    assert lab.read.state is None
    assert "--state" not in lab.read.launch["argv"]


def test_the_next_read_gets_exactly_the_documents_of_the_protocol(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20), stream("users", namespace="b", records=10)])
    lab.write(source)

    result = lab.write(source)

    assert lab.read.state == [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": _users(20)}},
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "users", "namespace": "b"}, "stream_state": _users(10)},
        },
    ]
    assert result.processed_records == 0
    assert {known.continued for known in result.streams.values()} == {True}


def _users(number: int) -> dict[str, Any]:
    return {"id": number, "updated_at": f"2024-01-01T00:00:00.{number:03d}Z"}


def test_a_source_gets_what_a_global_state_says_of_streams_that_are_not_read_now(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20), stream("items", records=20)], state_type="GLOBAL")
    lab.write(source, write_strategy="append", streams=["users"])

    result = lab.write(source, write_strategy="append", streams=["items"])

    assert lab.read.state is not None
    (entry,) = lab.read.state[0]["global"]["stream_states"]
    assert entry["stream_descriptor"] == {"name": "users"}
    assert len(lab.written.messages("RECORD")) == 20
    (warning,) = result.warnings
    assert "'users'" in warning
    assert "from their start" in warning


def test_a_replace_reads_without_a_global_state_of_other_streams(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20), stream("items", records=20)], state_type="GLOBAL")
    lab.write(source, write_strategy="append", streams=["users"])
    lab.write(source, write_strategy="replace", streams=["items"])

    assert lab.read.state is None


def test_a_global_state_is_kept_whole_and_given_back(lab: Lab) -> None:
    streams = [stream("users", records=20), stream("items", records=20)]
    source = lab.source(streams=streams, state_type="GLOBAL", shared_state_text='{"lsn":1e2}')

    lab.write(source)
    lab.write(source)

    (message,) = lab.read.state or []
    assert message["type"] == "GLOBAL"
    assert message["global"]["shared_state"] == {"lsn": 100.0}
    found = {entry["stream_descriptor"]["name"] for entry in message["global"]["stream_states"]}
    assert found == {"users", "items"}
    document = lab.saved().document
    assert document is not None
    assert b'{"lsn":1e2}' in document
    assert lab.written.messages("RECORD") == []


@pytest.mark.parametrize("echo", ["exact", "reserialised", "late", "skip"])
@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_global_and_legacy_states_are_committed(lab: Lab, kind: Any, echo: str) -> None:
    source = lab.source(state_type=kind, streams=[stream("users", records=20), stream("items", records=20)])

    result = lab.write(source, lab.destination(echo=echo))

    assert result.states_committed == result.states_sent >= 4
    assert lab.saved().kind == kind
    assert b'"global_"' not in lab.written.input


def test_a_legacy_state_is_given_back_as_it_was(lab: Lab) -> None:
    source = lab.source(state_type="LEGACY")
    lab.write(source)

    assert lab.write(source).processed_records == 0
    assert isinstance(lab.read.state, dict)


def test_only_what_follows_the_committed_state_is_sent_again(lab: Lab) -> None:
    flag = lab.folder / "once"
    source = lab.source(script=[step("exit", after_record(55), code=1, once=flag)])
    lab.failure(source)

    result = lab.write(source)

    assert [record["id"] for record in lab.written.records()["users"]] == list(range(51, 101))
    assert result.processed_records == 50


def test_states_are_committed_while_the_sync_runs(lab: Lab) -> None:
    source = lab.source(script=[step("wait_for", after_state(3), path=lab.folder / "never")])
    config = write_config(lab.folder, source.get_config(), "source.json")
    to = write_config(lab.folder, lab.destination().get_config(), "destination.json")
    program = (
        "import json, os, signal, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from syncs import *\n"
        "s, d = (json.loads(Path(p).read_text(encoding='utf-8')) for p in sys.argv[2:4])\n"
        "def kill(p):\n"
        "    if p.states_committed == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "source = Source(Scripted(SOURCE_MINI), 'source-mini', s)\n"
        "Destination(Scripted(DESTINATION_MINI), 'destination-mini', d).write(\n"
        "    source, cache=False, check=False, on_progress=kill)\n"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent.parent), str(config), str(to)]

    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    lab.await_nothing_left()
    assert lab.cursor() == 30
    assert not lab.written.saw_eof


def test_a_completed_full_refresh_is_never_continued(lab: Lab) -> None:
    source = lab.source(streams=[stream(sync_modes=["full_refresh"], resumable=True)])
    lab.write(source)

    result = lab.write(source)

    assert lab.read.state is None
    assert result.processed_records == 100


def test_an_interrupted_resumable_refresh_goes_on_in_its_generation(lab: Lab) -> None:
    script = [step("exit", after_record(55), code=1, once=lab.folder / "once")]
    source = lab.source(streams=[stream(sync_modes=["full_refresh"], resumable=True)], script=script)
    lab.failure(source, write_strategy="append")
    generation, minimum, sync = ids(lab)

    result = lab.write(source, write_strategy="append")

    assert result.processed_records == 50
    assert lab.read.state is not None
    assert ids(lab)[:2] == (generation, minimum) == (generation, 0)
    assert ids(lab)[2] > sync


def test_an_interrupted_replace_begins_anew(lab: Lab) -> None:
    script = [step("exit", after_record(55), code=1, once=lab.folder / "once")]
    source = lab.source(streams=[stream(resumable=True)], script=script)
    lab.failure(source, write_strategy="replace")
    first = ids(lab)

    result = lab.write(source, write_strategy="replace")

    assert lab.read.state is None
    assert result.processed_records == 100
    assert ids(lab)[0] > first[0]


def test_a_replace_starts_a_generation_with_minimum_itself_and_reads_without_state(lab: Lab) -> None:
    lab.write(write_strategy="append")
    appended = ids(lab)
    lab.write(write_strategy="replace")
    replaced = ids(lab)

    assert appended[1] == 0
    assert replaced[0] == replaced[1] > appended[0]
    assert replaced[2] > appended[2]
    assert lab.read.state is None


def test_an_incremental_sync_keeps_its_generation(lab: Lab) -> None:
    lab.write(write_strategy="append")
    first = ids(lab)
    lab.write(write_strategy="append")

    assert ids(lab)[:2] == first[:2]
    assert ids(lab)[2] > first[2]


def test_a_forced_refresh_reads_everything_as_a_new_generation_and_then_goes_on(lab: Lab) -> None:
    lab.write(write_strategy="append")
    before = ids(lab)
    forced = lab.write(write_strategy="append", force_full_refresh=True)
    refreshed = ids(lab)
    after = lab.write(write_strategy="append")

    assert forced.processed_records == 100
    assert refreshed[0] == refreshed[1] > before[0]
    assert after.processed_records == 0
    assert ids(lab)[:2] == (refreshed[0], 0)


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
@pytest.mark.parametrize("record", [5, 55])
def test_an_interrupted_forced_refresh_goes_on_as_one(lab: Lab, kind: Any, record: int) -> None:
    switch = lab.folder / "script.json"
    source = lab.source(state_type=kind, script_file=str(switch))
    lab.write(source, write_strategy="append")
    switch.write_text(json.dumps([step("exit", after_record(record), code=1)]), encoding="utf-8")
    lab.failure(source, write_strategy="append", force_full_refresh=True)
    refreshed = lab.saved().streams[USERS].generation_id  # a destination that is stopped at once tells nothing
    switch.unlink()

    result = lab.write(source, write_strategy="append")

    assert result.processed_records == 100 - record // 10 * 10
    assert ids(lab)[:2] == (refreshed, refreshed)
    assert not lab.read.state or record == 55


def test_generations_grow_also_where_state_is_lost(lab: Lab) -> None:
    lab.write(write_strategy="replace")
    first = ids(lab)
    for file in lab.state.iterdir():
        file.unlink()

    lab.write(write_strategy="replace")

    assert ids(lab)[0] > first[0]


def test_generations_grow_also_where_state_is_off(lab: Lab) -> None:
    lab.write(write_strategy="replace", state_cache=False)
    first = ids(lab)
    lab.write(write_strategy="replace", state_cache=False)

    assert ids(lab)[0] > first[0]
    assert not lab.state.exists()


def test_the_state_of_an_incremental_sync_is_not_given_to_a_full_refresh(lab: Lab) -> None:
    source = lab.source(streams=[stream(cursor=None, source_defined_cursor=False, primary_key=None)])
    source.set_cursor_key("users", "updated_at")
    lab.write(source, write_strategy="append")
    source._core.cursor_keys.clear()

    result = lab.write(source, write_strategy="append")

    (entry,) = lab.read.catalog["streams"]
    assert entry["sync_mode"] == "full_refresh"
    assert lab.read.state is None
    assert result.processed_records == 100


def test_a_change_of_a_config_begins_anew_with_a_warning(lab: Lab) -> None:
    source = lab.source()
    lab.write(source)

    result = lab.write(source, lab.destination(read_size=1000))

    assert lab.read.state is None
    assert any("has changed" in warning for warning in result.warnings)
    assert lab.write(source).processed_records == 0


def test_two_destinations_of_one_name_do_not_share_a_cursor(lab: Lab) -> None:
    source = lab.source()
    lab.write(source)
    other = lab.destination(path=lab.folder / "other")

    assert lab.write(source, other).processed_records == 100


def test_a_state_key_keeps_state_over_a_change_of_config(lab: Lab) -> None:
    source = lab.source()
    lab.write(source, state_key="mine")

    result = lab.write(source, lab.destination(read_size=1000), state_key="mine")

    assert result.processed_records == 0
    assert result.warnings == ()


@pytest.mark.parametrize("where", ["read", "check", "discover"])
def test_a_config_that_the_source_rotates_keeps_its_state(lab: Lab, where: str) -> None:
    rotated: list[dict[str, Any]] = []
    at = after_record(1) if where == "read" else "start"
    script = {where: [step("control", at, merge={"token": "two"})]}
    source = lab.source(token="one", script=script, made_with={"config_change_callback": rotated.append})
    lab.write(source, check=True)

    assert rotated[-1]["token"] == "two"
    assert source.get_config()["token"] == "two"
    again = lab.source()
    again.set_config(rotated[-1], validate=False)
    assert lab.write(again).processed_records == 0


@pytest.mark.parametrize("how", ["in_place", "replace"])
def test_a_config_file_that_the_source_rewrites_counts_as_a_change_and_keeps_state(lab: Lab, how: str) -> None:
    told: list[dict[str, Any]] = []
    script = {"read": [step("rewrite_config", "start", merge={"migrated": True}, how=how)]}
    source = lab.source(script=script, made_with={"config_change_callback": told.append})
    lab.write(source)

    assert [config["migrated"] for config in told] == [True]
    assert source.get_config()["migrated"] is True
    assert lab.write(source).processed_records == 0
    assert len(told) == 1


def test_a_control_after_a_rewritten_file_is_the_last_word(lab: Lab) -> None:
    told: list[dict[str, Any]] = []
    script = {
        "read": [
            step("rewrite_config", "start", merge={"token": "two"}),
            step("control", after_record(5), merge={"token": "three"}),
        ]
    }
    source = lab.source(token="one", script=script, made_with={"config_change_callback": told.append})
    lab.write(source)

    assert [config["token"] for config in told] == ["two", "three"]
    assert source.get_config()["token"] == "three"


def test_a_control_that_says_nothing_new_is_not_told(lab: Lab) -> None:
    told: list[dict[str, Any]] = []
    same, new, again = (
        step("control", after_record(n), merge=merge) for n, merge in [(5, {}), (6, {"a": 1}), (7, {"a": 1})]
    )
    made = {"config_change_callback": told.append}
    lab.write(lab.source(script={"read": [same, new, again]}, made_with=made))

    assert len(told) == 1


STREAM_STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 15}}}
GLOBAL_STATE = {"type": "GLOBAL", "global": {"shared_state": {"id": 15}, "stream_states": []}}
LEGACY_STATE = {"data": {"users": {"id": 15}}}


@pytest.mark.parametrize(
    ("kind", "other", "said"),
    [
        ("STREAM", GLOBAL_STATE, "is a GLOBAL state, and those before it were STREAM"),
        ("STREAM", LEGACY_STATE, "is a LEGACY state, and those before it were STREAM"),
        ("GLOBAL", STREAM_STATE, "is a STREAM state of stream 'users', and those before it were GLOBAL"),
        ("LEGACY", STREAM_STATE, "is a STREAM state of stream 'users', and those before it were LEGACY"),
    ],
)
def test_a_source_that_mixes_kinds_of_state_fails_at_that_line_and_keeps_what_came_before(
    lab: Lab, kind: Any, other: dict[str, Any], said: str
) -> None:
    line = json.dumps({"type": "STATE", "state": other})
    how: dict[str, Any] = {"streams": [stream(records=20)], "state_type": kind}
    error = lab.failure(lab.source(script=[step("noise", after_record(15), text=line)], **how), state_key="k")

    assert isinstance(error, exc.AirbyteConnectorReadError)
    assert error.connector_name == "source-mini"
    assert error.stream_name == ("users" if other is STREAM_STATE else None)
    assert said in str(error)
    assert "line 19 " in str(error)  # two statuses, ten records and their state, five records
    assert lab.saved().kind == kind
    assert lab.write(lab.source(**how), state_key="k").processed_records == 10


def test_a_source_may_change_the_kind_of_its_states_between_two_runs(lab: Lab) -> None:
    for kind in ("STREAM", "GLOBAL", "STREAM"):
        lab.write(lab.source(state_type=kind), state_key="k", force_full_refresh=True)
        assert lab.saved().kind == kind


def test_records_alone_are_read_of_no_source_that_mixes_kinds_of_state(lab: Lab) -> None:
    line = json.dumps({"type": "STATE", "state": GLOBAL_STATE})
    source = lab.source(script=[step("noise", after_record(15), text=line)])

    with pytest.raises(exc.AirbyteConnectorReadError, match="mixes kinds of state"):
        list(source.get_records("users"))


@pytest.mark.parametrize("way", ["control", "rewrite_config"])
def test_a_config_of_the_sources_own_that_does_not_fit_its_spec_is_kept_with_a_warning(
    lab: Lab, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[dict[str, Any]] = []
    broken = [step(way, after_record(n), merge={"api_key": [SECRET], "n": n}) for n in (5, 6)]
    source = lab.source(script={"read": broken}, made_with={"config_change_callback": told.append})
    result = lab.write(source, check=True)

    warnings = [text for text in result.warnings if "does not fit its own spec" in text]
    assert source.get_config()["api_key"] == [SECRET] == told[-1]["api_key"]
    if way == "control":  # a file is looked at once more when the result is there
        assert len(warnings) == 1
        assert "config.api_key: breaks the rule 'type': 'string'" in warnings[0]

    assert caplog.text.count("does not fit its own spec") == 1
    assert SECRET not in caplog.text + "".join(result.warnings)
    with pytest.raises(exc.AirbyteConnectorValidationFailedError):
        source.validate_config()


def test_a_config_of_the_sources_own_that_fits_is_no_warning(lab: Lab) -> None:
    source = lab.source(script={"read": [step("control", after_record(5), merge={"api_key": "new"})]})

    assert [text for text in lab.write(source, check=True).warnings if "spec" in text] == []


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_callback_that_raises_fails_the_write(lab: Lab, side: str) -> None:
    class UnsavedError(Exception):
        pass

    def save(config: dict[str, Any]) -> None:
        raise UnsavedError

    made: dict[str, Any] = {"made_with": {"config_change_callback": save}}
    source = {**made, "script": {"read": [step("control", after_record(15), merge={"token": "two"})]}}
    destination = {**made, "script": {"write": [step("control", after_state(1), merge={"token": "two"})]}}

    with pytest.raises(UnsavedError):
        lab.write(
            lab.source(**(source if side == "source" else {})),
            lab.destination(**(destination if side == "destination" else {})),
            write_strategy="append",
        )


def test_equal_states_with_records_between_are_told_apart(lab: Lab) -> None:
    script = [step("repeat_state", after_record(15)), step("repeat_state", after_record(35), back=2)]

    result = lab.write(lab.source(script=script), lab.destination(echo="reserialised"))

    assert result.states_committed == result.states_sent == 12
    assert lab.cursor() == 100


def test_a_repeated_state_without_records_between_needs_no_echo(lab: Lab) -> None:
    script = [step("repeat_state", {"before_complete": "users"})]

    result = lab.write(lab.source(script=script, final_state=False), lab.destination(echo="all_but_last"))

    assert result.states_committed == result.states_sent == 11


def test_a_saved_state_that_the_source_repeats_needs_no_echo(lab: Lab) -> None:
    source = lab.source(final_state="always")
    switch = lab.folder / "switch.json"
    destination = lab.destination(script_file=str(switch))
    lab.write(source, destination)
    switch.write_text('{"echo": "never"}', encoding="utf-8")

    result = lab.write(source, destination)

    assert (result.states_sent, result.states_committed) == (1, 1)


def test_two_streams_whose_echoes_cross_are_told_apart(lab: Lab) -> None:
    streams = [stream("users", records=50), stream("items", records=50)]

    result = lab.write(lab.source(streams=streams, interleave=True), lab.destination(echo="out_of_order"))

    assert result.states_committed == 10
    assert (lab.cursor("users"), lab.cursor("items")) == (50, 50)


def test_a_file_holds_the_state_where_a_store_is_given(lab: Lab) -> None:
    store = StateFile(lab.folder / "mine.json")

    lab.write(state_cache=store)

    assert lab.write(state_cache=store).processed_records == 0
    assert not list(lab.state.glob("*--*")) if lab.state.exists() else True
    assert (lab.folder / "mine.json").stat().st_mode & 0o077 == 0


def test_the_store_is_readable_by_the_user_alone_and_holds_no_config(lab: Lab) -> None:
    lab.write(lab.source(token="a-very-secret-token"))

    files = [path for path in lab.state.iterdir() if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    assert not any("a-very-secret-token" in path.read_text(encoding="utf-8") for path in files)
    assert StateFolder(lab.state).pairs()


def test_state_of_other_streams_stays_where_some_are_written(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", records=20), stream("items", records=20)])
    lab.write(source)
    lab.write(source, streams=["users"])

    assert (lab.cursor("users"), lab.cursor("items")) == (20, 20)


def test_a_stream_that_nobody_has_is_an_error_that_lists_the_near_ones(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteStreamNotFoundError, match="'users'"):
        lab.write(streams=["user"])
