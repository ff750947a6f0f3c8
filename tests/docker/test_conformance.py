"""The suite against images: the rules that only images can break, and the same verdicts as of the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import IMAGES, Engine

from airbyte_exec.conformance import Report, run, subject_of

METADATA = {"data": {"dockerRepository": "airbyte-exec/source-mini", "dockerImageTag": "0.1.0"}}
MUTANTS = [
    ("IM1", "an empty AIRBYTE_ENTRYPOINT", "ENV AIRBYTE_ENTRYPOINT="),
    ("IM1", "another AIRBYTE_ENTRYPOINT than ENTRYPOINT", "ENV AIRBYTE_ENTRYPOINT=/airbyte/integration_code/main"),
    ("IM1", "a program without its path", 'ENTRYPOINT ["source-mini"]'),
    ("IM2", "no name", "LABEL io.airbyte.name="),
    ("IM2", "another version than the metadata", "LABEL io.airbyte.version=0.2.0"),
    ("IM3", "root", "USER root"),
    ("IM3", "a user who cannot write to /airbyte", "USER nobody"),
]


@pytest.fixture
def changed(engine: Engine, source_mini_image: str) -> Iterator[list[str]]:
    """Give a list for the names of images that are removed afterwards."""
    made: list[str] = []
    yield made
    for image in made:
        engine.run("image", "rm", image)


def mutant(engine: Engine, change: str, made: list[str]) -> str:
    container = engine.run("create", "--label", f"test={engine.label}", IMAGES["source_mini_image"], "spec")
    image = f"{engine.label}/source-mini:changed"
    engine.run("commit", "--change", change, container, image)
    made.append(image)
    engine.run("rm", container)
    return image


def broken(report: Report) -> set[str]:
    return {result.case.code for result in report.broken}


def test_an_image_as_it_should_be_keeps_the_rules_of_images(engine: Engine, source_mini_image: str) -> None:
    report = run(subject_of(f"docker:{source_mini_image}", config={}, metadata=METADATA), rules="image.*")
    assert {result.case.code: result.status for result in report.results} == dict.fromkeys(
        ("IM1", "IM2", "IM3"), "pass"
    )


@pytest.mark.parametrize(("code", "what", "change"), MUTANTS, ids=[f"{code}: {what}" for code, what, _ in MUTANTS])
def test_an_image_that_breaks_a_rule_is_told_so_and_of_no_other(
    code: str, what: str, change: str, engine: Engine, changed: list[str]
) -> None:
    image = mutant(engine, change, changed)
    report = run(subject_of(f"docker:{image}", kind="source", config={}, metadata=METADATA), rules="image.*")
    assert broken(report) == {code}


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_an_image_and_its_package_get_the_same_verdicts(engine: Engine, source_faker_image: str) -> None:
    repository = Path(__file__).resolve().parent.parent.parent
    root = Path(os.environ.get("AIRBYTE_EXEC_TEST_INSTALL_ROOT") or repository / ".venvs")
    config = {"count": 200, "records_per_slice": 50}
    package = run(subject_of("pypi:airbyte-source-faker==7.2.1", config=config, how={"install_root": root}))
    image = run(subject_of(f"docker:{source_faker_image}", config=config))
    verdicts = [
        {result.case.id: result.status for result in report.results if result.case.group != "image"}
        for report in (package, image)
    ]
    assert verdicts[0] == verdicts[1]
    assert broken(package) == {"IN5"}
    assert {result.status for result in image.results if result.case.group == "image"} == {"pass"}
