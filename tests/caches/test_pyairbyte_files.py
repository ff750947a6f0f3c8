"""Cache files that PyAirbyte made, and files of ours that it opens. The file is made here by the same SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from syncs_into_caches import plan, record, replay, state, sync

from airbyte_exec._state.store import Pair
from airbyte_exec.caches import DuckDBCache
from airbyte_exec.protocol.envelope import Records, State
from airbyte_exec.strategies import WriteMethod
from airbyte_exec.types import StreamId

SOURCE = Pair("source-faker", None, "key")
USERS = StreamId("Users")
SCHEMA = {
    "type": "object",
    "properties": {
        "userId": {"type": "integer"},
        "score": {"type": "number"},
        "createdAt": {"type": "string", "format": "date-time"},
        "Address": {"type": "object"},
        "note": {"type": "string"},
    },
}
MADE = [
    """CREATE TABLE users (userid BIGINT, score DECIMAL(38, 9), createdat TIMESTAMP WITH TIME ZONE, address JSON,
        note VARCHAR, _airbyte_raw_id VARCHAR, _airbyte_extracted_at TIMESTAMP WITH TIME ZONE, _airbyte_meta JSON)""",
    """INSERT INTO users VALUES
        (1, 1.5, TIMESTAMPTZ '2024-01-01 12:00:00.25+02', '{"Zip":"01067"}', NULL,
         '067403c8-0f2f-7b2a-8000-f7c1ff0b7d5b', TIMESTAMPTZ '2023-11-14 22:13:20.5+00', '{}'),
        (2, NULL, NULL, NULL, 'it''s', '067403c8-1234-7b2a-8000-f7c1ff0b7d5b',
         TIMESTAMPTZ '2023-11-14 22:13:21+00', '{}')""",
    """CREATE TABLE _airbyte_streams (stream_name VARCHAR, source_name VARCHAR, table_name VARCHAR NOT NULL,
        catalog_metadata VARCHAR, PRIMARY KEY (table_name))""",
    f"""INSERT INTO _airbyte_streams VALUES ('Users', 'source-faker', 'Users', '{json.dumps(SCHEMA)}')""",
    """CREATE TABLE _airbyte_state (source_name VARCHAR, stream_name VARCHAR, table_name VARCHAR NOT NULL,
        state_json VARCHAR, last_updated TIMESTAMP WITH TIME ZONE, PRIMARY KEY (table_name))""",
    """INSERT INTO _airbyte_state VALUES ('source-faker', 'Users', 'Users',
        '{"type":"STREAM","stream":{"stream_descriptor":{"name":"Users","namespace":null},"stream_state":{"at":2}},
          "global_":null,"data":null,"sourceStats":null,"destinationStats":null}', now())""",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "made.duckdb"
    with duckdb.connect(str(made)) as connection:
        for statement in MADE:
            connection.execute(statement)

    return made


def again(**changes: Any) -> Any:
    return plan("Users", SCHEMA, **changes)


def test_its_rows_are_there(path: Path) -> None:
    with DuckDBCache(path) as cache:
        assert list(cache.streams) == ["Users"]
        assert [(row["userId"], row["note"]) for row in cache["Users"]] == [(1, None), (2, "it's")]
        assert cache["Users"].column_names[:2] == ["userId", "score"]


def test_its_state_is_continued(path: Path) -> None:
    with DuckDBCache(path) as cache:
        saved = cache.state_store().load(SOURCE)
        assert saved is not None
        assert json.loads(saved.streams[USERS].state or b"") == {"at": 2}


def test_its_rows_are_replayed_as_the_schema_writes_them(path: Path) -> None:
    with DuckDBCache(path) as cache:
        records, last = replay(cache, source="source-faker")

    assert isinstance(records, Records)
    assert isinstance(last, State)
    assert [json.loads(line)["record"] for line in records.data.splitlines()] == [
        {
            "stream": "Users",
            "data": {
                "userId": 1,
                "score": 1.5,
                "createdAt": "2024-01-01T10:00:00.250000Z",
                "Address": {"Zip": "01067"},
            },
            "emitted_at": 1_700_000_000_500,
        },
        {"stream": "Users", "data": {"userId": 2, "note": "it's"}, "emitted_at": 1_700_000_001_000},
    ]
    assert json.loads(last.body or b"") == {"at": 2}


def test_a_sync_goes_on_in_the_tables_that_it_made(path: Path) -> None:
    with DuckDBCache(path) as cache:
        sync(
            cache, [again()], [[record({"userId": 3, "score": 0.25}, "Users"), state({"at": 3}, "Users")]], pair=SOURCE
        )
        assert sorted(row["userId"] for row in cache["Users"]) == [1, 2, 3]
        replayed = replay(cache, source="source-faker")
        assert sum(len(item) for item in replayed if isinstance(item, Records)) == 3
        last = replayed[-1]
        assert isinstance(last, State)
        sync(cache, [again()], [[record({"userId": 4}, "Users"), state({"at": 4}, "Users")]], pair=SOURCE)
        rest = replay(cache, source="source-faker", after={USERS: last.position or 0})
        assert [item.data for item in rest if isinstance(item, Records)] == [record({"userId": 4}, "Users")]


def test_a_replace_gives_the_stream_a_journal(path: Path) -> None:
    with DuckDBCache(path) as cache:
        new = again(method=WriteMethod.REPLACE, generation=1)
        sync(cache, [new], [[record({"userId": 9}, "Users")]], pair=SOURCE)
        assert [item.data for item in replay(cache, source="source-faker") if isinstance(item, Records)] == [
            record({"userId": 9}, "Users")
        ]


def test_it_finds_our_state_where_it_looks(tmp_path: Path) -> None:
    with DuckDBCache(tmp_path / "ours.duckdb") as cache:
        sync(cache, [again()], [[record({"userId": 1}, "Users"), state({"at": 1}, "Users")]], pair=SOURCE)
        (stream,) = cache.run_sql_query("FROM _airbyte_streams")
        (saved,) = cache.run_sql_query("FROM _airbyte_state")

    assert (stream["source_name"], stream["stream_name"], stream["table_name"]) == ("source-faker", "Users", "Users")
    assert json.loads(stream["catalog_metadata"]) == SCHEMA
    assert (saved["source_name"], saved["table_name"]) == ("source-faker", "Users")
    assert json.loads(saved["state_json"]) == {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "Users"}, "stream_state": {"at": 1}},
    }


def test_what_it_wrote_after_us_counts_and_is_replayed_from_the_rows(tmp_path: Path) -> None:
    with DuckDBCache(tmp_path / "ours.duckdb") as cache:
        sync(cache, [again()], [[record({"userId": 1}, "Users"), state({"at": 1}, "Users")]], pair=SOURCE)
        before = cache.journal_id()
        theirs = json.dumps(
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "Users"}, "stream_state": {"at": 2}},
                "data": None,
            }
        )
        cache.execute_sql(
            [
                "INSERT INTO users (userid, _airbyte_extracted_at, _airbyte_meta) VALUES (2, now(), '{}')",
                f"UPDATE _airbyte_state SET state_json = '{theirs}'",
            ]
        )
        saved = cache.state_store().load(SOURCE)
        assert saved is not None
        assert json.loads(saved.streams[USERS].state or b"") == {"at": 2}
        assert cache.journal_id() != before
        replayed = replay(cache, source="source-faker")
        assert sum(len(item) for item in replayed if isinstance(item, Records)) == 2
