"""The Docker executor without an engine: what is decided, read and said about images and containers."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions, answers, clear_answers, owner
from airbyte_exec.executors.docker.archive import _numbers, _table
from airbyte_exec.executors.docker.engine import Address, Engine, find_address
from airbyte_exec.executors.docker.errors import REASONS, refusal
from airbyte_exec.executors.docker.image import _entrypoint, _follow, _split

# Options.


@pytest.mark.parametrize(
    "wrong",
    [
        {"pull_policy": "sometimes"},
        {"cpus": 0},
        {"cpus": -1.0},
        {"volumes": "/a:/b"},
        {"volumes": ["/a"]},
        {"volumes": [":/b"]},
        {"volumes": ["/a:b"]},
        {"volumes": ["/a:/b:ro:z"]},
        {"cpus": "1"},
        {"cpus": float("inf")},
        {"cpus": float("nan")},
        {"local_mount": "/a:/b"},
        {"create_kwargs": {"name": "mine"}},
        {"create_kwargs": {"auto_remove": True}},
        {"create_kwargs": {"tty": True}},
        {"create_kwargs": {"stdin_open": True}},
        {"create_kwargs": {"read_only": True}},
    ],
    ids=str,
)
def test_options_that_cannot_be_meant_so_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(exc.PyAirbyteInputError):
        DockerOptions(**wrong)


def test_paths_of_the_host_are_made_absolute_and_names_of_volumes_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = DockerOptions(volumes=["./here:/a:ro", "named:/b", "/abs:/c"], local_mount="data/in")

    assert options.binds() == [f"{tmp_path}/data/in:/local", f"{tmp_path}/here:/a:ro", "named:/b", "/abs:/c"]


def test_a_relative_folder_is_no_name_of_a_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert DockerOptions(local_mount="data").binds() == [f"{tmp_path}/data:/local"]
    assert DockerOptions(local_mount=Path("data")).binds() == [f"{tmp_path}/data:/local"]


def test_variables_are_not_shown_with_the_options() -> None:
    assert "hunter2" not in repr(DockerOptions(env={"A": "hunter2"}, create_kwargs={"b": "hunter2"}))


# Where the engine is.


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "AIRBYTE_EXEC_ENGINE", "CONTAINER_HOST", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def write_context(folder: Path, name: str, host: str) -> None:
    path = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}),
        encoding="utf-8",
    )


def test_what_is_chosen_counts_before_the_environment_and_that_before_the_clients_settings(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_address() == Address("docker", "unix:///var/run/docker.sock")

    (bare / "config.json").write_text('{"currentContext": "mine"}', encoding="utf-8")
    write_context(bare, "mine", "unix:///mine.sock")
    assert find_address() == Address("docker", "unix:///mine.sock", "mine")
    assert find_address().arguments == ("--context", "mine")

    monkeypatch.setenv("DOCKER_HOST", "tcp://one:2375")
    assert find_address() == Address("docker", "tcp://one:2375")

    monkeypatch.setenv("AIRBYTE_EXEC_ENGINE", "unix:///two.sock")
    assert find_address() == Address("docker", "unix:///two.sock")
    assert find_address("ssh://three").arguments == ("--host", "ssh://three")
    assert find_address("mine").context == "mine"


def test_a_context_is_found_where_the_client_has_no_settings(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_context(bare, "mine", "unix:///mine.sock")
    assert not (bare / "config.json").exists()
    assert find_address("mine") == Address("docker", "unix:///mine.sock", "mine")

    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    assert find_address() == Address("docker", "unix:///mine.sock", "mine")


def test_podman_is_found_at_its_socket(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_EXEC_ENGINE", "podman")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(bare))
    path = bare / "podman" / "podman.sock"
    path.parent.mkdir()
    path.touch()

    assert find_address() == Address("podman", f"unix://{path}")
    assert find_address().arguments == ("--url", f"unix://{path}")

    monkeypatch.setenv("CONTAINER_HOST", "ssh://me@there")
    assert find_address() == Address("podman", "ssh://me@there")


@pytest.mark.parametrize("address", ["tcp://h:port", "tcp://127.0.0.1:99999", "tcp://[bad", "unix:/run/docker.sock"])
def test_what_is_no_address_is_an_error_of_the_caller(
    bare: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    del bare
    monkeypatch.setenv("DOCKER_HOST", address)

    with pytest.raises(exc.PyAirbyteInputError, match="no address of an engine"):
        find_address()


def test_an_engine_behind_ssh_needs_a_package_that_the_error_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="paramiko") as caught:
        Engine(Address(url="ssh://me@there")).api  # noqa: B018

    assert "airbyte-exec[ssh]" in str(caught.value.guidance)
    assert reason(caught.value) == "no_client"


def test_an_unknown_context_is_an_error_of_the_caller(bare: Path) -> None:
    del bare
    with pytest.raises(exc.PyAirbyteInputError, match="no context 'nowhere'"):
        find_address("nowhere")


def reason(error: exc.PyAirbyteError) -> str:
    assert error.context is not None
    assert error.guidance
    return str(error.context["reason"])


def test_an_engine_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="No such file") as caught:
        Engine(Address("docker", f"unix://{tmp_path}/none.sock")).sdk  # noqa: B018

    assert reason(caught.value) == "no_engine"


def test_a_socket_that_nobody_listens_at_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))

    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError, match="refused") as caught:
        Engine(Address("docker", f"unix://{path}")).sdk  # noqa: B018

    assert reason(caught.value) == "no_engine"


def test_an_engine_that_has_gone_costs_no_descriptor_a_question(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    answer = json.dumps({"ApiVersion": "1.44"}).encode()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(3)

        def serve() -> None:
            listener.accept()[0].close()  # the one that only tries
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

        serving = threading.Thread(target=serve)
        serving.start()
        engine = Engine(Address(url=f"unix://{path}"))
        api = engine.api
        serving.join()

    before = psutil.Process().num_fds()
    gc.disable()
    try:
        for _ in range(5):
            with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError) as caught, engine.errors("a question"):
                api.ping()

            assert reason(caught.value) == "no_engine"

        assert psutil.Process().num_fds() <= before
    finally:
        gc.enable()
        api.close()


def test_a_socket_that_this_user_may_not_use_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "closed.sock"
    code = f"""
import os, sys
from airbyte_exec.exceptions import AirbyteConnectorExecutableNotFoundError
from airbyte_exec.executors.docker.engine import Address, Engine
import docker
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Engine(Address("docker", "unix://{path}")).sdk
except AirbyteConnectorExecutableNotFoundError as error:
    print(error.context["reason"])
"""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody who may not")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)

        import sys

        done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)

    assert done.stdout.strip() == "no_permission", done


def test_a_client_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError) as caught:
        Engine(Address()).command("ps")

    assert reason(caught.value) == "no_client"


# What an engine refuses. The sentences are those of Docker 20 to 28, of containerd and of registries.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write /data/layer.tar: no space left on device", "disk_full"),
        ("No such image: airbyte/source-x:9", "image_not_found"),
        ("manifest for airbyte/source-x:9 not found: manifest unknown: manifest unknown", "image_not_found"),
        (
            (
                "pull access denied for a/b, repository does not exist or may require 'docker login': denied: "
                "requested access to the resource is denied"
            ),
            "image_not_found",
        ),
        ('Head "https://registry/v2/a/b/manifests/1": unauthorized: authentication required', "pull_refused"),
        ("toomanyrequests: You have reached your pull rate limit.", "pull_refused"),
        ("error parsing HTTP 403 response body: Forbidden", "pull_refused"),
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host', "pull_refused"),
        ('Get "https://r/v2/": net/http: request canceled (Client.Timeout exceeded)', "pull_refused"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "wrong_platform"),
        (
            (
                "image with reference sha256:1 was found but does not match the specified platform: wanted "
                "linux/arm64, actual: linux/amd64"
            ),
            "wrong_platform",
        ),
        ("No command specified", "entrypoint_missing"),
        (
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
                'process: exec: "/nope": stat /nope: no such file or directory: unknown'
            ),
            "entrypoint_missing",
        ),
        ("network there not found", "refused"),
        ("container create: container-init binary not found on the host: stat /x/catatonit", "init_missing"),
        ("unable to find user me: no matching entries in passwd file", "refused"),
    ],
)
def test_each_refusal_has_its_reason_and_a_hint(text: str, expected: str) -> None:
    error = refusal(text, doing="to do it", image="airbyte/source-x:9")

    assert reason(error) == expected
    assert text in str(error)


def test_what_nobody_foresaw_is_told_in_the_engines_words() -> None:
    error = refusal("the moon is full", doing="making a container of", image="x:1")

    assert "the moon is full" in str(error)
    assert error.context == {"reason": "refused"}


def test_the_reasons_are_listed() -> None:
    assert {"no_client", "no_engine", "no_permission", "out_of_memory", "engine_lost"} <= set(REASONS)


# Images.


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("airbyte/source-x", ("airbyte/source-x", "latest")),
        ("airbyte/source-x:1", ("airbyte/source-x", "1")),
        ("host:5000/source-x", ("host:5000/source-x", "latest")),
        ("host:5000/source-x:2", ("host:5000/source-x", "2")),
        ("a/b@sha256:0a", ("a/b", "sha256:0a")),
    ],
)
def test_an_image_is_pulled_by_one_tag(name: str, parts: tuple[str, str]) -> None:
    assert _split(name) == parts


@pytest.mark.parametrize(
    ("said", "own", "expected"),
    [
        ("/entrypoint.sh", ["/entrypoint.sh"], ("/entrypoint.sh",)),
        ("python /airbyte/main.py", None, ("python", "/airbyte/main.py")),
        ("python '/a b/main.py'", None, ("python", "/a b/main.py")),
        ("cd /x && ./run", None, ("/bin/sh", "-c", 'cd /x && ./run "$@"', "sh")),
        ("it's", None, ("/bin/sh", "-c", 'it\'s "$@"', "sh")),
        ("", ["/own"], ()),
        (None, ["/own"], ()),
    ],
)
def test_what_the_platform_runs_comes_before_the_images_own_entrypoint(
    said: str | None, own: list[str] | None, expected: tuple[str, ...]
) -> None:
    variables = ["PATH=/bin"] + ([] if said is None else [f"AIRBYTE_ENTRYPOINT={said}"])
    assert _entrypoint("x", {"Env": variables, "Entrypoint": own}) == expected


def test_an_image_that_does_not_say_what_is_to_be_run_is_refused() -> None:
    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError) as caught:
        _entrypoint("x", {"Env": None, "Entrypoint": None})

    assert reason(caught.value) == "entrypoint_missing"


def test_the_reports_of_a_pull_are_read_however_they_are_cut() -> None:
    reports: list[dict[str, Any]] = [
        {"status": "Pulling from a/b", "id": "1"},
        {"status": "Downloading", "id": "aa", "progressDetail": {"current": 10, "total": 100}},
        {"status": "Download complete", "id": "aa", "progressDetail": {}},
        {"status": "Status: Downloaded newer image"},
    ]
    text = b"\r\n".join(json.dumps(report).encode() for report in reports)
    _follow("a/b", [text[i : i + 7] for i in range(0, len(text), 7)])

    failed = text + b"\r\n" + json.dumps({"error": "no space left on device", "errorDetail": {}}).encode()
    with pytest.raises(exc.AirbyteConnectorInstallationError) as caught:
        _follow("a/b", [failed])

    assert reason(caught.value) == "disk_full"


PASSWD = b"root:x:0:0:root:/root:/bin/sh\nairbyte:x:1000:1001::/:/bin/sh\n77:x:88:99::/:/bin/sh\nbroken:x\n"


@pytest.mark.parametrize(
    ("user", "numbers"),
    [("airbyte", (1000, 1001)), ("1000", (1000, 1001)), ("5", (5, 0)), ("77", (88, 99)), ("nobody", (0, 0))],
)
def test_a_user_is_looked_up_by_name_before_by_number(user: str, numbers: tuple[int, int]) -> None:
    assert _numbers(_table(PASSWD, columns=4), user) == numbers


# Owners.


def test_a_container_of_this_process_has_a_living_owner() -> None:
    assert owner.life(owner.labels("source-x", "read", "run"), is_running=True) == "alive"


@pytest.mark.parametrize(
    ("changes", "is_running", "expected"),
    [
        ({owner.START_LABEL: "1"}, True, "gone"),
        ({owner.PID_LABEL: "4194304"}, True, "gone"),
        ({owner.PID_LABEL: "x"}, True, "unknown"),
        ({owner.BOOT_LABEL: "before"}, False, "gone"),
        ({owner.BOOT_LABEL: "before"}, True, "unknown"),
        ({owner.HOST_LABEL: "elsewhere"}, False, "unknown"),
        ({owner.NAMESPACE_LABEL: "pid:[1]"}, True, "unknown"),
    ],
)
def test_an_owner_is_gone_only_where_that_is_certain(changes: dict[str, str], is_running: bool, expected: str) -> None:
    found = {**owner.labels("source-x", "read", "run"), **changes}
    assert owner.life(found, is_running=is_running) == expected


def test_an_owner_that_nobody_has_reaped_is_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        labels = {**owner.labels("x", "read", "run"), owner.PID_LABEL: str(process.pid), owner.START_LABEL: ""}
        assert owner.life(labels, is_running=True) == "gone"


@pytest.mark.parametrize("name", ["source-x", "my source/é", "x" * 300])
def test_a_container_has_a_name_that_engines_take(name: str) -> None:
    import re

    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,150}", owner.container_name(name, "read", "0123456789abcdef"))


# Answers.


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return answers.answers_folder()


def test_answers_are_this_users_alone_and_tell_nothing_of_the_config(known: Path) -> None:
    found = answers.Answers("sha256:1")
    found.keep_spec("{}")
    found.keep_catalog({"password": "hunter2"}, '{"streams": []}')

    paths = list(known.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (known, *paths) if path.is_dir()} == {0o700}
    assert not any("hunter2" in str(path) or (path.is_file() and b"hunter2" in path.read_bytes()) for path in paths)


def test_the_name_of_a_catalog_is_another_one_in_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for folder in ("a", "b"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / folder))
        answers.Answers("1").keep_catalog({"a": 1}, "{}")
        names |= {path.name for path in answers.answers_folder().rglob("catalog-*")}

    assert len(names) == 2


def test_a_catalog_is_believed_for_a_while_and_for_its_config(known: Path) -> None:
    found = answers.Answers("sha256:1")
    assert found.catalog({"a": 1}) is None

    found.keep_catalog({"a": 1, "b": 2}, '{"streams": []}')
    assert found.catalog({"b": 2, "a": 1}) == {"streams": []}
    assert found.catalog({"a": 1}) is None
    assert answers.Answers("sha256:2").catalog({"a": 1, "b": 2}) is None

    (path,) = known.rglob("catalog-*")
    long_ago = path.stat().st_mtime - answers.CATALOG_AGE - 1
    os.utime(path, (long_ago, long_ago))
    assert found.catalog({"a": 1, "b": 2}) is None

    found.keep_catalog({"c": 1}, "{}")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_an_answer_that_cannot_be_read_is_none(known: Path, content: bytes) -> None:
    found = answers.Answers("sha256:1")
    found.keep_spec("{}")
    next(known.rglob("spec.json")).write_bytes(content)

    assert found.spec() is None


def test_clearing_forgets_every_image(known: Path) -> None:
    assert clear_answers() == 0
    for digest in ("sha256:1", "sha256:2"):
        answers.Answers(digest).keep_spec("{}")
        answers.Answers(digest).keep_user("airbyte", (1000, 1001))

    assert answers.Answers("sha256:2").user("airbyte") == (1000, 1001)
    assert clear_answers() == 2
    assert not known.exists()
    assert answers.Answers("sha256:2").user("airbyte") is None


def test_a_folder_that_cannot_be_written_keeps_nothing_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = answers.Answers("sha256:1")
    found.keep_spec("{}")
    found.keep_catalog({}, "{}")

    assert found.spec() is None
    assert found.catalog({}) is None


# The executor.


@pytest.mark.parametrize("call", [DockerExecutor.found, DockerExecutor.install, DockerExecutor.uninstall])
def test_an_error_of_the_engine_names_the_connector(tmp_path: Path, call: Callable[[DockerExecutor], Any]) -> None:
    options = DockerOptions(engine=f"unix://{tmp_path}/none.sock")
    with pytest.raises(exc.AirbyteConnectorError) as caught:
        call(DockerExecutor("source-x", "x:1", options=options))

    assert caught.value.connector_name == "source-x"


def test_the_version_of_an_image_that_cannot_be_asked_is_none(tmp_path: Path) -> None:
    found = DockerExecutor("source-x", "x:1", options=DockerOptions(engine=f"unix://{tmp_path}/none.sock"))

    assert found.get_installed_version() is None
    with pytest.raises(exc.AirbyteConnectorExecutableNotFoundError):
        found.get_installed_version(raise_on_error=True)


def test_an_image_is_not_launched_but_placed() -> None:
    with pytest.raises(exc.PyAirbyteInternalError):
        DockerExecutor("source-x", "x:1").launch()
