"""How the destination names the streams, and how states come back under their own names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mini import after_record, step, stream
from syncs import Lab

from airbyte_exec import exceptions as exc
from airbyte_exec._engine.options import NameMapping
from airbyte_exec.types import StreamId

STREAMS = [stream("users", namespace="shop", records=15), stream("users", records=15)]


def seen(lab: Lab) -> set[tuple[str | None, str]]:
    """Return namespace and name of each stream in the catalog that the destination got."""
    return {(entry["stream"].get("namespace"), entry["stream"]["name"]) for entry in lab.written.catalog["streams"]}


@pytest.mark.parametrize(
    ("mapping", "names"),
    [
        (NameMapping(prefix="raw_"), {("shop", "raw_users"), (None, "raw_users")}),
        (NameMapping(namespace="to_${SOURCE_NAMESPACE}"), {("to_shop", "users"), ("to_", "users")}),
        (NameMapping(namespace="${SOURCE_NAMESPACE}", prefix="p"), {("shop", "pusers"), (None, "pusers")}),
    ],
)
@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_names_are_mapped_everywhere_and_states_come_back_under_their_own(
    lab: Lab, mapping: NameMapping, names: set[tuple[str | None, str]], kind: Any
) -> None:
    source = lab.source(streams=STREAMS, state_type=kind, state_text=r'"t":"\u00e9"', state_every=5)

    result = lab.write(
        source, lab.destination(echo="reserialised", supports_refreshes=True, strict=True), names=mapping
    )

    assert seen(lab) == names
    found = {(body.get("namespace"), body["stream"]) for body in (m["record"] for m in lab.written.messages("RECORD"))}
    assert found == names
    assert lab.written.statuses().keys() == {name if space is None else f"{space}.{name}" for space, name in names}
    assert result.states_committed == result.states_sent > 0
    assert result.streams.keys() == {StreamId("users"), StreamId("users", "shop")}
    if kind == "GLOBAL":
        descriptors = [
            (entry["stream_descriptor"].get("namespace"), entry["stream_descriptor"]["name"])
            for state in lab.written.messages("STATE")
            for entry in state["state"]["global"]["stream_states"]
        ]
        assert set(descriptors) == names


def test_the_source_gets_its_state_under_its_own_names(lab: Lab) -> None:
    source, mapping = lab.source(streams=STREAMS[:1]), NameMapping(namespace="other", prefix="raw_")
    lab.write(source, names=mapping)

    assert lab.write(source, names=mapping).processed_records == 0
    (message,) = lab.read.state or []
    assert message["stream"]["stream_descriptor"] == {"name": "users", "namespace": "shop"}


def test_nothing_but_the_name_of_a_record_is_touched(lab: Lab) -> None:
    data = r'{"stream":"users","namespace":"shop","n":1.10,"t":"\ud83d\ude00 \u00e9","deep":{"stream":"users"}}'

    lab.write(lab.source(streams=[stream(data=[data])]), names=NameMapping(prefix="raw_"))

    (line,) = lab.written.lines("RECORD")
    assert data.encode() in line
    assert json.loads(line)["record"]["stream"] == "raw_users"


def test_two_streams_of_one_name_are_an_error_before_anything_starts(lab: Lab) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="one name"):
        lab.write(lab.source(streams=STREAMS), names=NameMapping(namespace="destination"))

    assert not lab.got.exists()


def test_the_namespace_of_the_destination_means_none(lab: Lab) -> None:
    streams = [{**STREAMS[0], "discovered": {"of_a_later_protocol": [1]}}]

    lab.write(lab.source(streams=streams), names=NameMapping(namespace="destination"))

    (entry,) = lab.written.catalog["streams"]
    assert "namespace" not in entry["stream"]
    assert entry["stream"]["name"] == "users"
    assert entry["stream"]["of_a_later_protocol"] == [1]


def test_a_failed_stream_is_told_under_its_own_name(lab: Lab) -> None:
    source = lab.source(streams=[stream("users", namespace="shop", fails_after=5)])

    error = lab.failure(source, names=NameMapping(prefix="raw_"))

    assert error.result.streams[StreamId("users", "shop")].status == "failed"
    assert "shop.users" in str(error)


def test_an_echo_under_the_name_of_the_source_was_never_sent(lab: Lab) -> None:
    script = [step("state", {"before_state": 1}, stream="users", stream_state={"id": 10})]

    error = lab.failure(destination=lab.destination(script=script), names=NameMapping(prefix="raw_"))

    assert "never sent" in str(error)


def test_records_of_unknown_streams_stay_unknown_under_a_mapping(lab: Lab) -> None:
    script = [step("record", after_record(5), stream="raw_users", data={"id": 1})]

    result = lab.write(lab.source(script=script), names=NameMapping(prefix="raw_"))

    assert result.unknown_stream_records == {StreamId("raw_users"): 1}
    assert len(lab.written.lines("RECORD")) == 100
