"""What of a config can be seen while its connector runs in a container, by whom, and what of it is left."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil
import pytest
from docker_lab import DockerLab, expect_soon
from mini import after_state, step
from syncs import SECRET

from airbyte_exec.results import WriteResult


class Running:
    """A sync that waits in the middle, with its secrets in both containers."""

    def __init__(self, lab: DockerLab) -> None:
        self._lab = lab
        self._gate = lab.folder / "gate"
        self._result: list[WriteResult] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        waits, reached = step("wait_for", after_state(2), path=self._gate), self._lab.folder / "reached"
        source = self._lab.source(script=[step("mark", after_state(2), path=reached), waits], api_key=SECRET)
        destination = self._lab.destination(api_key=SECRET)
        self._result.append(self._lab.write(source, destination, check=True))

    def __enter__(self) -> Self:
        self._thread.start()
        reached = self._lab.folder / "reached"
        expect_soon(lambda: reached.exists() or not self._thread.is_alive(), "the source does not get there")
        return self

    def __exit__(self, *error: object) -> None:
        self._gate.touch()
        self._thread.join(60)

    def result(self) -> WriteResult:
        (result,) = self._result
        return result


def test_nothing_but_the_two_containers_can_read_a_secret(
    docker_lab: DockerLab, caplog: pytest.LogCaptureFixture
) -> None:
    engine = docker_lab.engine
    with caplog.at_level("DEBUG"), Running(docker_lab) as running:
        containers = engine.containers()
        assert len(containers) == 2
        seen = {
            "docker inspect": engine.run("inspect", *containers),
            "docker ps": engine.run("ps", "--all", "--no-trunc", "--format", "{{json .}}"),
            "docker top": "".join(engine.run("top", container, "-eo", "pid,args") for container in containers),
            "docker history": "".join(engine.run("history", "--no-trunc", image) for image in docker_lab.images),
            "process list": "".join(processes()),
            "files": "".join(texts(docker_lab.folder / "tmp")),
        }

    seen["logs"] = caplog.text + "".join(texts(docker_lab.folder / "logs"))
    seen["known"] = "".join(texts(docker_lab.folder / "known"))
    assert running.result().processed_records == 100
    assert docker_lab.read.config["api_key"] == docker_lab.written.config["api_key"] == SECRET
    assert [name for name, text in seen.items() if SECRET in text] == []


def processes() -> list[str]:
    """Return what everybody may see of each process, and what its own user may see of its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
            found.append(json.dumps(process.environ()))

    return found


def texts(folder: Path) -> list[str]:
    return [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]


def test_the_files_of_a_connector_belong_to_its_user_and_to_nobody_else(docker_lab: DockerLab) -> None:
    docker_lab.write()

    for run in (docker_lab.read, docker_lab.written):
        files = run.launch["files"]
        assert {"config", "catalog"} == files.keys()
        assert {(file["mode"], file["folder_mode"], file["writable"]) for file in files.values()} == {
            ("0o600", "0o700", True)
        }


def test_a_container_is_hardened_and_sees_nothing_of_the_host(docker_lab: DockerLab) -> None:
    with Running(docker_lab):
        shown = [docker_lab.engine.inspect(container) for container in docker_lab.engine.containers()]

    assert len(shown) == 2
    for one in shown:
        host = one["HostConfig"]
        assert host["NetworkMode"] == "none"
        assert host["CapDrop"] in (["ALL"], ["all"])
        assert "no-new-privileges" in "".join(host["SecurityOpt"])
        assert host["Init"] is True
        assert host["LogConfig"]["Type"] == "none"
        assert not host["PortBindings"]
        assert not host["Privileged"]
        assert [mount["Source"] for mount in one["Mounts"]] == [str(docker_lab.folder)]  # asked for by this test


def test_without_volumes_nothing_at_all_is_mounted(docker_lab: DockerLab, tmp_path: Path) -> None:
    docker_lab.options = replace(docker_lab.options, volumes=())
    shown: list[object] = []

    def look(progress: object) -> None:
        if not shown:
            shown.extend(docker_lab.engine.inspect(one)["Mounts"] for one in docker_lab.engine.containers())

    source = docker_lab.source(path=None, drip=0.005)
    result = docker_lab.write(source, docker_lab.destination(path=None), on_progress=look)

    assert result.processed_records == 100
    assert shown
    assert all(mounts == [] for mounts in shown)
