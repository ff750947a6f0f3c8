"""The images of the scripted connectors are ordinary ones, and say of themselves what the executor reads."""

from __future__ import annotations

import json

import pytest
from docker_engine import IMAGES, Engine


@pytest.mark.usefixtures(*IMAGES)
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_an_image_tells_its_entrypoint_and_version_and_does_not_run_as_root(engine: Engine, image: str) -> None:
    config = engine.inspect(image)["Config"]
    told = dict(item.partition("=")[::2] for item in config["Env"])
    assert told["AIRBYTE_ENTRYPOINT"]
    assert {"io.airbyte.name", "io.airbyte.version"} <= set(config["Labels"])
    assert config["User"] not in {"", "root", "0"}


@pytest.mark.usefixtures(*IMAGES)
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_an_image_answers_to_spec(engine: Engine, image: str) -> None:
    printed = engine.lines("run", "--rm", "--network", "none", "--label", f"test={engine.label}", image, "spec")
    assert [message["type"] for message in map(json.loads, printed)][-1] == "SPEC"
