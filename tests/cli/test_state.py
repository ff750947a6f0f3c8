"""`airbyte-exec state`: what was committed, out of the store and into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mini
import pytest

Users = Callable[..., mini.Json]


def two_streams(records: int = 20, **how: Any) -> mini.Json:
    return mini.source_config(streams=[mini.stream(records=records), mini.stream("other", records=records)], **how)


@pytest.fixture(params=["default", "file", "cache"])
def store(request: pytest.FixtureRequest) -> list[str]:
    """The option that says where state is kept."""
    return {"default": [], "file": ["--state", "s.json"], "cache": ["--cache", "c.duckdb"]}[request.param]


def test_state_is_listed_shown_exported_cleared_and_imported(cli: Any, store: list[str]) -> None:
    cli.sync(two_streams(), None, *store)
    which = [*store, "--source", "source-mini", "--destination", "destination-mini"]
    (listed,) = cli.run("state", "list", *which, "--json").json["result"]
    assert (listed["source"], listed["kind"]) == ("source-mini", "STREAM")
    assert f"{listed['pair']}  source-mini -> destination-mini" in cli.run("state", "list", *store).text
    assert '  users: {"id":20' in cli.run("state", "show", *which).text.replace('": ', '":')

    exported = cli.run("state", "export", *which).stdout
    names = [message["stream"]["stream_descriptor"]["name"] for message in json.loads(exported)]
    assert sorted(names) == ["other", "users"]

    if store[:1] != ["--cache"]:  # the rows that a cache has read are continued by a state of their own
        assert cli.run("state", "clear", *which, "--streams", "users").code == 0
        again = cli.sync(two_streams(), None, *store, "--json").json["result"]
        assert {stream["name"]: stream["records_read"] for stream in again["streams"]} == {"users": 20, "other": 0}

    assert cli.run("state", "clear", *which).code == 0
    assert cli.run("state", "list", *which, "--json").json["result"] == []


def test_an_exported_state_can_be_imported_for_a_new_pair(cli: Any) -> None:
    cli.sync(two_streams(20), None, "--state", "a.json")
    exported = cli.run("state", "export", "--state", "a.json").stdout
    source, stored = cli.config("s.json", two_streams(30)), mini.destination_config(path=cli.folder / "out")
    pair = ["--source", "source-mini", "--destination", "destination-mini"]
    configs = ["--source-config", source, "--destination-config", cli.config("d.json", stored)]
    imported = cli.run("state", "import", "-", "--state", "b.json", *pair, *configs, stdin=exported)
    assert imported.code == 0, imported.stderr
    result = cli.sync(two_streams(30), stored, "--state", "b.json", "--json").json["result"]
    assert [stream["records_read"] for stream in result["streams"]] == [10, 10]


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_state_of_the_whole_source_goes_out_and_in(cli: Any, kind: Any) -> None:
    source = two_streams(state_type=kind)
    cli.sync(source, None, "--state", "a.json")
    exported = cli.run("state", "export", "--state", "a.json").stdout
    assert cli.run("state", "import", "-", "--state", "a.json", stdin=exported).code == 0
    assert cli.run("state", "export", "--state", "a.json").stdout == exported
    result = cli.sync(source, None, "--state", "a.json", "--json").json["result"]
    assert [stream["continued"] for stream in result["streams"]] == [True, True]
    assert result["processed_records"] == 0


def test_an_import_by_a_key_is_what_a_sync_by_that_key_continues(cli: Any, users: Users) -> None:
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 48}}}]
    pair = ["--source", "source-mini", "--destination", "destination-mini", "--state-key", "k"]
    assert cli.run("state", "import", cli.config("state.json", state), *pair).code == 0
    result = cli.sync(users(), None, "--state-key", "k", "--json").json["result"]
    assert result["processed_records"] == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("nonsense", "is no state document"),
        ("[]", "has 0 states"),
        ('[{"type":"STREAM"}]', "is no state document"),
        ('{"some": "legacy"}', "name them by --streams"),
    ],
)
def test_what_is_no_state_document_is_refused(cli: Any, document: str, said: str) -> None:
    pair = ["--source", "a", "--destination", "b", "--state-key", "k"]
    done = cli.run("state", "import", "-", *pair, "--json", stdin=document.encode())
    assert done.code == 2
    assert said in json.dumps(done.json)
    assert cli.run("state", "list", "--json").json["result"] == []


def test_where_several_pairs_are_meant_one_must_be_chosen(cli: Any, users: Users) -> None:
    for records in (5, 6):
        assert cli.sync(users(records), None, "--state", "s.json").code == 0

    done = cli.run("state", "export", "--state", "s.json")
    assert done.code == 2
    ids = [pair["pair"] for pair in cli.run("state", "list", "--state", "s.json", "--json").json["result"]]
    assert len(ids) == 2
    assert all(identity in done.stderr for identity in ids)
    assert cli.run("state", "export", "--state", "s.json", "--pair", ids[0]).code == 0
    assert cli.run("state", "clear", "--state", "s.json", "--pair", "no").code == 2
    assert cli.run("state", "clear", "--state", "s.json", "--all").code == 0
    assert "No state is kept here." in cli.run("state", "show", "--state", "s.json").text


def test_a_stream_without_state_cannot_be_cleared(cli: Any, users: Users) -> None:
    cli.sync(users(), None, "--state", "s.json")
    done = cli.run("state", "clear", "--state", "s.json", "--streams", "usres")
    assert done.code == 2
    assert "Did you mean 'users'?" in done.stderr


def test_a_file_that_is_no_state_file_is_said_so(cli: Any) -> None:
    done = cli.run("state", "list", "--state", cli.config("other.json", {"a": 1}))
    assert done.code == 1
    assert "is not a state file" in done.stderr
