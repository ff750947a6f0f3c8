"""What the rules for reads catch, and what they let pass, judged by lines that are made here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airbyte_exec.conformance import Subject, load_cases
from airbyte_exec.conformance.checks import Check, Given, NotApplicableError, read
from airbyte_exec.conformance.transcript import Line, Transcript, read_line
from airbyte_exec.executors import NoOpExecutor

Json = dict[str, Any]
TEXT: Json = {"type": ["string", "null"]}


def line_of(number: int, data: Json) -> Line:
    message = {"type": "RECORD", "record": {"stream": "users", "data": data, "emitted_at": 1}}
    line = read_line(number, json.dumps(message).encode(), 0.0)
    assert line is not None
    return line


def judged(
    check: Check, rows: Sequence[Json], schema: Json, key: Sequence[Sequence[str]] = (), **given: Any
) -> list[str]:
    """Return what a check finds in a read of one stream."""
    lines = [line_of(number, data) for number, data in enumerate(rows, 1)]
    stream = {"name": "users", "json_schema": schema}
    return [
        finding.message
        for finding in check(
            Given(
                case=load_cases()[0],
                subject=Subject(executor=NoOpExecutor("source-x"), kind="source", **given),
                runs=[Transcript(command="read", exit_code=0, lines=lines)],
                configured=[{"streams": [{"stream": stream, "primary_key": key}]}],
            )
        )
    ]


def fields(**properties: object) -> Json:
    return {"type": "object", "properties": properties}


def expected(*ids: int, name: str = "id") -> tuple[Json, ...]:
    return tuple({"stream": "users", "data": {name: number}} for number in ids)


ROWS = [{"id": number} for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("ids", "is_right"), [((1, 2, 3), True), ((1, 2, 3, 4), True), ((2, 3), False), ((2, 1), False)]
)
def test_where_order_counts_the_expected_records_are_the_first_ones_in_their_order(
    ids: tuple[int, ...], is_right: bool
) -> None:
    found = judged(read.expected_records, ROWS, fields(), [["id"]], expected_records=expected(*ids), exact_order=True)
    assert (found == []) is is_right
    assert judged(read.expected_records, ROWS, fields(), [["id"]], expected_records=expected(*ids)) == []


def test_the_record_that_breaks_the_order_is_named() -> None:
    given = {"expected_records": expected(1, 3), "exact_order": True}
    (found,) = judged(read.expected_records, ROWS, fields(), [["id"]], **given)
    assert found == "users: record 2 has the key [2], and [3] is expected there"


def test_without_a_key_expected_records_are_counted_in_any_order() -> None:
    given = {"expected_records": expected(4, 1), "exact_order": True}
    assert judged(read.expected_records, ROWS, fields(), **given) == []
    (found,) = judged(read.expected_records, ROWS[:1], fields(), **given)
    assert found == "users: 2 records expected, 1 came"


def test_a_field_that_no_schema_declares_is_a_breach_where_that_is_asked_for() -> None:
    rows, schema = [{"id": 1, "more": {"id": 2}}], fields(id={"type": "integer"})
    assert judged(read.fits_schema, rows, schema) == []
    assert judged(read.fits_schema, rows, schema, fail_on_extra_columns=True) == [
        "users: its json_schema does not have more"
    ]
    assert judged(read.fits_schema, [{"id": 1}], schema, fail_on_extra_columns=True) == []


def test_only_fields_at_the_top_must_be_declared() -> None:
    rows, schema = [{"a": {"b": 1, "c": 2}}], fields(a=fields(b={"type": "integer"}))
    assert judged(read.fits_schema, rows, schema, fail_on_extra_columns=True) == []


def test_a_record_that_has_but_the_fields_of_a_branch_has_fields_of_its_schema() -> None:
    schema = {"type": "object", "properties": {"id": TEXT}, "oneOf": [fields(a=TEXT), fields(b=TEXT)]}
    assert judged(read.fits_schema, [{"z": "x"}], {**schema, "oneOf": [{}]}) == [
        "users: a record has no field of its json_schema"
    ]
    assert judged(read.fits_schema, [{"b": "x"}], {"type": "object", "anyOf": schema["oneOf"]}) == []


def test_each_field_is_looked_for_however_deep_it_stands() -> None:
    schema = fields(
        id=TEXT,
        inner=fields(there=TEXT, gone=TEXT),
        rows={"type": "array", "items": fields(there=TEXT, gone=TEXT)},
        texts={"type": "array", "items": {"type": "string"}},
        never=fields(deep=TEXT),
    )
    rows: list[Json] = [
        {"id": None, "inner": {"there": "x", "gone": None}, "rows": [{"there": None}], "texts": ["a"]},
        {"id": "1", "inner": None, "rows": [{"there": "x"}], "texts": []},
    ]
    names = ("inner.gone", "rows[].gone", "never")
    assert judged(read.fields_filled, rows, schema) == [
        f"users: {name} is null or absent in all records" for name in names
    ]


def test_of_alternatives_one_that_is_filled_is_enough() -> None:
    schema = fields(way={"oneOf": [fields(kind=TEXT, a=TEXT), fields(kind=TEXT, b=TEXT), {"type": "null"}]})
    assert judged(read.fields_filled, [{"way": {"kind": "b", "b": "x"}}], schema) == []
    assert judged(read.fields_filled, [{"way": {"kind": "b"}}], schema) == [
        "users: way.a is null or absent in all records"
    ]


def test_a_source_whose_records_name_files_must_read_each_usual_kind() -> None:
    names = [f"folder/x.{kind}" for kind in ("CSV", "jsonl", "avro", "parquet", "pdf")]
    rows: list[Json] = [{"_ab_source_file_url": name} for name in names]
    assert judged(read.files, rows, fields()) == []
    assert judged(read.files, rows[:-1], fields())[0].startswith("no record is from a file of the kind .doc or")
    with pytest.raises(NotApplicableError, match="name no files"):
        judged(read.files, ROWS, fields())


@pytest.mark.parametrize(("value", "is_right"), [("2024-02-01", True), ("2024-02-01T10:00:00Z", False), ("1", False)])
def test_a_date_is_no_time(value: str, is_right: bool) -> None:
    found = judged(read.fits_schema, [{"at": value}], fields(at={"type": "string", "format": "date"}))
    assert (found == []) is is_right


def test_a_schema_that_is_none_is_told_of_by_another_rule() -> None:
    assert judged(read.fits_schema, [{"id": 1}], {"type": "object", "properties": []}) == []


def test_a_file_may_be_compressed() -> None:
    rows: list[Json] = [{"_ab_source_file_url": f"x.{kind}"} for kind in ("csv.gz", "jsonl", "avro", "parquet", "md")]
    assert judged(read.files, rows, fields()) == []
