from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.executors import parse_connector_string


@pytest.mark.parametrize(
    ("text", "name", "kwargs"),
    [
        ("source-faker", "source-faker", {}),
        (" source-faker ", "source-faker", {}),
        ("source-faker==7.2.1", "source-faker", {"version": "7.2.1"}),
        ("pypi:airbyte-source-faker", "source-faker", {"pip_url": "airbyte-source-faker"}),
        ("pypi:airbyte-source-faker==7.2.1", "source-faker", {"pip_url": "airbyte-source-faker==7.2.1"}),
        ("pypi:Airbyte_Source.Faker", "source-faker", {"pip_url": "Airbyte_Source.Faker"}),
        ("pypi:airbyte-source-file<0.6", "source-file", {"pip_url": "'airbyte-source-file<0.6'"}),
        ("pypi:my-source-x", "my-source-x", {"pip_url": "my-source-x"}),
        (
            "pypi:source-x @ https://host/source_x-1.0-py3-none-any.whl",
            "source-x",
            {"pip_url": "'source-x @ https://host/source_x-1.0-py3-none-any.whl'"},
        ),
        ("path:./bin/source-x", "source-x", {"local_executable": Path("bin/source-x")}),
        ("bundled:destination-local", "destination-local", {}),
        ("docker:airbyte/source-faker:7.2.1", "source-faker", {"docker_image": "airbyte/source-faker:7.2.1"}),
        ("docker:source-faker", "source-faker", {"docker_image": "source-faker"}),
        ("docker:host:5000/a/source-x:1", "source-x", {"docker_image": "host:5000/a/source-x:1"}),
        ("docker:host:5000/a/source-x", "source-x", {"docker_image": "host:5000/a/source-x"}),
        ("docker:a/source-x:1@sha256:0a", "source-x", {"docker_image": "a/source-x:1@sha256:0a"}),
    ],
)
def test_a_connector_string_is_a_name_and_arguments(text: str, name: str, kwargs: dict[str, Any]) -> None:
    ref = parse_connector_string(text)
    assert (ref.name, ref.kwargs) == (name, kwargs)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "pypi:PACKAGE"),
        ("./bin/source-x", "path:FILE"),
        ("pypi:", "after `pypi:`"),
        ("pypi:source-faker", "airbyte-source-faker"),
        ("pypi:--index-url=x", "no requirement"),
        ("podman:airbyte/source-x", "docker:IMAGE"),
        ("docker:", "after `docker:`"),
        ("docker:--rm", "no name of an image"),
        ("docker:airbyte/", "no name of an image"),
        ("docker:airbyte/source x", "no name of an image"),
        ("bundled:source-x", "destination-local"),
        ("path:/", "folder"),
        ("/opt/source:x", "path:"),
    ],
)
def test_what_is_no_connector_string_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(PyAirbyteInputError) as caught:
        parse_connector_string(text)

    assert hint in str(caught.value)


@given(st.text())
def test_any_text_is_a_connector_or_an_input_error(text: str) -> None:
    try:
        ref = parse_connector_string(text)
    except PyAirbyteInputError:
        return

    assert ref.name
    assert len(shlex.split(ref.kwargs.get("pip_url", "one"))) == 1
