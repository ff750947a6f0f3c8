"""A cache on Google Drive, for notebooks; the drive is a folder here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from airbyte_exec import get_colab_cache
from airbyte_exec.exceptions import PyAirbyteInputError


@pytest.mark.parametrize(("drive_name", "below"), [("MyDrive", "MyDrive"), ("Team", "Shareddrives/Team")])
def test_the_file_lies_on_the_drive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drive_name: str, below: str
) -> None:
    mounted: list[str] = []
    drive = ModuleType("google.colab.drive")
    vars(drive).update(mount=mounted.append)
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    monkeypatch.setitem(sys.modules, "google.colab.drive", drive)

    with get_colab_cache("mine", drive_name=drive_name, mount_path=str(tmp_path), table_prefix="p_") as cache:
        assert cache.run_sql_query("SELECT 1 AS a") == [{"a": 1}]

    assert mounted == [str(tmp_path)]
    assert cache.db_path == tmp_path / below / "Airbyte" / "cache" / "mine.duckdb"
    assert cache.db_path.exists()
    assert (cache.schema_name, cache.table_prefix) == ("main", "p_")


def test_anywhere_else_it_is_an_error() -> None:
    with pytest.raises(PyAirbyteInputError, match="not Google Colab"):
        get_colab_cache()
