"""Connectors of Airbyte's own, as images: the same counts and the same records as from PyPI, in every combination."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from docker_engine import Engine
from mini import DESTINATION_MINI, destination_config, last_run

import airbyte_exec as ab
from airbyte_exec.executors.docker import DockerOptions

CONNECTORS = Path(__file__).resolve().parents[2] / ".venvs" / "connectors"
FAKER = {"count": 200, "records_per_slice": 100, "always_updated": False}
EMITTED_AT = re.compile(rb'"emitted_at":\s*[0-9.]+')

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_PROJECT_DIR", str(tmp_path / "project"))
    monkeypatch.setenv("AIRBYTE_LOGGING_ROOT", str(tmp_path / "logs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "known"))


def options(engine: Engine, **more: Any) -> DockerOptions:
    return DockerOptions(network="none", pull_policy="never", labels=engine.labels, **more)


def counts(path: Path) -> dict[str, int]:
    """Return how many rows each table of a DuckDB file has."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.sql("SHOW TABLES").fetchall() if not name.startswith("_")]
        return {name: connection.table(name).shape[0] for name in tables}


@pytest.mark.real
def test_source_faker_gives_the_counts_that_it_gives_from_pypi(
    engine: Engine, source_faker_image: str, tmp_path: Path
) -> None:
    from_image = ab.get_source(
        "source-faker", FAKER, docker_image=source_faker_image, docker_options=options(engine), streams="*"
    )
    from_pypi = ab.get_source(
        "source-faker", FAKER, pip_url="airbyte-source-faker==7.2.1", install_root=CONNECTORS, streams="*"
    )
    results = {}
    for name, source in (("image", from_image), ("pypi", from_pypi)):
        destination = ab.get_destination("destination-local", {"path": str(tmp_path / f"{name}.duckdb")})
        results[name] = destination.write(source, cache=False)

    assert from_image.connector_version == from_pypi.connector_version == "7.2.1"
    assert counts(tmp_path / "image.duckdb") == counts(tmp_path / "pypi.duckdb")
    read = {
        name: {str(key): one.records_read for key, one in result.streams.items()} for name, result in results.items()
    }
    assert read["image"] == read["pypi"]
    assert results["image"].states_committed == results["pypi"].states_committed


@pytest.mark.real
def test_hardcoded_records_are_the_same_to_the_byte_apart_from_the_time(
    engine: Engine, hardcoded_image: str, tmp_path: Path
) -> None:
    config = {"count": 300}
    pinned = "airbyte-source-hardcoded-records==0.0.48"
    sources = {
        "image": ab.get_source(
            "source-hardcoded-records",
            config,
            docker_image=hardcoded_image,
            docker_options=options(engine),
            streams="*",
        ),
        "pypi": ab.get_source("source-hardcoded-records", config, pip_url=pinned, install_root=CONNECTORS, streams="*"),
    }
    written: dict[str, Counter[bytes]] = {}
    for name, source in sources.items():
        destination = ab.get_destination(
            "destination-mini", destination_config(tmp_path / name), local_executable=DESTINATION_MINI
        )
        destination.write(source, cache=False)
        lines = last_run(tmp_path / name).lines("RECORD")
        written[name] = Counter(EMITTED_AT.sub(b"", line) for line in lines)

    assert sum(written["image"].values()) >= 300
    assert written["image"] == written["pypi"]


@pytest.mark.wide
def test_an_image_writes_into_an_image_whose_rows_are_in_a_volume(
    engine: Engine, source_faker_image: str, destination_local_image: str, tmp_path: Path
) -> None:
    volume = engine.run("volume", "create", "--label", f"test={engine.label}")
    try:
        source = ab.get_source(
            "source-faker", FAKER, docker_image=source_faker_image, docker_options=options(engine), streams="*"
        )
        destination = ab.get_destination(
            "destination-local",
            {"path": "/data/rows.duckdb"},
            docker_image=destination_local_image,
            docker_options=options(engine, volumes=[f"{volume}:/data"]),
        )
        first = destination.write(source, cache=False)
        again = destination.write(source, cache=False)

        script = (
            "import duckdb, json; c = duckdb.connect('/data/rows.duckdb', read_only=True);"
            "print(json.dumps({t: c.table(t).shape[0] for (t,) in c.sql('SHOW TABLES').fetchall()}))"
        )
        there = ("--network", "none", "--volume", f"{volume}:/data", "--label", f"test={engine.label}")
        stored = json.loads(
            engine.run("run", "--rm", *there, "--entrypoint", "python", destination_local_image, "-c", script)
        )
    finally:
        engine.run("volume", "rm", volume)

    read = {key.name: one.records_read for key, one in first.streams.items()}
    assert {name: stored[name] for name in read} == read
    assert read["users"] == 200
    assert {one.continued for one in again.streams.values()} == {True}


def test_a_config_that_an_image_refuses_is_an_error_with_its_own_words(engine: Engine, source_faker_image: str) -> None:
    source = ab.get_source(
        "source-faker", {"count": "many"}, docker_image=source_faker_image, docker_options=options(engine)
    )

    with pytest.raises(ab.exceptions.PyAirbyteError, match="many"):
        source.check()
