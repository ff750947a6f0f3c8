"""What a value becomes in a typed table, against what Python's json and decimal say of it."""

# ruff: noqa: DTZ001 - a timestamp without a zone is what some columns hold

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_exec.caches import _tables
from airbyte_exec.caches._arrow import Piece
from airbyte_exec.caches._schema import columns_of
from airbyte_exec.caches._tables import TablePlan
from airbyte_exec.caches._writer import TableWriter
from airbyte_exec.types import StreamId

STREAM = StreamId("users")
KINDS: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": ["null", "number"]},
    "cents": {"type": "number", "multipleOf": 0.01},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "instant": {"type": "string", "format": "date-time"},
    "clock": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "time": {"type": "string", "format": "time", "airbyte_type": "time_without_timezone"},
    "zoned": {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "anything": {},
}


class Typed:
    """A table into which single records are put."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, in_python: bool) -> None:
        self.connection = connection
        self.in_python = in_python
        self.unparsed = 0
        self.writer = TableWriter(connection, schema="main", on_unparsed=self._count)
        self.numbers = count()

    def _count(self, _stream: StreamId, number: int) -> None:
        self.unparsed += number

    def put(self, schema: dict[str, Any], lines: list[bytes]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return the values of each row by property, and its meta, in the order of the lines."""
        table = f"t{next(self.numbers)}"
        columns = columns_of(schema)
        plan = TablePlan(stream=STREAM, table=table, columns=tuple(columns))
        assert self.writer.open(plan) == []
        written = self.writer.insert(STREAM, [Piece(b"".join(lines), "")])
        assert written == len(lines)
        found = self.connection.execute(
            f"SELECT * FROM {table} ORDER BY TRY_CAST(split_part(_airbyte_raw_id, '-', 1) AS BIGINT)"
        ).fetchall()
        self.connection.execute(f"DROP TABLE {table}")
        keys = [column.key for column in columns]
        kinds = {column.key: column.type for column in columns}
        return [(_decoded(dict(zip(keys, row, strict=False)), kinds), json.loads(row[-1])) for row in found]


def _decoded(values: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    return {k: json.loads(v) if kinds[k] == "JSON" and v is not None else v for k, v in values.items()}


@pytest.fixture(scope="module", params=[False, True], ids=["made by DuckDB", "made in Python, as of wide streams"])
def typed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    path: Path = tmp_path_factory.mktemp("types") / "types.duckdb"
    with duckdb.connect(str(path)) as connection, pytest.MonkeyPatch.context() as patch:
        if request.param:
            patch.setattr(_tables, "MOST_COLUMNS", 0)

        yield Typed(connection, in_python=request.param)


def line(data: str) -> bytes:
    return f'{{"type":"RECORD","record":{{"stream":"users","data":{data},"emitted_at":1}}}}\n'.encode()


def put_one(typed: Typed, kind: str, text: str) -> tuple[Any, list[str]]:
    ((values, meta),) = typed.put({"properties": {"x": KINDS[kind]}}, [line(f'{{"x":{text}}}')])
    changes = meta.get("changes", [])
    assert all(c["change"] == "NULLED" and c["reason"] == "DESTINATION_TYPECAST_ERROR" for c in changes)
    return values["x"], [c["field"] for c in changes]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "99999999999999999999999999999999999999", 10**38 - 1),
        ("integer", "-99999999999999999999999999999999999999", 1 - 10**38),
        ("integer", "18446744073709551616", 2**64),
        ("integer", "1e3", 1000),
        ("integer", "1.0", 1),
        ("integer", '"12"', 12),
        ("number", "0.1", 0.1),
        ("number", "1.7976931348623157e308", 1.7976931348623157e308),
        ("number", "5e-324", 5e-324),
        ("number", "12345678901234567890", 12345678901234567890.0),
        ("number", '"-Infinity"', float("-inf")),
        ("cents", "12345678901234567.12", Decimal("12345678901234567.12")),
        ("cents", "0.1", Decimal("0.10")),
        ("boolean", "true", True),
        ("string", '"\\u0000\\ud83d\\ude00\\n"', "\0😀\n"),
        ("string", '{"a":[1]}', '{"a":[1]}'),
        ("string", "12", "12"),
        ("date", '"2024-02-29"', date(2024, 2, 29)),
        ("instant", '"2024-01-01T00:00:00+05:30"', datetime(2023, 12, 31, 18, 30, tzinfo=UTC)),
        ("instant", '"2024-01-01T00:00:00.123456Z"', datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("instant", '"2024-01-01 10:00:00"', datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("clock", '"2024-01-01T10:00:00.5"', datetime(2024, 1, 1, 10, 0, 0, 500_000)),
        ("time", '"23:59:59.999999"', time(23, 59, 59, 999_999)),
        ("zoned", '"23:59:59.999999Z"', time(23, 59, 59, 999_999, tzinfo=UTC)),
        ("zoned", '"12:00:00+02:00"', time(12, tzinfo=timezone(timedelta(hours=2)))),
        ("object", '{"B":1.5,"b":null,"":[]}', {"B": 1.5, "b": None, "": []}),
        ("array", "[1,[2],{}]", [1, [2], {}]),
        ("anything", '"text"', "text"),
        ("anything", "12345678901234567890123", 12345678901234567890123),
        *((kind, "null", None) for kind in KINDS),
    ],
)
def test_a_value_that_fits_is_there_exactly(typed: Typed, kind: str, text: str, value: Any) -> None:
    found, misfits = put_one(typed, kind, text)
    assert (found, misfits) == (value, [])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.5"),
        ("integer", "true"),
        ("integer", '"abc"'),
        ("integer", '""'),
        ("integer", "[]"),
        ("integer", "1" * 40),
        ("integer", "1e39"),
        ("number", "1e400"),
        ("number", "1" * 400),
        ("number", '"1,5"'),
        ("number", "{}"),
        ("cents", '"x"'),
        ("cents", "1" * 38),
        ("cents", "[]"),
        ("boolean", '"maybe"'),
        ("boolean", "2.5"),
        ("boolean", "{}"),
        ("date", '"2024-02-30"'),
        ("date", '"2024-01-01T10:00:00Z"'),
        ("date", '"epoch"'),
        ("date", "20240101"),
        ("instant", '"soon"'),
        ("instant", '"infinity"'),
        ("instant", "1700000000"),
        ("instant", '"2024-13-01T00:00:00Z"'),
        ("clock", '"now"'),
        ("time", '"25:00:00"'),
        ("time", "true"),
    ],
)
def test_a_value_that_does_not_fit_becomes_null_and_is_named(typed: Typed, kind: str, text: str) -> None:
    assert put_one(typed, kind, text) == (None, ["x"])


def test_not_a_number_is_a_number_here(typed: Typed) -> None:
    found, misfits = put_one(typed, "number", "NaN")
    assert math.isnan(found)
    assert misfits == []


def test_the_changes_that_the_source_reports_stay(typed: Typed) -> None:
    own = {"field": "y", "change": "TRUNCATED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}
    meta = json.dumps({"changes": [own], "more": {"a": 1}})
    text = line('{"x":"q"}').replace(b'"emitted_at":1', b'"emitted_at":1,"meta":' + meta.encode())
    ((_, found),) = typed.put({"properties": {"x": KINDS["integer"]}}, [text])
    assert found["changes"] == [own, {"field": "x", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}]
    assert found["more"] == {"a": 1}


SCHEMA = {"properties": {"id": {"type": "integer"}, "s": {"type": "string"}, "o": {"type": "object"}}}


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ('{"id":1,"s":"\\ud800"}', {"id": 1, "s": "\ufffd", "o": None}),
        ('{"id":1,"o":{"\\udfff":["\\ud800"]}}', {"id": 1, "s": None, "o": {"\ufffd": ["\ufffd"]}}),
        ('{"id":1,"s":"x","o":{"a":+1}}', {"id": None, "s": None, "o": None}),
    ],
)
def test_a_line_that_the_database_cannot_parse_is_a_row_that_says_so(
    typed: Typed, data: str, values: dict[str, Any]
) -> None:
    before = typed.unparsed
    first, odd, last = typed.put(SCHEMA, [line('{"id":7}'), line(data), line('{"id":9}')])
    assert [first[0]["id"], odd[0], last[0]["id"]] == [7, values, 9]
    assert odd[1]["changes"][0]["reason"] == "DESTINATION_SERIALIZATION_ERROR"
    assert typed.unparsed == before + 1


def test_a_deep_value_is_a_value_or_is_named(typed: Typed) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    ((values, meta),) = typed.put({"properties": {"s": {"type": "string"}}}, [line(f'{{"s":{deep}}}')])
    if "changes" in meta:
        assert typed.in_python  # how deep Python reads depends on its version
        assert meta["changes"][0]["field"] in ("s", "data")
    else:
        assert values["s"] == deep


def test_an_odd_time_of_extraction_is_null(typed: Typed) -> None:
    text = line('{"id":1}').replace(b'"emitted_at":1', b'"emitted_at":99999999999999999')
    ((values, _),) = typed.put(SCHEMA, [text])
    assert values["id"] == 1


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_DATES = st.dates(min_value=date(1000, 1, 1))
_INSTANTS = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9998, 1, 1), timezones=_ZONES)
_CLOCKS = st.datetimes(min_value=datetime(1000, 1, 1))


def _values(kind: str) -> st.SearchStrategy[tuple[Any, Any]]:
    """Give values as JSON has them, each with what the row is to hold."""
    return {
        "integer": st.integers(1 - 10**38, 10**38 - 1).map(lambda v: (v, v)),
        "number": st.floats(allow_nan=False, allow_infinity=False).map(lambda v: (v, v)),
        "cents": st.integers(-(10**15), 10**15).map(lambda v: (v / 100, Decimal(v).scaleb(-2))),
        "boolean": st.booleans().map(lambda v: (v, v)),
        "string": _TEXT.map(lambda v: (v, v)),
        "date": _DATES.map(lambda v: (v.isoformat(), v)),
        "instant": _INSTANTS.map(lambda v: (v.isoformat(), v)),
        "clock": _CLOCKS.map(lambda v: (v.isoformat(), v)),
        "time": st.times().map(lambda v: (v.isoformat(), v)),
        "zoned": st.times(timezones=_ZONES).map(lambda v: (v.isoformat(), v)),
        "object": st.dictionaries(_TEXT, _NESTED, max_size=3).map(lambda v: (v, v)),
        "array": st.lists(_NESTED, max_size=3).map(lambda v: (v, v)),
        "anything": _NESTED.map(lambda v: (v, v)),
    }[kind]


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, tuple[Any, Any]]]]:
    """Give the kinds of some properties, and records with some of them."""
    names = draw(st.lists(_TEXT, unique=True, min_size=1, max_size=6))
    kinds = {name: draw(st.sampled_from(sorted(KINDS))) for name in names}
    records = [
        {n: draw(_values(kinds[n]) | st.just((None, None))) for n in names if draw(st.booleans())}
        for _ in range(draw(st.integers(1, 4)))
    ]
    return kinds, records


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(tables())
def test_what_a_record_holds_is_what_the_row_holds(typed: Typed, table: Any) -> None:
    kinds, records = table
    schema = {"properties": {name: KINDS[kind] for name, kind in kinds.items()}}
    lines = [line(json.dumps({name: given for name, (given, _) in record.items()})) for record in records]
    found = typed.put(schema, lines)
    expected = [{name: record.get(name, (None, None))[1] for name in kinds} for record in records]
    assert [values for values, _ in found] == expected
    assert all(meta == {} for _, meta in found)
