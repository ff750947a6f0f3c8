"""The command line with images, as a user types it; and the examples of the docs that need an engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from docker_engine import Engine
from docker_lab import expect_soon
from mini import after_state, destination_config, source_config, step, write_config

ROOT = Path(__file__).resolve().parents[2]
RUN_TIMEOUT = 300


class Shell:
    """A user's folder and home, in which airbyte-exec is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRBYTE_PROJECT_DIR": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "known"),
            "COLUMNS": "200",
        }

    def run(self, *command: object, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            encoding="utf-8",
            timeout=RUN_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def containers(engine: Engine) -> list[str]:
    return ["--docker-network", "none", "--docker-pull", "never", "--docker-label", f"test={engine.label}"]


def test_a_sync_of_two_images_with_a_config_that_root_alone_can_read(
    engine: Engine, shell: Shell, source_mini_image: str, destination_local_image: str
) -> None:
    source = write_config(shell.folder, source_config(), "source.json")
    rows = shell.folder / "rows"
    rows.mkdir()
    rows.chmod(0o777)  # the user of the image is another one
    destination = write_config(shell.folder, {"path": "/local/rows.duckdb"}, "destination.json")

    done = shell.run(
        *("airbyte-exec", "sync", f"docker:{source_mini_image}", f"docker:{destination_local_image}", "--json"),
        *("--source-config", source, "--destination-config", destination),
        *(*containers(engine), "--docker-local", rows),
    )

    result = json.loads(done.stdout)["result"]
    assert source.stat().st_mode & 0o777 == 0o600
    assert {one["name"]: one["records_read"] for one in result["streams"]}["users"] == 100
    assert (rows / "rows.duckdb").exists()


def test_spec_check_discover_and_read_of_an_image(engine: Engine, shell: Shell, source_mini_image: str) -> None:
    image, config = f"docker:{source_mini_image}", write_config(shell.folder, source_config(), "source.json")
    more = containers(engine)

    spec = shell.run("airbyte-exec", "spec", image, *more).stdout
    shell.run("airbyte-exec", "check", image, "--config", config, *more)
    found = shell.run("airbyte-exec", "discover", image, "--config", config, *more).stdout
    read = shell.run("airbyte-exec", "read", image, "--config", config, "--limit", "7", *more).stdout

    assert "connectionSpecification" in json.loads(spec)
    assert "users" in found
    assert [json.loads(line)["data"]["id"] for line in read.splitlines()] == list(range(1, 8))
    expect_soon(lambda: not engine.containers(), "the container of a read that was cut off is still there")


def test_what_was_answered_is_forgotten_by_cache_clear(engine: Engine, shell: Shell, source_mini_image: str) -> None:
    shell.run("airbyte-exec", "spec", f"docker:{source_mini_image}", *containers(engine))
    first = json.loads(shell.run("airbyte-exec", "cache", "clear", "--json").stdout)
    again = json.loads(shell.run("airbyte-exec", "cache", "clear", "--json").stdout)

    assert (first["result"], again["result"]) == ({"images": 1}, {"images": 0})


def test_prune_removes_what_a_killed_process_left_and_nothing_that_is_alive(
    engine: Engine, shell: Shell, source_mini_image: str, destination_mini_image: str
) -> None:
    """The guardian is killed along with its process: nobody is left who would clean up."""
    script = [step("sleep", after_state(2), seconds=60)]
    configs = [
        *("--source-config", write_config(shell.folder, source_config(script=script), "source.json")),
        *("--destination-config", write_config(shell.folder, destination_config(), "destination.json")),
    ]
    sync = ["airbyte-exec", "sync", f"docker:{source_mini_image}", f"docker:{destination_mini_image}", *configs]
    with shell.start(*sync, *containers(engine), "--no-check", "--no-state") as process:
        expect_soon(lambda: len(engine.containers(running=True)) == 2, "the containers do not start")
        living = json.loads(shell.run("airbyte-exec", "prune", "--json").stdout)["result"]
        names = set(engine.lines("ps", "--format", "{{.Names}}", "--filter", f"label=test={engine.label}"))
        assert names <= set(living["alive"])
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGKILL)

        process.kill()
        process.communicate(timeout=RUN_TIMEOUT)

    pruned = json.loads(shell.run("airbyte-exec", "prune", "--json").stdout)["result"]

    assert names & set(pruned["alive"]) == set()
    assert not engine.containers()


def test_ctrl_c_leaves_no_container_and_exits_with_130(
    engine: Engine, shell: Shell, source_mini_image: str, destination_mini_image: str
) -> None:
    script = [step("ignore", "start"), step("sleep", after_state(2), seconds=60)]
    configs = [
        *("--source-config", write_config(shell.folder, source_config(script=script), "source.json")),
        *("--destination-config", write_config(shell.folder, destination_config(), "destination.json")),
    ]
    sync = ["airbyte-exec", "sync", f"docker:{source_mini_image}", f"docker:{destination_mini_image}", *configs]
    with shell.start(*sync, *containers(engine)) as process:
        expect_soon(lambda: len(engine.containers(running=True)) == 2, "the containers do not start")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=RUN_TIMEOUT)

    assert process.returncode == 130, said
    assert not engine.containers()


def test_an_image_that_is_not_there_is_an_error_with_its_name(engine: Engine, shell: Shell) -> None:
    done = shell.run(
        "airbyte-exec", "spec", "docker:airbyte/source-nowhere:1", "--docker-pull", "never", "--json", code=1
    )

    error = json.loads(done.stdout)["error"]
    assert "airbyte/source-nowhere:1" in error["message"]
    assert error["connector"] == "source-nowhere"


@pytest.mark.timeout(400)
@pytest.mark.wide
def test_the_examples_of_the_docs_run(engine: Engine, shell: Shell, source_faker_image: str) -> None:
    """The blocks that `tests/test_docs.py` leaves out, since they need an engine."""
    for page in ("docker.md", "command-line.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        blocks = text.split("<!-- test: skip, run by tests/docker with an engine -->\n")[1:]
        assert blocks
        for block in blocks:
            language, _, rest = block.removeprefix("```").partition("\n")
            code = rest.partition("\n```")[0]
            command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
            shell.run(*command, code)
