from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airbyte_exec.exceptions import PyAirbyteNameNormalizationError
from airbyte_exec.protocol.models import AirbyteRecordMessage
from airbyte_exec.records import LowerCaseNormalizer, StreamRecord, StreamRecordHandler

SCHEMA = {"properties": {"userId": {}, "Full Name": {}, "userid": {}}}


def handler(**options: bool) -> StreamRecordHandler:
    return StreamRecordHandler(json_schema=SCHEMA, **{"prune_extra_fields": True, **options})


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("Hello World!", "hello_world_"),
        ("Hello - World", "hello___world"),
        ("___Hello, World___", "___hello__world___"),
        ("1st", "_1st"),
        ("+1", "_1"),
        ("Größe", "gr__e"),
    ],
)
def test_names_are_normalized_as_pyairbyte_does(name: str, normalized: str) -> None:
    assert LowerCaseNormalizer.normalize(name) == normalized


@pytest.mark.parametrize("name", ["", "___", "🎉", "!?"])
def test_a_name_of_which_nothing_is_left_is_an_error(name: str) -> None:
    with pytest.raises(PyAirbyteNameNormalizationError):
        LowerCaseNormalizer.normalize(name)


def test_keys_are_found_in_any_case_and_kept_as_the_schema_writes_them() -> None:
    record = StreamRecord({"FULL NAME": "Ada", "userId": 1}, stream_record_handler=handler())
    assert list(record)[:3] == ["userId", "Full Name", "userid"]
    assert record["full_name"] == record["Full Name"] == record.get("FULL-NAME") == "Ada"
    assert (record["userId"], record["userid"]) == (1, None)
    assert "full name" in record
    assert 1 not in record
    del record["full_name"]
    assert "Full Name" not in record
    with pytest.raises(KeyError):
        record["nope"]


def test_undeclared_keys_are_pruned_or_kept() -> None:
    assert "more" not in StreamRecord({"more": 1}, stream_record_handler=handler())
    assert StreamRecord({"More": 1}, stream_record_handler=handler(prune_extra_fields=False))["More"] == 1


def test_keys_can_be_normalized() -> None:
    record = StreamRecord(
        {"Full Name": 1}, stream_record_handler=handler(normalize_keys=True), with_internal_columns=False
    )
    assert set(record) == {"userid", "full_name"}


def test_a_record_of_a_message_knows_when_it_was_read() -> None:
    message = AirbyteRecordMessage(stream="users", data={"userId": 1}, emitted_at=1_700_000_000_500)
    record = StreamRecord.from_record_message(message, stream_record_handler=handler())
    assert record["_airbyte_extracted_at"] == datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)
    assert record["_airbyte_meta"] == {}
    assert record["_airbyte_raw_id"]


def test_records_are_equal_in_any_case_and_can_be_in_a_set() -> None:
    plain = StreamRecord({"userId": 1}, stream_record_handler=handler(), with_internal_columns=False)
    assert plain == {"userId": 1, "userid": None, "Full Name": None}
    assert plain != {"userId": 2}
    assert len({plain, plain}) == 1
