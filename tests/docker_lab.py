"""Syncs between scripted connectors that run in containers.

What a connector is to keep for a test lies in the folder of the lab, which both containers see at its own path. How
syncs go well or badly is told once, in the tests of the engine; `borrow` runs these here.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from docker_engine import Engine
from syncs import Lab, scripted_spec

from airbyte_exec.executors.base import Executor
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions
from airbyte_exec.executors.docker.engine import find_engine

TESTS = Path(__file__).resolve().parent


class ScriptedImage(DockerExecutor):
    """Runs the image of a scripted connector whose spec is known, which saves a container."""

    def __init__(self, name: str, image: str, options: DockerOptions, modes: list[str] | None = None) -> None:
        super().__init__(name, image, options=options)
        self._modes = modes

    def known_spec(self) -> dict[str, Any]:
        """Return the spec."""
        return scripted_spec(self._modes)


class DockerLab(Lab):
    """A lab whose connectors are containers.

    Attributes:
        options: how the containers are made.
    """

    def __init__(self, folder: Path, engine: Engine, source_image: str, destination_image: str) -> None:
        super().__init__(folder)
        folder.chmod(0o777)  # the user of the images is another one
        for kept in (self.sent, self.got):
            kept.mkdir()
            kept.chmod(0o777)

        self.engine = engine
        self.images = (source_image, destination_image)
        self.options = DockerOptions(
            network="none", volumes=[f"{folder}:{folder}"], labels=engine.labels, pull_policy="never"
        )

    def source_executor(self) -> Executor:
        return ScriptedImage("source-mini", self.images[0], self.options)

    def destination_executor(self, modes: list[str] | None = None) -> Executor:
        return ScriptedImage("destination-mini", self.images[1], self.options, modes)

    @property
    def own_filter(self) -> str:
        """What finds the containers of this lab among all, for `docker ps --filter`."""
        return f"label=test={self.engine.label}"

    def leftovers(self) -> list[Path]:
        """Return what is left: containers, and folders of runs."""
        containers = [Path(name) for name in self.engine.left_by(0)]
        return containers + list((self.folder / "tmp").glob("airbyte-exec-*"))

    def hang_up(self) -> None:
        """Close the connections to the engine, which the SDK keeps."""
        sdk = find_engine(self.options.engine).sdk
        for adapter in sdk.api.adapters.values():
            pools = adapter.poolmanager.pools if hasattr(adapter, "poolmanager") else {}
            for key in pools.keys() if pools else ():
                pools[key].close()  # with TLS the SDK forgets them, open as they are

        sdk.close()

    def has_container(self, pid: int = 0) -> bool:
        """Return whether a process of a container may live; its pid is one of the container's own."""
        del pid
        return bool(self.engine.containers(f"label=test={self.engine.label}", "status=running"))


def borrow(
    module: str,
    into: dict[str, Any],
    *,
    without: Iterable[str] = (),
    only: Iterable[str] = (),
    daily: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return the tests of a module that use a lab, as tests of another one, where a lab is one of containers.

    Parameters:
        module: the module, as `engine/test_success`.
        into: the globals of the module that borrows.
        without: names of tests to leave out; a name that is not there is an error.
        only: names of tests, where not all are wanted.
        daily: names of those that `make test` runs; the others are marked `wide`. None means all.
    """
    path = TESTS / f"{module}.py"
    name = f"borrowed_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    loaded = importlib.util.module_from_spec(found)
    sys.modules[name] = loaded
    found.loader.exec_module(loaded)
    tests = {
        key: value
        for key, value in vars(loaded).items()
        if key.startswith("test_") and isinstance(value, FunctionType) and "lab" in value.__annotations__
    }
    unknown = (set(without) | set(only) | set(daily or ())) - set(tests)
    assert not unknown, f"{module} has no {unknown}"
    into.setdefault("BORROWED", []).append(loaded)
    wanted = {key: test for key, test in tests.items() if key not in set(without) and (not only or key in set(only))}
    return {key: test if daily is None or key in set(daily) else pytest.mark.wide(test) for key, test in wanted.items()}


def expect_soon(is_so: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
    """Wait until something is so that another process does, and that has no event to wait for."""
    for _ in range(int(seconds / 0.05)):
        if is_so():
            return

        threading.Event().wait(0.05)

    raise AssertionError(what)
