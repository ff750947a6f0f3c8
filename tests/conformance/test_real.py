"""Real sources: they keep all rules but those that docs/conformance.md lists, with the reasons."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from airbyte_exec.conformance import run, subject_of

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]


def file_config(folder: Path) -> dict[str, Any]:
    path = folder / "people.csv"
    path.write_text("id,name\n" + "".join(f"{number},name {number}\n" for number in range(20)), encoding="utf-8")
    return {"dataset_name": "people", "format": "csv", "url": str(path), "provider": {"storage": "local"}}


@pytest.mark.parametrize(
    ("connector", "python", "config", "broken"),
    [
        ("airbyte-source-faker==7.2.1", None, {"count": 200, "records_per_slice": 50}, {"incremental.future"}),
        ("airbyte-source-hardcoded-records==0.0.48", None, {"count": 20}, set()),
        ("airbyte-source-file==0.5.39", "3.11", file_config, {"read.states"}),
    ],
    ids=["source-faker", "source-hardcoded-records", "source-file"],
)
def test_a_real_source_breaks_no_rule_but_those_that_are_written_down(
    connector: str, python: str | None, config: Any, broken: set[str], tmp_path: Path
) -> None:
    repository = Path(__file__).resolve().parent.parent.parent
    root = Path(os.environ.get("AIRBYTE_EXEC_TEST_INSTALL_ROOT") or repository / ".venvs")
    given = config(tmp_path) if callable(config) else config
    report = run(subject_of(f"pypi:{connector}", config=given, how={"install_root": root, "use_python": python}))
    assert {result.case.id for result in report.broken} == broken
