"""What is decided for each stream, from what the source discovered and the destination supports."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec.exceptions import (
    AirbyteConnectorDiscoverFailedError,
    AirbyteStreamNotFoundError,
    PyAirbyteInputError,
    PyAirbyteNoStreamsSelectedError,
)
from airbyte_exec.protocol.catalog import Generation, Overrides, StreamPlan, plan_catalog
from airbyte_exec.protocol.models import AirbyteCatalog, AirbyteStream, DestinationSyncMode, SyncMode
from airbyte_exec.protocol.selection import select_streams
from airbyte_exec.strategies import WriteMethod, WriteStrategy
from airbyte_exec.types import StreamId

FULL, INCREMENTAL = SyncMode.full_refresh, SyncMode.incremental
BOTH = [FULL, INCREMENTAL]
APPEND, OVERWRITE, DEDUP = (DestinationSyncMode(mode) for mode in ("append", "overwrite", "append_dedup"))
ID = [["id"]]


def stream(name: str = "users", modes: list[SyncMode] | None = None, **fields: Any) -> AirbyteStream:
    return AirbyteStream(name=name, json_schema={"type": "object"}, supported_sync_modes=modes or BOTH, **fields)


def catalog(*streams: AirbyteStream) -> AirbyteCatalog:
    return AirbyteCatalog(streams=list(streams))


def plan_one(one: AirbyteStream, **options: Any) -> StreamPlan:
    return plan_catalog(catalog(one), **options).streams[0]


def modes_of(plan: StreamPlan) -> tuple[str, str]:
    return plan.configured.sync_mode.value, plan.configured.destination_sync_mode.value


# AUTO


def test_auto_merges_a_stream_with_a_primary_key() -> None:
    plan = plan_one(stream(source_defined_primary_key=ID, default_cursor_field=["at"]))
    assert modes_of(plan) == ("incremental", "append_dedup")
    assert plan.configured.primary_key == ID
    assert plan.configured.cursor_field == ["at"]
    assert not plan.refresh


@pytest.mark.parametrize("fields", [{"default_cursor_field": ["at"]}, {"source_defined_cursor": True}])
def test_auto_appends_a_stream_with_a_cursor_and_no_key(fields: dict[str, Any]) -> None:
    assert modes_of(plan_one(stream(**fields))) == ("incremental", "append")


def test_auto_replaces_a_stream_with_neither_key_nor_cursor() -> None:
    plan = plan_one(stream())
    assert modes_of(plan) == ("full_refresh", "overwrite")
    assert plan.method is WriteMethod.REPLACE
    assert plan.refresh


def test_auto_does_not_append_what_can_only_be_read_in_full() -> None:
    assert modes_of(plan_one(stream(modes=[FULL], default_cursor_field=["at"]))) == ("full_refresh", "overwrite")


# Sync modes


@pytest.mark.parametrize("strategy", WriteStrategy)
@pytest.mark.parametrize("force", [False, True])
def test_a_full_refresh_only_stream_is_never_read_incrementally(strategy: WriteStrategy, force: bool) -> None:
    one = stream(modes=[FULL], source_defined_cursor=True, default_cursor_field=["at"], source_defined_primary_key=ID)
    plan = plan_one(one, strategy=strategy, force_full_refresh=force)
    assert plan.configured.sync_mode is FULL


@given(
    modes=st.sampled_from([[FULL], [INCREMENTAL], BOTH]),
    defined=st.sampled_from([None, False, True]),
    default=st.sampled_from([None, [], ["at"]]),
    key=st.sampled_from([None, [], ID]),
    strategy=st.sampled_from(WriteStrategy),
    force=st.booleans(),
    supported=st.none() | st.sets(st.sampled_from(DestinationSyncMode)),
)
def test_every_plan_is_one_that_source_and_destination_support(
    *,
    modes: list[SyncMode],
    defined: bool | None,
    default: list[str] | None,
    key: list[list[str]] | None,
    strategy: WriteStrategy,
    force: bool,
    supported: set[DestinationSyncMode] | None,
) -> None:
    one = stream(
        modes=modes, source_defined_cursor=defined, default_cursor_field=default, source_defined_primary_key=key
    )
    try:
        found = plan_catalog(catalog(one), strategy=strategy, force_full_refresh=force, supported=supported)
    except PyAirbyteInputError:
        has_cursor = bool(defined or default)
        usable = {APPEND, OVERWRITE} | ({DEDUP} if key else set())
        assert (
            (strategy is WriteStrategy.MERGE and not key)
            or (FULL not in modes and not has_cursor)
            or (supported and not supported & usable)
        )
        return

    plan = found.streams[0]
    configured = plan.configured
    assert configured.sync_mode in modes
    assert not supported or configured.destination_sync_mode in supported
    assert configured.destination_sync_mode.value == plan.method.destination_sync_mode
    assert configured.sync_mode is FULL or defined or configured.cursor_field
    assert configured.destination_sync_mode is not DEDUP or configured.primary_key
    assert plan.refresh == (force or plan.method is WriteMethod.REPLACE)
    assert plan.method is not WriteMethod.REPLACE or FULL not in modes or configured.sync_mode is FULL
    if strategy is not WriteStrategy.AUTO and plan.method.value != strategy.value:
        assert any("does not support" in warning for warning in found.warnings)


def test_a_replace_of_a_stream_that_only_reads_incrementally_reads_so_and_is_a_refresh() -> None:
    plan = plan_one(stream(modes=[INCREMENTAL], source_defined_cursor=True), strategy=WriteStrategy.REPLACE)
    assert modes_of(plan) == ("incremental", "overwrite")
    assert plan.refresh


def test_a_forced_full_refresh_keeps_the_method_and_the_mode_that_leaves_a_state() -> None:
    plan = plan_one(stream(source_defined_primary_key=ID, source_defined_cursor=True), force_full_refresh=True)
    assert modes_of(plan) == ("incremental", "append_dedup")
    assert plan.refresh


def test_a_forced_full_refresh_of_a_stream_without_a_cursor_reads_in_full() -> None:
    plan = plan_one(stream(source_defined_primary_key=ID), force_full_refresh=True)
    assert modes_of(plan) == ("full_refresh", "append_dedup")
    assert plan.refresh


def test_a_forced_full_refresh_that_appends_is_warned_of() -> None:
    found = plan_catalog(catalog(stream(source_defined_cursor=True)), force_full_refresh=True)
    assert modes_of(found.streams[0]) == ("incremental", "append")
    assert "unless the destination removes old generations" in found.warnings[0]


# Cursor and primary key


def test_the_callers_cursor_comes_before_the_default_one() -> None:
    one = stream(default_cursor_field=["at"])
    assert plan_one(one, overrides=Overrides(cursors={"users": "id"})).configured.cursor_field == ["id"]
    assert plan_one(one, overrides=Overrides(cursors={"users": ["a", "b"]})).configured.cursor_field == ["a", "b"]


def test_a_cursor_that_the_source_defines_comes_before_the_callers() -> None:
    one = stream(source_defined_cursor=True, default_cursor_field=["at"])
    found = plan_catalog(catalog(one), overrides=Overrides(cursors={"users": "id"}))
    assert found.streams[0].configured.cursor_field == ["at"]
    assert "the one that was set is ignored" in found.warnings[0]


def test_a_source_that_defines_its_cursor_needs_none_configured() -> None:
    assert "cursor_field" not in plan_one(stream(source_defined_cursor=True)).configured.to_dict()


def test_an_incremental_only_stream_without_a_cursor_is_an_error() -> None:
    with pytest.raises(PyAirbyteInputError, match="needs a cursor: 'users'") as caught:
        plan_one(stream(modes=[INCREMENTAL]))

    assert "set_cursor_key" in str(caught.value)
    plan = plan_one(stream(modes=[INCREMENTAL]), overrides=Overrides(cursors={"users": "id"}))
    assert modes_of(plan) == ("incremental", "append")


def test_a_stream_without_a_cursor_is_read_in_full_where_it_can_be() -> None:
    plan = plan_one(stream(source_defined_primary_key=ID))
    assert modes_of(plan) == ("full_refresh", "append_dedup")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("id", [["id"]]), (["a", "b"], [["a"], ["b"]]), ([["a", "b"], ["c"]], [["a", "b"], ["c"]])],
)
def test_the_callers_primary_key_comes_before_the_sources(given: Any, meant: list[list[str]]) -> None:
    one = stream(source_defined_primary_key=[["uuid"]])
    plan = plan_one(one, overrides=Overrides(primary_keys={"users": given}))
    assert plan.configured.primary_key == meant


def test_an_empty_primary_key_from_the_caller_means_none() -> None:
    one = stream(source_defined_primary_key=ID)
    assert plan_one(one, overrides=Overrides(primary_keys={"users": []})).method is WriteMethod.REPLACE


def test_overrides_find_their_stream_without_regard_to_case_unless_one_is_called_so() -> None:
    found = plan_catalog(
        catalog(stream("Users"), stream("users"), stream("Orders")),
        overrides=Overrides(primary_keys={"Users": "a", "ORDERS": "b"}),
    )
    assert [plan.configured.primary_key for plan in found.streams] == [[["a"]], None, [["b"]]]


def test_an_override_for_an_unknown_stream_is_an_error_that_names_the_near_one() -> None:
    with pytest.raises(AirbyteStreamNotFoundError, match="Did you mean 'users'"):
        plan_one(stream(), overrides=Overrides(cursors={"user": "id"}))


def test_merge_needs_a_primary_key_and_names_every_stream_without_one() -> None:
    some = catalog(
        stream("a", source_defined_primary_key=ID), stream("b"), stream("c", source_defined_primary_key=[[]])
    )
    with pytest.raises(PyAirbyteInputError, match="'b', 'c' has none"):
        plan_catalog(some, strategy=WriteStrategy.MERGE)


# What the destination supports


@pytest.mark.parametrize("supported", [None, [], [APPEND, OVERWRITE, DEDUP]])
def test_a_destination_that_says_nothing_gets_the_preferred_mode(supported: list[DestinationSyncMode] | None) -> None:
    found = plan_catalog(catalog(stream(source_defined_primary_key=ID)), supported=supported)
    assert found.streams[0].method is WriteMethod.MERGE
    assert found.warnings == ()


KEYED = {"source_defined_primary_key": ID}
CURSOR = {"default_cursor_field": ["at"]}


@pytest.mark.parametrize(
    ("strategy", "fields", "supported", "modes"),
    [
        ("merge", KEYED | CURSOR, [APPEND, OVERWRITE], ("incremental", "append")),
        ("merge", KEYED | CURSOR, [OVERWRITE], ("full_refresh", "overwrite")),
        ("merge", KEYED, [APPEND, OVERWRITE], ("full_refresh", "append")),
        ("auto", KEYED, [APPEND, OVERWRITE], ("full_refresh", "overwrite")),
        ("auto", KEYED | CURSOR, [APPEND, OVERWRITE], ("incremental", "append")),
        ("append", KEYED | CURSOR, [OVERWRITE, DEDUP], ("incremental", "append_dedup")),
        ("append", CURSOR, [OVERWRITE, DEDUP], ("full_refresh", "overwrite")),
        ("replace", KEYED | CURSOR, [APPEND, DEDUP], ("incremental", "append_dedup")),
        ("replace", CURSOR, [APPEND, DEDUP], ("incremental", "append")),
    ],
)
def test_an_unsupported_mode_falls_back_to_the_next_best_with_a_warning(
    strategy: str, fields: dict[str, Any], supported: list[DestinationSyncMode], modes: tuple[str, str]
) -> None:
    found = plan_catalog(catalog(stream(**fields)), strategy=WriteStrategy(strategy), supported=supported)
    assert modes_of(found.streams[0]) == modes
    assert "the destination does not support" in found.warnings[0]
    assert "'users'" in found.warnings[0]


def test_a_destination_that_supports_none_of_the_modes_is_an_error() -> None:
    with pytest.raises(PyAirbyteInputError, match="cannot write 'users'") as caught:
        plan_one(stream(), supported=[DestinationSyncMode.update])

    assert "update" in str(caught.value)


def test_appending_what_is_read_in_full_is_warned_of_once_for_all_streams() -> None:
    some = catalog(*(stream(f"s{n}", modes=[FULL]) for n in range(15)))
    found = plan_catalog(some, strategy=WriteStrategy.APPEND)
    assert len(found.warnings) == 1
    assert "'s9' and 5 more: each sync reads all rows" in found.warnings[0]


# Selection


def names(found: list[AirbyteStream]) -> list[str]:
    return [one.name for one in found]


@pytest.mark.parametrize("asked", [None, "*", ["*"], ["c", "a", "b"], ("a", "b", "c", "a")])
def test_the_order_is_that_of_the_catalog(asked: Any) -> None:
    assert names(select_streams(catalog(stream("b"), stream("a"), stream("c")), asked)) == ["b", "a", "c"]


def test_an_unknown_name_is_an_error_that_lists_the_near_ones() -> None:
    some = catalog(stream("users"), stream("User_Events"), stream("orders", namespace="sales"))
    with pytest.raises(AirbyteStreamNotFoundError) as caught:
        select_streams(some, ["orders", "Usres", "sale.orders"], connector_name="source-f")

    error = caught.value
    assert error.connector_name == "source-f"
    assert error.stream_name == "Usres"
    assert error.available_streams is not None
    assert {"users", "sales.orders"} <= set(error.available_streams)
    assert "no stream 'Usres', 'sale.orders'" in str(error)
    assert "Did you mean 'users'" in str(error)


def test_an_unknown_name_in_a_large_catalog_does_not_list_them_all() -> None:
    some = catalog(*(stream(f"table_{n}") for n in range(20_000)))
    with pytest.raises(AirbyteStreamNotFoundError) as caught:
        select_streams(some, [f"no{n}" for n in range(1_000)])

    assert len(str(caught.value)) < 2_000
    assert "20000" in str(caught.value)


def test_a_name_stands_for_every_namespace_and_an_id_for_one() -> None:
    some = catalog(stream("a", namespace="x"), stream("a", namespace="y"), stream("a"), stream("a", namespace=""))
    namespaces = [
        [one.namespace for one in select_streams(some, asked)]
        for asked in ("a", "x.a", StreamId("a", "y"), StreamId("a"), [StreamId("a", "")])
    ]
    assert namespaces == [["x", "y", None, ""], ["x"], ["y"], [None], [""]]


def test_a_name_with_a_dot_comes_before_a_namespace() -> None:
    some = catalog(stream("a", namespace="x"), stream("x.a"))
    assert [one.namespace for one in select_streams(some, "x.a")] == [None]


@pytest.mark.parametrize("asked", [[], ()])
def test_no_stream_at_all_is_an_error(asked: Any) -> None:
    with pytest.raises(PyAirbyteNoStreamsSelectedError):
        plan_catalog(catalog(stream()), streams=asked)

    with pytest.raises(PyAirbyteNoStreamsSelectedError):
        plan_catalog(catalog())


@pytest.mark.parametrize("asked", [5, [5], [{"name": "users"}], {"users": None}.items()])
def test_streams_that_are_no_names_are_an_error(asked: Any) -> None:
    with pytest.raises(PyAirbyteInputError, match="named by a text"):
        plan_catalog(catalog(stream()), streams=asked)


def test_a_stream_that_the_catalog_holds_twice_is_an_error_only_if_it_is_selected() -> None:
    some = catalog(stream("a"), stream("a"), stream("b"))
    assert names(select_streams(some, "b")) == ["b"]
    with pytest.raises(AirbyteConnectorDiscoverFailedError, match="holds a stream twice"):
        select_streams(some)


@pytest.mark.parametrize("name", ['"', "a;b", "new\nline", "💥", "", " ", "${x}"])
def test_any_text_may_be_a_name(name: str) -> None:
    plan = plan_one(stream(name, **KEYED), streams=[name], overrides=Overrides(primary_keys={name: "k"}))
    assert plan.stream == StreamId(name)
    assert plan.configured.primary_key == [["k"]]


# What comes out


def test_the_stream_is_passed_on_with_every_field_that_it_came_with() -> None:
    said = {"name": "a", "json_schema": {"x": None}, "supported_sync_modes": ["full_refresh"], "new": {"y": None}}
    found = plan_catalog(AirbyteCatalog.from_dict({"streams": [said]}))
    assert found.catalog.to_dict() == {
        "streams": [{"stream": said, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]
    }


def test_generations_are_set_by_stream() -> None:
    found = plan_catalog(catalog(stream("a"), stream("a", namespace="x")))
    numbered = found.with_generations(
        {
            StreamId("a"): Generation(generation_id=3, minimum_generation_id=3, sync_id=9),
            StreamId("a", "x"): Generation(generation_id=1, minimum_generation_id=0, sync_id=9),
        }
    )
    ids = [
        (each["generation_id"], each["minimum_generation_id"], each["sync_id"])
        for each in numbered.catalog.to_dict()["streams"]
    ]
    assert ids == [(3, 3, 9), (1, 0, 9)]
    assert "generation_id" not in found.catalog.to_dict()["streams"][0]
    with pytest.raises(KeyError):
        found.with_generations({})


def test_twenty_thousand_streams_are_planned_in_one_go() -> None:
    some = catalog(*(stream(f"table_{n}", **KEYED) for n in range(20_000)))
    asked = [f"table_{n}" for n in reversed(range(20_000))]
    found = plan_catalog(
        some,
        streams=asked,
        supported=[APPEND],
        overrides=Overrides(cursors=dict.fromkeys(asked, "at")),
    )
    assert [plan.stream.name for plan in found.streams] == asked[::-1]
    assert len(found.warnings) == 1
    assert len(found.warnings[0]) < 500
