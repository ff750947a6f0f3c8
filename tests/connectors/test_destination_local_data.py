"""Names and values of every kind, and sizes that are not usual."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_destination import FORMATS, MODES, Local, record, records, state, status, stream

from airbyte_exec.caches._wide import MOST_COLUMNS
from airbyte_exec.connectors.destination_local.names import file_name

if TYPE_CHECKING:
    from pathlib import Path

NASTY = [
    "../../escape",
    "..",
    ".",
    "a/b",
    "quo\"te'd",
    "semi;colon -- drop",
    "new\nline\r",
    "emoji 🦆",
    "Ünïcödé",
    "select",
    " space ",
    "",
    "%2E",
    "CamelCase",
    "x" * 300,
    ".hidden",
    "back\\slash",
]


@pytest.fixture(params=FORMATS)
def local(tmp_path: Path, request: pytest.FixtureRequest) -> Local:
    return Local(tmp_path, request.param)


@given(st.text(), st.text())
def test_two_names_are_two_file_names_and_each_is_one_path_component(one: str, other: str) -> None:
    names = file_name(one), file_name(other)

    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert name not in {"", ".", ".."}
        assert not name.startswith(".")
        assert not {"/", "\0", "\n"} & set(name)
        assert len(name.encode()) <= 255


def test_a_lone_surrogate_has_a_file_name() -> None:
    assert file_name("a\ud800") == "a%ED%A0%80"


def test_nasty_names_of_streams_and_namespaces_stay_within_the_place(local: Local) -> None:
    local.config["schema"] = "plain"
    names = [(name, None) for name in NASTY] + [("users", name) for name in NASTY]
    catalog = [stream(name, namespace=space) for name, space in names]
    lines = [record(n, name, space) for n, (name, space) in enumerate(names)]
    done = local.write(catalog, *lines, state(1, NASTY[0]))

    assert done.exit_code == 0, done.errors
    assert {path.name for path in local.folder.iterdir()} <= {"config.json", "catalog.json", local.path.name}
    if local.format != "duckdb":
        parts = [path for path in local.path.rglob("part-*") if ".airbyte" not in path.parts]
        assert len({part.parent for part in parts}) == len(names)
        assert len(local.rows(file_name("users"), file_name("..")) or []) == 1
    else:
        for n, (name, space) in enumerate(names):
            schema = "plain" if space is None else space or "_airbyte_unnamed"
            found = local.rows((name or "_airbyte_unnamed").replace('"', '""'), schema.replace('"', '""'))
            assert [row["id"] for row in found or []] == [n]


def test_fields_of_any_name_keep_their_values(local: Local) -> None:
    fields = [name for name in NASTY if name] + ["id2", "ID2", "_airbyte_meta"]
    properties = {name: {"type": "string"} for name in fields} | {"id": {"type": "integer"}}
    data = {name: f"value of {name}" for name in fields} | {"id": 1}
    catalog = [stream(json_schema={"type": "object", "properties": properties})]
    assert local.write(catalog, record(data)).exit_code == 0

    (row,) = local.rows() or []
    if local.format == "jsonl":
        row = row["_airbyte_data"]

    assert {str(value) for value in data.values()} <= {str(value) for value in row.values()}
    if local.format == "duckdb":
        assert row["CamelCase"] == data["CamelCase"]


def test_two_streams_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    done = Local(tmp_path, "jsonl").write([stream("a"), stream("b", namespace="a")])

    assert done.exit_code == 1
    assert "would share the folder" in done.errors[0]["message"]
    assert done.errors[0]["failure_type"] == "config_error"


def test_two_streams_that_would_share_a_table_are_refused(tmp_path: Path) -> None:
    done = Local(tmp_path, "duckdb").write([stream("users"), stream("Users")])

    assert done.exit_code == 1
    assert "would share the table" in done.errors[0]["message"]


def test_what_is_not_ours_is_not_touched(local: Local) -> None:
    if local.format == "duckdb":
        with duckdb.connect(local.path) as database:
            database.execute("CREATE TABLE users (mine INTEGER)")
    else:
        (local.path / "users").mkdir(parents=True)
        (local.path / "users" / "mine.txt").write_text("mine", encoding="utf-8")

    done = local.write([stream(mode="overwrite")], records([1]))

    assert done.exit_code == 1
    assert "not from this destination" in done.errors[0]["message"]


def test_a_folder_of_one_format_is_not_mixed_with_another(tmp_path: Path) -> None:
    Local(tmp_path, "jsonl").write([stream()], records([1]))
    done = Local(tmp_path, "csv").write([stream()], records([2]))

    assert done.exit_code == 1
    assert "another format" in done.errors[0]["message"]


def test_jsonl_holds_the_data_as_the_source_wrote_it(tmp_path: Path) -> None:
    local = Local(tmp_path, "jsonl")
    data = b'{"id" : 12345678901234567890123, "x":0.10000000000000000001, "y":1e400, "s":"\\u00e9\\ud800", "n":NaN}'
    line = b'{"type":"RECORD","record":{"stream":"users","emitted_at":1,"data":%b}}\n' % data
    for mode in ("append", "append_dedup"):
        assert local.write([stream(mode=mode)], line).exit_code == 0
        (part,) = (local.path / "users").glob("*.jsonl")
        assert part.read_bytes().splitlines()[0].endswith(b'"_airbyte_data":' + data + b"}")


def test_typed_formats_keep_large_integers_exactly(local: Local) -> None:
    numbers = [2**63 - 1, 2**63, 10**37, -(10**37)]
    local.write([stream()], *(record({"id": number}) for number in numbers))
    local.write([stream(mode="append_dedup")], record({"id": 10**37, "at": 1}))

    assert local.ids() == sorted(numbers)


@pytest.mark.parametrize("mode", MODES)
def test_times_are_times_from_the_first_write_on(tmp_path: Path, mode: str) -> None:
    kinds = {"seen": ("date-time", {}), "alone": ("date-time", {"airbyte_type": "timestamp_without_timezone"})}
    properties = {name: {"type": "string", "format": form, **more} for name, (form, more) in kinds.items()}
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "at": {"type": "integer"}, **properties}}
    local = Local(tmp_path, "duckdb")
    for n in range(2):
        done = local.write(
            [stream(mode=mode, json_schema=schema)], record({"id": n, "seen": "2026-01-02T03:04:05+02:00"})
        )
        assert done.exit_code == 0, done.errors
        with duckdb.connect(local.path, read_only=True) as database:
            types = {row[0]: row[1] for row in database.execute("DESCRIBE users").fetchall()}
            seen = database.execute("SELECT epoch(seen) FROM users WHERE id = ?", [n]).fetchall()

        assert types["_airbyte_extracted_at"] == types["seen"] == "TIMESTAMP WITH TIME ZONE"
        assert types["alone"] == "TIMESTAMP"
        assert seen == [(1767315845.0,)]


def test_times_of_wide_streams_are_times_too(tmp_path: Path) -> None:
    wide = {f"c{n}": {"type": "integer"} for n in range(MOST_COLUMNS)}
    times = {name: {"type": "string", "format": form} for name, form in (("seen", "date-time"), ("clock", "time"))}
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, **times, **wide}}
    local = Local(tmp_path, "duckdb")
    line = record({"id": 1, "seen": "2026-01-02T03:04:05+02:00", "clock": "03:04:05Z"})
    assert local.write([stream(json_schema=schema)], line).exit_code == 0
    with duckdb.connect(local.path, read_only=True) as database:
        found = database.execute("SELECT epoch(seen), clock::VARCHAR, _airbyte_meta FROM users").fetchall()

    assert found == [(1767315845.0, "03:04:05+00", "{}")]


def test_a_value_that_does_not_fit_is_null_and_named(tmp_path: Path) -> None:
    for chosen in ("duckdb", "parquet"):
        local = Local(tmp_path, chosen)
        assert local.write([stream()], record({"id": 1, "at": "soon"}), record({"id": 2, "at": 5})).exit_code == 0
        rows = {row["id"]: row for row in local.rows() or []}
        assert (rows[1]["at"], rows[2]["at"]) == (None, 5)
        (change,) = json.loads(rows[1]["_airbyte_meta"])["changes"]
        assert (change["field"], change["change"]) == ("at", "NULLED")


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_a_change_of_the_schema_loses_no_value(local: Local, mode: str) -> None:
    def schema(**properties: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}

    catalogs = [
        schema(id="integer", a="integer", b="string", at="integer"),
        schema(id="integer", a="string", c="boolean", at="integer"),
        schema(id="integer", a="integer", b="object", at="integer"),
    ]
    data = [{"id": 1, "a": 1, "b": "one"}, {"id": 2, "a": "two", "c": True}, {"id": 3, "a": 3, "b": {"x": 1}}]
    for json_schema, row in zip(catalogs, data, strict=True):
        done = local.write([stream(mode=mode, json_schema=json_schema)], record(row))
        assert done.exit_code == 0, done.errors

    rows = {int(row["id"]): row for row in local.rows() or []}
    assert [str(rows[n].get("a")) for n in (1, 2, 3)] == ["1", "two", "3"]
    assert rows[1]["b"] == "one"


def test_a_stream_without_declared_fields_is_kept_whole(local: Local) -> None:
    done = local.write(
        [stream(json_schema={"type": "object"}, cursor_field=None)], record({"any": {"thing": [1, None]}})
    )

    assert done.exit_code == 0
    (row,) = local.rows() or []
    found = row["_airbyte_data"]
    assert (found if isinstance(found, dict) else json.loads(found)) == {"any": {"thing": [1, None]}}


def test_texts_come_back_as_they_were(local: Local) -> None:
    texts = ["", "a,b", 'quo"te', "new\nline", "tab\t", "\u2028", "🦆", "null", " space "]
    local.write([stream(mode="append_dedup")], *(record({"id": n, "name": text}) for n, text in enumerate(texts)))
    local.write([stream(mode="append_dedup")], record({"id": 99, "name": "more"}))

    if local.format == "csv":
        (part,) = (local.path / "users").glob("*.csv")
        with duckdb.connect() as database:
            read = f"read_csv('{part}', header=true, all_varchar=true, allow_quoted_nulls=false, sample_size=-1)"
            found = dict(database.execute(f"SELECT id::INTEGER, name FROM {read}").fetchall())
    else:
        found = {row["id"]: row["name"] for row in local.rows() or []}

    assert [found[n] for n in range(len(texts))] == texts


def test_rows_without_a_key_are_all_kept_by_a_merge(local: Local) -> None:
    catalog = [stream(mode="append_dedup")]
    local.write(catalog, record({"name": "a"}), record({"name": "b"}))
    local.write(catalog, record({"id": None, "name": "c"}), record({"id": 1, "name": "d"}))

    assert sorted(row["name"] for row in local.rows() or []) == ["a", "b", "c", "d"]


def test_a_key_and_a_cursor_within_objects_are_found(local: Local) -> None:
    catalog = [stream(mode="append_dedup", primary_key=[["o", "id"]], cursor_field=["o", "at"])]
    catalog[0]["stream"]["json_schema"] = {"type": "object", "properties": {"o": {"type": "object"}}}
    local.write(catalog, *(record({"o": {"id": n, "at": at}}) for n, at in [(1, "b"), (1, "a"), (2, "a")]))

    rows = local.rows() or []
    found = [row["o"] if isinstance(row["o"], dict) else json.loads(row["o"]) for row in rows]
    assert sorted((o["id"], o["at"]) for o in found) == [(1, "b"), (2, "a")]


@pytest.mark.parametrize("mode", MODES)
def test_streams_of_one_sync_may_differ_in_all_but_their_order(local: Local, mode: str) -> None:
    properties: list[Any] = [{"a": {"type": "integer"}}, {"a": {"type": "string"}}, {"b": {"type": "integer"}}]
    how: dict[str, Any] = {"primary_key": [["id"]], "generation": 1, "minimum": 1 if mode == "overwrite" else 0}
    for _ in range(2):
        catalog = [
            stream(
                name, mode, json_schema={"type": "object", "properties": {"id": {"type": "integer"}} | fields}, **how
            )
            for name, fields in zip("xyz", properties, strict=True)
        ]
        rows = [
            record({"id": n, "a": value, "b": n}, name)
            for n in range(3)
            for name, value in zip("xyz", (7, "t", 8), strict=True)
        ]
        done = local.write(catalog, *rows, state(1, "x"), *rows, *(status(name) for name in "xyz"))
        assert done.exit_code == 0, done.errors

    found = {name: {(row.get("a"), row.get("b")) for row in local.rows(name) or []} for name in "xyz"}
    values = {str(value) for row in found["x"] for value in row if value not in (None, "")}
    assert values == {"7"} if local.format != "jsonl" else {"7", "0", "1", "2"}
    assert {row[0] for row in found["y"]} == {"t"}
    assert {str(row[1]) for row in found["z"]} == {"0", "1", "2"}


MANY = {("duckdb", "append_dedup"): 20_000, ("parquet", "overwrite"): 5_000}
"""The two that do most for each stream: a table and its merge, a folder and its file with columns alone."""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["overwrite", pytest.param("append_dedup", marks=pytest.mark.wide)])
def test_20000_streams_most_of_them_empty(local: Local, mode: str) -> None:
    names = [f"stream {n}" for n in range(MANY.get((local.format, mode), 2_000))]
    catalog = [stream(name, mode, generation=1, minimum=1 if mode == "overwrite" else 0) for name in names]
    done = local.write(catalog, records([1], names[7]), *(status(name) for name in names))

    assert done.exit_code == 0, done.errors
    assert (local.ids(names[7]), local.rows(names[-1])) == ([1], [])


@pytest.mark.slow
def test_20_records_of_5000_fields(local: Local) -> None:
    kinds = ["integer", "string", "number", "boolean", "object"]
    values = [7, "text", 1.5, True, {"a": 1}]
    properties = {"id": {"type": "integer"}} | {f"field {n}": {"type": kinds[n % 5]} for n in range(5_000)}
    wide = {f"field {n}": values[n % 5] for n in range(5_000)}
    catalog = [stream(json_schema={"type": "object", "properties": properties})]
    done = local.write(catalog, *(record({"id": n, **wide}) for n in range(20)))

    assert done.exit_code == 0, done.errors
    assert len(local.rows() or []) == 20


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_a_record_of_64_mib(local: Local, mode: str) -> None:
    line = b'{"type":"RECORD","record":{"stream":"users","emitted_at":1,"data":{"id":1,"name":"%b"}}}\n'
    done = local.write([stream(mode=mode)], line % (b"x" * (64 << 20)), state(1))

    assert (done.exit_code, done.states) == (0, [1])
    if local.format != "csv":  # Python's own reader of CSV has a bound
        assert [len(row["name"]) for row in local.rows() or []] == [64 << 20]


def test_the_child_starts_without_the_heavy_libraries() -> None:
    import sys

    code = "import sys; from airbyte_exec.connectors.destination_local.command import main; main(['spec'])"
    heavy = "; sys.stderr.write(' '.join({'duckdb', 'pydantic', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, check=True)

    assert done.stderr == b""
