"""The blocking face of a source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mini import SOURCE_MINI, source_config, step, stream
from syncs import Lab

import airbyte_exec as ab
from airbyte_exec import exceptions as exc
from airbyte_exec.datasets import InMemoryDataset
from airbyte_exec.executors.local import PathExecutor
from airbyte_exec.protocol.models import ConfiguredAirbyteStream
from airbyte_exec.sources import Source
from airbyte_exec.sources._samples import samples_as_tables

TWO = [stream("users"), stream("items", sync_modes=["full_refresh"])]


def test_streams_are_selected_by_name_by_list_or_all(lab: Lab) -> None:
    source = lab.source(streams=TWO)

    assert source.get_selected_streams() == []
    source.select_streams("items")
    assert source.get_selected_streams() == ["items"]
    source.select_streams(["items", "users"])
    assert source.get_selected_streams() == ["items", "users"]
    source.select_streams("*")
    assert source.get_selected_streams() == ["users", "items"]
    source.set_streams(["users"])
    assert source.get_selected_streams() == ["users"]
    source.select_all_streams()
    assert source.get_selected_streams() == ["users", "items"]


def test_a_selection_of_an_unknown_stream_is_an_error_and_changes_nothing(lab: Lab) -> None:
    source = lab.source(streams=TWO)
    source.select_streams("items")

    with pytest.raises(exc.AirbyteStreamNotFoundError) as caught:
        source.select_streams(["item"])

    assert caught.value.available_streams == ["items"]
    assert source.get_selected_streams() == ["items"]


def test_a_selection_before_the_config_is_looked_at_later(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    source = Source(PathExecutor(path=SOURCE_MINI), "source-mini", streams=["nope"])
    source.select_streams(["nope"])
    assert "checked once it has one" in caplog.text
    source.set_config(source_config(path=lab.sent))

    with pytest.raises(exc.AirbyteStreamNotFoundError):
        lab.write(source)


def test_the_configured_catalog_is_that_of_the_selection(lab: Lab) -> None:
    source = lab.source(streams=TWO)
    source.select_streams("items")

    assert [entry.stream.name for entry in source.configured_catalog.streams] == ["items"]
    assert [entry.stream.name for entry in source.get_configured_catalog("*").streams] == ["users", "items"]
    modes = [entry.sync_mode.value for entry in source.get_configured_catalog("*").streams]
    assert modes == ["incremental", "full_refresh"]


def test_a_schema_is_found_by_the_name_of_its_stream(lab: Lab) -> None:
    assert "id" in lab.source().get_stream_json_schema("users")["properties"]

    with pytest.raises(exc.AirbyteStreamNotFoundError):
        lab.source().get_stream_json_schema("nope")


def test_the_spec_is_printed_as_yaml_or_json(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    source, path = lab.source(), lab.folder / "spec.json"
    source.print_config_spec()
    assert yaml.safe_load(capsys.readouterr().out) == source.config_spec
    source.print_config_spec("json", stderr=True)
    assert json.loads(capsys.readouterr().err) == source.config_spec
    source.print_config_spec("json", output_file=path)
    assert json.loads(path.read_text(encoding="utf-8")) == source.config_spec

    with pytest.raises(exc.PyAirbyteInputError):
        source.print_config_spec("xml")  # type: ignore[arg-type]

    with pytest.raises(exc.PyAirbyteInputError):
        source.print_config_spec(output_file=path, stderr=True)


def test_a_source_from_its_factory_has_what_it_was_given(lab: Lab) -> None:
    source = ab.get_source("source-mini", source_config(streams=TWO), streams="items", local_executable=SOURCE_MINI)

    assert source.name == "source-mini"
    assert source.connector_type == "source"
    assert source.docs_url == "https://docs.airbyte.com/integrations/sources/mini"
    assert source.get_selected_streams() == ["items"]
    assert source.connector_version is None
    assert repr(source) == "Source('source-mini')"
    assert isinstance(source.executor, PathExecutor)
    assert source.executor.path == Path(SOURCE_MINI)


def test_a_source_that_is_not_ours_cannot_be_installed_or_removed(lab: Lab) -> None:
    with pytest.raises(exc.AirbyteConnectorInstallationError):
        lab.source().install()

    with pytest.raises(exc.AirbyteConnectorInstallationError):
        lab.source().uninstall()


def test_a_config_is_validated_at_construction_only_where_that_is_asked_for(lab: Lab) -> None:
    Source(PathExecutor(path=SOURCE_MINI), "source-mini", {"api_key": 7})

    with pytest.raises(exc.AirbyteConnectorValidationFailedError):
        Source(PathExecutor(path=SOURCE_MINI), "source-mini", {"api_key": 7}, validate=True)


def test_a_config_is_a_copy_of_what_the_user_gave(lab: Lab) -> None:
    given = source_config()
    source = Source(PathExecutor(path=SOURCE_MINI), "source-mini", given)
    given["state_every"] = 1

    assert source.get_config()["state_every"] == 10


def test_samples_are_printed_a_table_a_stream(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    wide = stream("wide", records=2, width=12)
    source = lab.source(streams=[stream("users", records=20), wide, stream("empty", records=0)])
    source.print_samples("*", limit=2)
    printed = capsys.readouterr().out

    assert "Samples of source-mini: 3 streams" in printed
    assert "users: 2 records" in printed
    assert "empty: 0 records" in printed
    lines = printed.splitlines()
    assert any(line.startswith("┃ id") for line in lines), "a narrow stream has a column a field"
    assert any(line.startswith("│ field_11") for line in lines), "a wide one has a row a field"


def test_a_stream_that_cannot_be_sampled_is_said_to_be_so(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    source = lab.source(script={"read": [step("exit", "start", code=3)]})
    source.print_samples(["users"], on_error="ignore")

    assert "users: it could not be read" in capsys.readouterr().out


def test_what_records_hold_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    metadata = ConfiguredAirbyteStream.model_validate(
        {
            "stream": {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
    )
    samples_as_tables("source-x", {"[b]": InMemoryDataset([{"[red]a": "[/nothing] :smile:"}], metadata)})
    printed = capsys.readouterr().out

    assert "[red]a" in printed
    assert "[/nothing] :smile:" in printed
    assert "[b]: 1 records" in printed
