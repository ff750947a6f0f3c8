"""Engines at other addresses, with which no path is shared; and a sync that runs in a container itself."""

from __future__ import annotations

import json
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from docker_engine import Engine
from docker_lab import DockerLab
from docker_proxy import tcp_address
from mini import after_record, destination_config, source_config, step, stream

from airbyte_exec.exceptions import AirbyteConnectorExecutableNotFoundError
from airbyte_exec.executors.docker import DockerExecutor, DockerOptions, prune


@pytest.fixture
def socket_path(engine: Engine) -> str:
    """The path of the engine's socket."""
    context = engine.run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return context.removeprefix("unix://")


def test_an_engine_at_a_tcp_address_needs_no_path_in_common(docker_lab: DockerLab, socket_path: str) -> None:
    with tcp_address(socket_path) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        docker_lab.options = replace(docker_lab.options, volumes=(), engine=address)
        told: list[dict[str, object]] = []
        script = {
            "check": [step("rewrite_config", "start", merge={"token": "two"})],
            "read": [step("stderr_flood", after_record(50), mb=1)],
        }
        source = docker_lab.source(
            path=None,
            streams=[stream(records=20_000)],
            fast=True,
            state_every=1000,
            script=script,
            made_with={"config_change_callback": told.append},
        )

        result = docker_lab.write(source, docker_lab.destination(path=None), check=True)

        assert result.processed_records == 20_000
        assert result.states_committed == result.states_sent >= 20
        assert [config["token"] for config in told] == ["two"]
        assert prune(address).removed == ()
        docker_lab.hang_up()


@pytest.fixture
def certificates(tmp_path: Path) -> ssl.SSLContext:
    """What an engine behind TLS has; the folder `tls` holds what its clients need."""
    authority = trustme.CA()
    ours = authority.issue_cert("client@example.com")
    (tmp_path / "tls").mkdir()
    authority.cert_pem.write_to_path(tmp_path / "tls" / "ca.pem")
    ours.private_key_pem.write_to_path(tmp_path / "tls" / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "tls" / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_engine_behind_tls_is_spoken_to_as_the_client_program_does(
    docker_lab: DockerLab, socket_path: str, tmp_path: Path, certificates: ssl.SSLContext
) -> None:
    with tcp_address(socket_path, certificates) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_TLS_VERIFY", "1")
        patch.setenv("DOCKER_CERT_PATH", str(tmp_path / "tls"))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            patch.delenv(name, raising=False)

        docker_lab.options = replace(docker_lab.options, engine=address)
        result = docker_lab.write(docker_lab.source(streams=[stream(records=500)]))
        docker_lab.hang_up()

    assert result.processed_records == 500
    assert result.states_committed == result.states_sent >= 1


def test_an_engine_whose_certificate_nobody_vouches_for_is_told_as_that(
    socket_path: str, tmp_path: Path, certificates: ssl.SSLContext
) -> None:
    with tcp_address(socket_path, certificates) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_TLS_VERIFY", "1")
        patch.setenv("DOCKER_CERT_PATH", str(tmp_path / "tls"))
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
        patch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        with pytest.raises(AirbyteConnectorExecutableNotFoundError, match="do not trust each other") as caught:
            DockerExecutor("source-x", "x:1", options=DockerOptions(engine=address)).ensure_installation()

    assert caught.value.context == {"reason": "no_trust"}


def test_an_engine_that_was_named_by_a_context_is_used(docker_lab: DockerLab, socket_path: str, tmp_path: Path) -> None:
    settings = tmp_path / "client"
    settings.mkdir()  # and no config.json in it: the SDK's own reader finds no context then
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(settings))
        docker_lab.engine.run("context", "create", "elsewhere", "--docker", f"host=unix://{socket_path}")
        patch.delenv("DOCKER_HOST", raising=False)
        docker_lab.options = replace(docker_lab.options, engine="elsewhere")

        assert docker_lab.write().processed_records == 100
        docker_lab.hang_up()

    docker_lab.options = replace(docker_lab.options, engine=None)


PIPELINE = {
    "source": {"connector": "docker:airbyte-exec/source-mini:dev"},
    "destination": {"connector": "docker:airbyte-exec/destination-mini:dev"},
    "state": False,
}


def test_a_sync_in_a_container_that_shares_the_engine_makes_containers_beside_its_own(
    engine: Engine,
    socket_path: str,
    destination_local_image: str,
    source_mini_image: str,
    destination_mini_image: str,
) -> None:
    client = shutil.which("docker")
    assert client is not None
    ends = {"source": source_config(), "destination": destination_config()}
    docker = {"network": "none", "pull_policy": "never", "labels": engine.labels}
    pipeline = PIPELINE | {
        role: {**PIPELINE[role], "config": config, "docker": docker}  # type: ignore[dict-item]
        for role, config in ends.items()
    }
    command = ["sh", "-c", 'printf %s "$0" > /tmp/pipeline.json && exec airbyte-exec sync /tmp/pipeline.json --json']
    mounts = [f"{socket_path}:/var/run/docker.sock", f"{client}:/usr/local/bin/docker:ro"]

    printed = engine.run(
        *("run", "--rm", "--network", "none", "--user", "0", "--label", f"test={engine.label}"),
        *(word for mount in mounts for word in ("--volume", mount)),
        *("--entrypoint", command[0], destination_local_image, *command[1:], json.dumps(pipeline)),
    )

    told = json.loads(printed)
    assert told["status"] == "succeeded", told
    assert told["result"]["processed_records"] == 100
