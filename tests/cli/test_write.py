"""`airbyte-exec write`: lines from somewhere into a destination, by the rules of a sync."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import mini
import pytest

DESTINATION = f"path:{mini.DESTINATION_MINI}"


def lines_of(folder: Path, source: mini.Json) -> bytes:
    """Return what source-mini prints."""
    config = mini.write_config(folder, source, "source.json")
    catalog = mini.write_catalog(folder, *source["streams"], name="read.json")
    command = [mini.SOURCE_MINI, "read", "--config", config, "--catalog", catalog]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def write_args(cli: Any, destination: mini.Json | None = None, **configured: Any) -> list[object]:
    config = cli.config("destination.json", destination or mini.destination_config(path=cli.folder / "out"))
    return ["write", DESTINATION, "--config", config, "--catalog", mini.write_catalog(cli.folder, **configured)]


def test_lines_from_stdin_arrive_as_they_are_and_the_confirmed_states_are_printed(cli: Any) -> None:
    lines = lines_of(cli.folder, mini.source_config())
    done = cli.run(*write_args(cli), "--raw", stdin=lines)
    assert done.code == 0, done.stderr
    run = mini.last_run(cli.folder / "out")
    data = [line for line in lines.splitlines() if b'"RECORD"' in line or b'"STATE"' in line]
    assert [line for line in run.lines() if b'"TRACE"' not in line] == data
    assert run.statuses() == {"users": ["COMPLETE"]}
    assert done.stdout.splitlines() == [line for line in data if b'"STATE"' in line]
    assert "stdin -> destination-mini: 100 records" in done.stderr


def test_a_file_is_written_and_told_as_json(cli: Any) -> None:
    (cli.folder / "lines.jsonl").write_bytes(lines_of(cli.folder, mini.source_config()))
    done = cli.run(*write_args(cli), "--input", "lines.jsonl", "--json")
    assert done.code == 0
    assert (done.json["result"]["source"], done.json["result"]["processed_records"]) == ("lines.jsonl", 100)


def test_what_read_prints_write_takes(cli: Any) -> None:
    source = f"path:{mini.SOURCE_MINI}"
    config = cli.config("source.json", mini.source_config())
    catalog = cli.folder / "catalog.json"
    catalog.write_bytes(cli.run("discover", source, "--config", config, "--configured").stdout)
    (cli.folder / "lines.jsonl").write_bytes(cli.run("read", source, "--config", config, "--raw").stdout)
    stored = ["--config", '{"path": "rows.duckdb"}', "--catalog", catalog]
    done = cli.run("write", "destination-local", *stored, "--input", "lines.jsonl")
    assert done.code == 0, done.stderr
    with duckdb.connect(str(cli.folder / "rows.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM users").fetchall() == [(100,)]


def test_lines_that_end_too_early_do_not_replace_what_is_there(cli: Any) -> None:
    args = write_args(cli, destination_sync_mode="overwrite")
    lines = lines_of(cli.folder, mini.source_config())
    done = cli.run(*args, stdin=b"".join(lines.splitlines(keepends=True)[:40]))
    assert done.code == 1
    assert "there is no COMPLETE of it" in done.stderr
    assert not mini.last_run(cli.folder / "out").saw_eof


def test_lines_without_statuses_are_complete_at_their_end_with_a_warning(cli: Any) -> None:
    lines = lines_of(cli.folder, mini.source_config())
    done = cli.run(*write_args(cli), stdin=b"".join(x for x in lines.splitlines(keepends=True) if b"TRACE" not in x))
    assert done.code == 0
    assert "warning: stdin does not say whether 'users' is complete" in done.stderr
    assert mini.last_run(cli.folder / "out").statuses() == {"users": ["COMPLETE"]}


@pytest.mark.parametrize(("more", "code"), [([], 1), (["--on-malformed", "quarantine"], 0)])
def test_a_line_that_cannot_be_a_message_is_treated_as_in_a_sync(cli: Any, more: list[str], code: int) -> None:
    lines = lines_of(cli.folder, mini.source_config())
    done = cli.run(*write_args(cli), *more, "--json", stdin=b'{"type":"RECORD"}\n' + lines)
    assert done.code == code
    assert done.json["result"]["malformed_lines"] == (0 if code else 1)


def test_generations_of_the_catalog_are_kept(cli: Any) -> None:
    ids = {"generation_id": 7, "minimum_generation_id": 7, "sync_id": 3}
    assert cli.run(*write_args(cli, **ids), stdin=lines_of(cli.folder, mini.source_config())).code == 0
    (entry,) = mini.last_run(cli.folder / "out").catalog["streams"]
    assert {name: entry[name] for name in ids} == ids


def test_a_destination_that_fails_is_named(cli: Any) -> None:
    broken = mini.destination_config(path=cli.folder / "out", script=[mini.step("exit", mini.after_line(5), code=4)])
    done = cli.run(*write_args(cli, broken), stdin=lines_of(cli.folder, mini.source_config()))
    assert done.code == 1
    assert "The destination destination-mini failed." in done.stderr


@pytest.mark.parametrize(
    ("catalog", "said"),
    [("{}", "is no configured catalog"), (None, "cannot be read"), ("overwrite", "does not support")],
)
def test_a_catalog_that_cannot_be_used_is_exit_code_2(cli: Any, catalog: str | None, said: str) -> None:
    spec = cli.config("spec.json", {"supported_destination_sync_modes": ["append"]})
    args = write_args(cli, destination_sync_mode=catalog if catalog == "overwrite" else "append")
    if catalog is None:
        args[-1] = "nothing.json"
    elif catalog == "{}":
        args[-1] = cli.config("catalog.json", {})

    done = cli.run(*args, "--json", stdin=b"", env={"DESTINATION_MINI_SCRIPT": str(spec)})
    assert (done.code, done.json["status"]) == (2, "failed")
    assert said in json.dumps(done.json)
