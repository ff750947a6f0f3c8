"""What is decided before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec._engine.options import NameMapping
from airbyte_exec._engine.plan import SyncPlan, plan_sync
from airbyte_exec._engine.route import Route
from airbyte_exec._state.store import Changes, Saved, merge_changes
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol.catalog import plan_catalog
from airbyte_exec.protocol.envelope import Records
from airbyte_exec.protocol.models import AirbyteCatalog
from airbyte_exec.strategies import WriteStrategy
from airbyte_exec.types import StreamId

USERS, ITEMS = StreamId("users"), StreamId("items", "shop")
NOW = 1_800_000_000_000


def planned(
    saved: Saved | None = None, *, strategy: str = "append", force: bool = False, now: int = NOW, modes: Any = None
) -> SyncPlan:
    streams = [
        {
            "name": stream.name,
            "namespace": stream.namespace,
            "json_schema": {},
            "supported_sync_modes": modes or ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["at"],
            "source_defined_primary_key": [["id"]],
        }
        for stream in (USERS, ITEMS)
    ]
    catalog = plan_catalog(
        AirbyteCatalog.model_validate({"streams": streams}), strategy=WriteStrategy(strategy), force_full_refresh=force
    )
    return plan_sync(catalog, saved, now_ms=now)


def after(plan: SyncPlan, *, complete: bool, state: bytes | None = b'{"n":1}', kind: Any = "STREAM") -> Saved:
    """Return what is saved after a sync that came so far."""
    from dataclasses import replace

    saved = merge_changes(None, Changes(None, plan.templates, plan.document), now=0)
    if state is not None:
        streams = {stream: replace(known, state=state) for stream, known in plan.templates.items()}
        document = (
            b'{"stream_states":[{"stream_descriptor":{"name":"users"},"stream_state":{}},'
            b'{"stream_descriptor":{"name":"items","namespace":"shop"},"stream_state":{}}]}'
        )
        saved = merge_changes(saved, Changes(kind, streams, None if kind == "STREAM" else document), now=0)

    ended = {stream: replace(known, complete=complete) for stream, known in saved.streams.items()}
    return merge_changes(saved, Changes(None, ended), now=0)


def generations(plan: SyncPlan) -> set[tuple[int, int]]:
    return {(known.generation_id, known.minimum_generation_id) for known in plan.templates.values()}


def test_a_first_sync_starts_a_generation_and_puts_nothing_away() -> None:
    plan = planned()

    assert generations(plan) == {(NOW, 0)}
    assert plan.state is None
    assert plan.continued == frozenset()
    assert plan.replaced == frozenset()


def test_the_configured_catalog_has_the_generations_of_the_templates() -> None:
    plan = planned(strategy="replace")

    found = {(c.generation_id, c.minimum_generation_id, c.sync_id) for c in plan.configured().streams}
    assert found == {(NOW, NOW, NOW)}
    assert plan.replaced == {USERS, ITEMS}


def test_an_incremental_sync_goes_on() -> None:
    plan = planned(after(planned(), complete=True), now=NOW + 5)

    assert generations(plan) == {(NOW, 0)}
    assert plan.continued == {USERS, ITEMS}
    assert plan.state is not None
    assert {known.sync_id for known in plan.templates.values()} == {NOW + 5}


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_an_interrupted_refresh_never_goes_on_from_the_state_before_it(kind: str) -> None:
    before = after(planned(), complete=True, kind=kind)
    forced = planned(before, force=True, now=NOW + 5)
    interrupted = merge_changes(before, Changes(None, forced.templates, forced.document), now=0)

    plan = planned(interrupted, now=NOW + 9)

    assert plan.state is None
    assert generations(plan) == {(NOW + 5, NOW + 5)}
    assert plan.replaced == {USERS, ITEMS}


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_an_interrupted_refresh_goes_on_from_its_own_state(kind: str) -> None:
    forced = planned(after(planned(), complete=True, kind=kind), force=True, now=NOW + 5)

    plan = planned(after(forced, complete=False, kind=kind), now=NOW + 9)

    assert plan.state is not None
    assert generations(plan) == {(NOW + 5, NOW + 5)}


def test_the_state_of_a_complete_full_refresh_is_not_sent_and_not_kept() -> None:
    plan = planned(after(planned(modes=["full_refresh"]), complete=True), modes=["full_refresh"])

    assert plan.state is None
    assert {known.state for known in plan.templates.values()} == {None}
    assert generations(plan) == {(NOW, 0)}


@pytest.mark.parametrize(("first", "second"), [(["full_refresh"], None), (None, ["full_refresh"])])
def test_the_state_of_one_sync_mode_is_not_given_to_another(first: Any, second: Any) -> None:
    plan = planned(after(planned(modes=first), complete=False), modes=second)

    assert plan.state is None


def test_a_replace_after_an_interrupted_one_starts_yet_another_generation() -> None:
    plan = planned(after(planned(strategy="replace"), complete=False), strategy="replace", now=NOW - 100)

    assert generations(plan) == {(NOW + 1, NOW + 1)}
    assert plan.state is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["append", "merge", "replace"]), st.booleans(), st.booleans(), st.booleans()),
        max_size=8,
    ),
    st.lists(st.integers(0, 10), min_size=8, max_size=8),
)
def test_ids_only_grow_and_a_minimum_is_a_generation_or_0(
    runs: list[tuple[str, bool, bool, bool]], clock: list[int]
) -> None:
    saved: Saved | None = None
    last_generation = last_sync = 0
    for (strategy, force, complete, lost), tick in zip(runs, clock, strict=False):
        plan = planned(saved, strategy=strategy, force=force, now=NOW + tick)
        for known in plan.templates.values():
            assert known.generation_id >= last_generation
            assert known.sync_id > last_sync
            assert known.minimum_generation_id in (0, known.generation_id)
            if strategy == "replace" or force:
                assert known.minimum_generation_id == known.generation_id > last_generation

        last_generation = max(known.generation_id for known in plan.templates.values())
        last_sync = max(known.sync_id for known in plan.templates.values())
        saved = after(plan, complete=complete, state=None if lost else b"{}")


def test_only_records_of_the_catalog_pass() -> None:
    route = Route([USERS], NameMapping())

    passed = route.admit(Records(b"1\n2\n3\n", {USERS: 2, ITEMS: 1}, (USERS, ITEMS, USERS)))

    assert passed == Records(b"1\n3\n", {USERS: 2})
    assert route.unknown == {ITEMS: 1}
    assert route.admit(Records(b"1\n", {ITEMS: 1})) is None


@pytest.mark.parametrize(
    ("mapping", "stream", "name"),
    [
        (NameMapping(), StreamId("a", "n"), StreamId("a", "n")),
        (NameMapping(prefix="p_"), StreamId("a"), StreamId("p_a")),
        (NameMapping(namespace="destination"), StreamId("a", "n"), StreamId("a")),
        (NameMapping(namespace="fixed"), StreamId("a", "n"), StreamId("a", "fixed")),
        (NameMapping(namespace="x_${SOURCE_NAMESPACE}_y"), StreamId("a", "n"), StreamId("a", "x_n_y")),
        (NameMapping(namespace="${SOURCE_NAMESPACE}"), StreamId("a"), StreamId("a")),
        (NameMapping(namespace="  "), StreamId("a", "n"), StreamId("a")),
    ],
)
def test_a_mapping_gives_each_stream_its_name(mapping: NameMapping, stream: StreamId, name: StreamId) -> None:
    assert mapping.apply(stream) == name


def test_two_streams_never_get_one_name() -> None:
    with pytest.raises(PyAirbyteInputError, match="fixed"):
        Route([StreamId("a", "n"), StreamId("a", "m")], NameMapping(namespace="fixed"))
