"""A real engine, the images that `make docker-images` builds, and a look at what a test left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import IMAGES, Engine, is_required, why_no_engine
from docker_lab import DockerLab
from syncs import opened_lab


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses an engine is a docker test."""
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.docker)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs an engine or an image where there is none; the summary (-ra) says why, in one line."""
    if item.get_closest_marker("docker") is None:
        return

    reason = why_no_engine()
    wanted = [IMAGES[name] for name in getattr(item, "fixturenames", ()) if name in IMAGES]

    if reason is None and (missing := [image for image in wanted if not Engine().has_image(image)]):
        reason = f"there is no image {missing[0]} (make docker-images)"

    if reason is None:
        return

    if is_required():
        pytest.fail(reason, pytrace=False)

    pytest.skip(f"the docker tests are left out: {reason}")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an engine that answers; afterwards no container or volume of the test may be there."""
    engine = Engine()
    yield engine
    assert engine.left_by(os.getpid()) == []


@pytest.fixture
def source_mini_image(engine: Engine) -> str:
    return IMAGES["source_mini_image"]


@pytest.fixture
def destination_mini_image(engine: Engine) -> str:
    return IMAGES["destination_mini_image"]


@pytest.fixture
def destination_local_image(engine: Engine) -> str:
    return IMAGES["destination_local_image"]


@pytest.fixture
def source_faker_image(engine: Engine) -> str:
    return IMAGES["source_faker_image"]


@pytest.fixture
def hardcoded_image(engine: Engine) -> str:
    return IMAGES["hardcoded_image"]


@pytest.fixture
def docker_lab(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    source_mini_image: str,
    destination_mini_image: str,
) -> Iterator[DockerLab]:
    """Give a lab whose connectors are containers."""

    def make(folder: Path) -> DockerLab:
        return DockerLab(folder, engine, source_mini_image, destination_mini_image)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "known"))
    with opened_lab(tmp_path, monkeypatch, make) as opened:
        assert isinstance(opened, DockerLab)
        yield opened


@pytest.fixture
def lab(docker_lab: DockerLab, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DockerLab:
    """Give the lab to borrowed tests; a process of it lives only in a container that runs."""
    for module in getattr(request.module, "BORROWED", ()):
        monkeypatch.setattr(module, "is_running", docker_lab.has_container, raising=False)

    return docker_lab
