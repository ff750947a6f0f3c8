"""The Docker executor on a real engine: what a container gets, how it is kept in, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from docker_engine import PID_LABEL, Engine
from docker_lab import expect_soon

import airbyte_exec as ab
from airbyte_exec import exceptions as exc
from airbyte_exec.aio._prepare import prepared_both, stop_both
from airbyte_exec.aio.destination import AsyncDestination
from airbyte_exec.aio.source import AsyncSource
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions, clear_answers, container, owner, prune
from airbyte_exec.executors.docker.engine import find_engine

pytestmark = pytest.mark.docker

SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "properties": {}}}}
SUCCEEDED = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
CATALOG = {
    "type": "CATALOG",
    "catalog": {"streams": [{"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]},
}
SECRET = "hunter2-of-the-test"
ANSWER = "import json, sys; answers = {answers!r}; print(answers[sys.argv[1]])"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "known"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    find_engine(None).sdk.close()


def executor(engine: Engine, image: str, code: str | None = None, **options: Any) -> DockerExecutor:
    """Return an executor whose containers run a piece of Python in the place of the connector."""
    kwargs = dict(options.pop("create_kwargs", {}))
    if code is not None:
        kwargs["entrypoint"] = ["python3", "-u", "-c", code]

    settings: dict[str, Any] = {"network": "none", "pull_policy": "never", "labels": engine.labels, **options}
    return DockerExecutor("source-x", image, options=DockerOptions(create_kwargs=kwargs, **settings))


def source(engine: Engine, image: str, code: str | None = None, config: Any = None, **options: Any) -> ab.Source:
    return ab.Source(executor(engine, image, code, **options), "source-x", {} if config is None else config)


def answering(*messages: dict[str, Any], also: str = "") -> str:
    """Return code that answers each command with its message, after it did something."""
    names = {"SPEC": "spec", "CONNECTION_STATUS": "check", "CATALOG": "discover"}
    answers = {names[message["type"]]: json.dumps(message) for message in messages}
    return f"import os, sys, json, time, signal\n{also}\n{ANSWER.format(answers=answers)}"


# What it gets.


@pytest.mark.parametrize("user", [None, "root", "0", "1000", "1234:1234", "nobody", "airbyte:airbyte"])
def test_its_files_are_its_users_alone_and_writable(engine: Engine, source_mini_image: str, user: str | None) -> None:
    look = """
path = sys.argv[sys.argv.index("--config") + 1]
found = os.stat(path)
assert found.st_uid == os.getuid(), (found.st_uid, os.getuid())
assert found.st_mode & 0o777 == 0o600, oct(found.st_mode)
assert json.load(open(path)) == {"a": 1}
open(path, "r+").close()
"""
    source(engine, source_mini_image, answering(SPEC, SUCCEEDED, also=look), {"a": 1}, user=user).check()


def test_its_files_are_those_of_a_user_that_create_is_given(engine: Engine, source_mini_image: str) -> None:
    look = 'assert os.getuid() == 1234; json.load(open(sys.argv[sys.argv.index("--config") + 1]))'
    code = answering(SPEC, SUCCEEDED, also=f"if sys.argv[1] != 'spec': {look}")

    source(engine, source_mini_image, code, {"a": 1}, create_kwargs={"user": "1234"}).check()


@pytest.mark.parametrize("content", ['{"a": 2}', '{"a": 2, "longer": "than before"}'])
def test_a_config_that_the_connector_rewrites_is_read_back(
    engine: Engine, source_mini_image: str, content: str
) -> None:
    write = f'open(sys.argv[sys.argv.index("--config") + 1], "w").write({content!r})'
    found = source(engine, source_mini_image, answering(SPEC, SUCCEEDED, also=write), {"a": 1})

    found.check()
    assert found.get_config() == json.loads(content)


def test_its_environment_is_the_platforms_and_not_ours(
    engine: Engine, source_mini_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS_ALONE", "1")
    look = """
assert "OURS_ALONE" not in os.environ
assert os.environ["OPERATION_TYPE"] == "CHECK" and os.environ["DATA_CHANNEL_MEDIUM"] == "STDIO"
assert os.environ["TOLD"] == "yes"
"""
    code = answering(SUCCEEDED, also=look)
    source(engine, source_mini_image, code, env={"TOLD": "yes"}).check()


def test_what_the_platform_would_run_is_run(engine: Engine, source_mini_image: str) -> None:
    assert executor(engine, source_mini_image).found().entrypoint == (
        engine.inspect(source_mini_image)["Config"]["Entrypoint"][0],
    )


def test_its_version_is_what_the_label_says(engine: Engine, source_faker_image: str) -> None:
    assert executor(engine, source_faker_image).get_installed_version() == "7.2.1"


# How it is kept in.


def test_a_container_is_kept_in_and_holds_no_secret_in_the_open(engine: Engine, source_mini_image: str) -> None:
    seen: dict[str, Any] = {}
    wait = "print('{}'); sys.stdin.read(); time.sleep(1.5)"
    code = answering(SPEC, SUCCEEDED, also=f"if sys.argv[1] == 'check': {wait}")
    checking = (f"label=test={engine.label}", "label=airbyte-exec.command=check")
    labels: dict[str, Any] = {**engine.labels, "number": 1}

    def look() -> None:
        expect_soon(lambda: bool(engine.containers(*checking, running=True)), "it never ran")
        (container,) = engine.containers(*checking, running=True)
        seen.update(engine.inspect(container), text=engine.run("inspect", container))
        seen["processes"] = subprocess.run(
            ["ps", "axeww"], capture_output=True, encoding="utf-8", errors="replace", check=True
        ).stdout

    looking = threading.Thread(target=look)
    looking.start()
    more = {"labels": [PID_LABEL, "mine"]}
    source(engine, source_mini_image, code, {"password": SECRET}, labels=labels, create_kwargs=more).check()
    looking.join()

    host = seen["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Init"] is True
    assert host["LogConfig"]["Type"] == "none"
    assert not host["Binds"]
    assert not host["PortBindings"]
    assert not host["Privileged"]
    assert seen["Config"]["Labels"].items() >= {PID_LABEL: str(os.getpid()), "mine": "", "number": "1"}.items()
    assert SECRET not in seen["text"] + seen["processes"]


def test_local_files_are_seen_as_local(engine: Engine, source_mini_image: str, tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "file").write_text("seen", encoding="utf-8")
    code = answering(SUCCEEDED, also="assert open('/local/file').read() == 'seen'")
    source(engine, source_mini_image, code, local_mount=tmp_path / "shown").check()


# What is remembered.


def test_a_spec_is_asked_for_once_an_image(engine: Engine, source_mini_image: str) -> None:
    source(engine, source_mini_image, answering(SPEC)).config_spec  # noqa: B018
    mute = "raise SystemExit('it was run')"
    assert source(engine, source_mini_image, mute).config_spec == SPEC["spec"]["connectionSpecification"]

    assert clear_answers() == 1
    with pytest.raises(exc.AirbyteConnectorSpecFailedError):
        source(engine, source_mini_image, mute).config_spec  # noqa: B018


def test_a_catalog_is_remembered_for_its_config_alone(engine: Engine, source_mini_image: str) -> None:
    code = "import sys, os; assert not os.path.exists('/x'); " + ANSWER.format(
        answers={"spec": json.dumps(SPEC), "discover": json.dumps(CATALOG)}
    )
    assert source(engine, source_mini_image, code, {"a": 1}).get_available_streams() == ["s"]

    found = executor(engine, source_mini_image, code)
    assert found.known_catalog({"a": 1}) is not None
    assert found.known_catalog({"a": 2}) is None


# How it ends.


def test_cancelling_ends_a_container_that_ignores_sigterm(engine: Engine, source_mini_image: str) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}'); time.sleep(600)"
    core = AsyncSource(executor(engine, source_mini_image, deaf), "source-x", {})

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(core.check)
            await anyio.to_thread.run_sync(
                lambda: expect_soon(lambda: bool(engine.containers(running=True)), "it never ran")
            )
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert engine.containers() == []


def test_a_container_may_clean_up_when_it_is_told_to_end(
    engine: Engine, source_mini_image: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    code = """
import signal, sys, time
def end(*_):
    open("/seen/cleaned", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open("/seen/ready", "w").close()
time.sleep(600)
"""
    core = AsyncSource(executor(engine, source_mini_image, code, volumes=[f"{tmp_path}:/seen"]), "source-x", {})

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(core.check)
            await anyio.to_thread.run_sync(lambda: expect_soon((tmp_path / "ready").exists, "it never ran"))
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert (tmp_path / "cleaned").exists()


WATCHING_STDIN = """
import sys
open("/seen/ready", "w").close()
sys.stdin.read()
open("/seen/end-of-input", "w").close()
"""


def destination(engine: Engine, image: str, folder: Path) -> AsyncDestination:
    folder.chmod(0o777)
    found = executor(engine, image, WATCHING_STDIN, volumes=[f"{folder}:/seen"])
    return AsyncDestination(found, "destination-x", {})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_client_is_no_end_of_input(
    engine: Engine, destination_mini_image: str, tmp_path: Path, number: int
) -> None:
    core = destination(engine, destination_mini_image, tmp_path)

    async def main() -> None:
        async with core.open("write", catalog=b"{}") as session:
            await anyio.to_thread.run_sync(lambda: expect_soon((tmp_path / "ready").exists, "it never ran"))
            os.kill(session.child.pid, number)
            await session.child.wait()
            await session.finish(exit_timeout=10)
            error = session.exit_error()
            assert error is not None
            assert error.context == {"reason": "engine_lost"}

    anyio.run(main)
    assert not (tmp_path / "end-of-input").exists()
    assert engine.containers() == []


@pytest.mark.parametrize("by_client", [False, True])
def test_a_destination_gets_the_end_of_its_input_when_it_is_meant(
    engine: Engine, destination_mini_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_client: bool
) -> None:
    if by_client:  # as with an engine behind TLS or ssh
        monkeypatch.setattr(container, "can_attach", lambda _: False)

    core = destination(engine, destination_mini_image, tmp_path)

    async def main() -> int:
        async with core.open("write", catalog=b"{}") as session:
            await session.child.write(b"x" * 3_000_000)
            await session.child.close_stdin()
            return await session.finish(exit_timeout=30)

    assert anyio.run(main) == 0
    assert (tmp_path / "end-of-input").exists()


def test_our_death_is_no_end_of_input_and_leaves_nothing(
    engine: Engine, destination_mini_image: str, tmp_path: Path
) -> None:
    code = f"""
import anyio
from pathlib import Path
from airbyte_exec.aio._prepare import prepared_both, stop_both
from airbyte_exec.aio.destination import AsyncDestination
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions
options = DockerOptions(network="none", pull_policy="never", labels={engine.labels!r},
    volumes=["{tmp_path}:/seen"], create_kwargs={{"entrypoint": ["python3", "-c", {WATCHING_STDIN!r}]}})
core = AsyncDestination(DockerExecutor("destination-x", "{destination_mini_image}", options=options), "x", {{}})
async def main():
    async with core.open("write", catalog=b"{{}}"):
        await anyio.sleep(600)
anyio.run(main)
"""
    tmp_path.chmod(0o777)
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        expect_soon((tmp_path / "ready").exists, "it never ran")
        process.kill()

    expect_soon(lambda: engine.containers() == [], "the container lives on")
    assert not (tmp_path / "end-of-input").exists()


# What is left behind.


def test_orphans_are_swept_and_the_living_are_not(engine: Engine, source_mini_image: str) -> None:
    with subprocess.Popen(["true"]) as dead:
        dead.wait()

    def leave(name: str, **changes: str) -> str:
        labels = {**engine.labels, **owner.labels("source-x", "read", "run"), **changes}
        told = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        return engine.run("create", "--name", f"{engine.label}-{name}", "--network", "none", *told, source_mini_image)

    orphan = leave("orphan", **{owner.PID_LABEL: str(dead.pid)})
    reused = leave("reused", **{owner.START_LABEL: "1"})
    alive = leave("alive")
    elsewhere = leave("elsewhere", **{owner.HOST_LABEL: "another"})
    try:
        report = prune()
        assert {f"{engine.label}-orphan", f"{engine.label}-reused"} <= set(report.removed)
        assert f"{engine.label}-alive" in report.alive
        assert f"{engine.label}-elsewhere" in report.unknown
        assert set(engine.containers()) == {alive, elsewhere}
        assert orphan not in engine.containers()
        assert reused not in engine.containers()
    finally:
        engine.run("rm", "--force", alive, elsewhere)


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}'); time.sleep(600)"


def test_a_sync_that_is_cancelled_leaves_neither_container_though_both_ignore_sigterm(
    engine: Engine, source_mini_image: str, destination_mini_image: str
) -> None:
    read = AsyncSource(executor(engine, source_mini_image, DEAF), "source-x", {})
    write = AsyncDestination(executor(engine, destination_mini_image, DEAF), "destination-x", {})

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(prepare_both_and_run, write, read)
            await anyio.to_thread.run_sync(
                lambda: expect_soon(lambda: len(engine.containers(running=True)) == 2, "they never ran")
            )
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert engine.containers() == []


async def prepare_both_and_run(write: AsyncDestination, read: AsyncSource) -> None:
    prepared = await prepared_both(
        lambda: write.prepare("write", catalog=b"{}"), lambda: read.prepare("read", catalog=b"{}")
    )
    async with prepared[0].run() as writing, prepared[1].run() as reading:
        try:
            await anyio.sleep_forever()
        finally:
            await stop_both(writing.child, reading.child)


def test_a_side_that_cannot_be_made_leaves_nothing_of_the_other(
    engine: Engine, source_mini_image: str, destination_mini_image: str
) -> None:
    read = AsyncSource(executor(engine, source_mini_image), "source-x", {})
    write = AsyncDestination(executor(engine, destination_mini_image, memory="1k"), "destination-x", {})

    with pytest.raises(exc.AirbyteConnectorInstallationError, match="memory limit") as caught:
        anyio.run(prepare_both_and_run, write, read)

    assert caught.value.connector_name == "source-x"
    assert engine.containers() == []


def test_what_the_sdk_does_not_know_is_an_error_of_the_caller(engine: Engine, source_mini_image: str) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="no_such_thing"):
        source(engine, source_mini_image, create_kwargs={"no_such_thing": 1}).check()


def rm_all(engine: Engine) -> None:
    expect_soon(lambda: bool(engine.containers(running=True)), "it never ran")
    engine.run("rm", "--force", *engine.containers())


@pytest.mark.parametrize(
    ("entrypoint", "expected"),
    [
        (["/nope"], "entrypoint_missing"),
        (["/etc/passwd"], "entrypoint_missing"),
        (["python3", "-c", "open('/dev/full', 'w').write('x' * 100_000)"], "disk_full"),
        (["python3", "-c", "import os; os.kill(os.getpid(), 9)"], "killed"),
        (["python3", "-c", "raise SystemExit(3)"], "out_of_memory"),
    ],
    ids=str,
)
def test_how_a_container_ended_is_told_with_a_reason_and_a_hint(
    engine: Engine, source_mini_image: str, entrypoint: list[str], expected: str
) -> None:
    with pytest.raises(exc.AirbyteConnectorCheckFailedError) as caught:
        source(engine, source_mini_image, create_kwargs={"entrypoint": entrypoint}).check()

    assert caught.value.context == {"reason": expected}
    assert caught.value.guidance


def test_a_container_that_somebody_removes_is_said_to_be_lost(engine: Engine, source_mini_image: str) -> None:
    removing = threading.Thread(target=rm_all, args=(engine,))
    removing.start()
    with pytest.raises(exc.AirbyteConnectorCheckFailedError, match="lost its container") as caught:
        source(engine, source_mini_image, DEAF).check()

    removing.join()
    assert caught.value.context == {"reason": "killed"}


def test_without_the_entrypoints_program_the_runtimes_words_are_understood(
    engine: Engine, source_mini_image: str
) -> None:
    with pytest.raises(exc.AirbyteConnectorCheckFailedError) as caught:
        source(engine, source_mini_image, create_kwargs={"entrypoint": ["/nope"], "init": False}).check()

    assert caught.value.context == {"reason": "entrypoint_missing"}
