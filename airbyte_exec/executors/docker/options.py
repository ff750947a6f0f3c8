"""What may be said about the containers of a connector. A value: it opens nothing and knows no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from airbyte_exec.exceptions import PyAirbyteInputError

PullPolicy = Literal["missing", "always", "never"]

LOCAL_FOLDER = "/local"
"""Where connectors that read or write files of the host expect them, by the habit of the ecosystem."""


@dataclass(frozen=True, kw_only=True)
class DockerOptions:
    """How the containers of a connector are made. Without any, they see nothing of the host but the network.

    Parameters:
        network: the network, such as `none`, `host`, or one that exists; None for the engine's default.
        extra_hosts: names that the container knows, with their addresses (`{"db": "10.0.0.5"}`; `host-gateway` stands
            for the host).
        memory: the most memory, in bytes or as `512m`, `2g`; a connector that needs more is killed.
        cpus: how many processors, such as 1.5.
        platform: `linux/amd64` and the like, for an image of another machine's kind.
        user: in the place of the image's own user; a name, or numbers as `1000` and `1000:1000`.
        env: environment variables. Whoever may ask the engine can read them: secrets belong into the config.
        volumes: what of the host it sees, as `host path or volume:path in the container[:ro]`.
        local_mount: a folder of the host that it sees as `/local`.
        pull_policy: `missing` pulls an image that is not there, `always` asks the registry each time, `never` takes
            what is there.
        engine: the engine's address (`unix:///run/docker.sock`, `tcp://…`, `ssh://…`) or the name of a context of the
            docker client; None for what `DOCKER_HOST`, `DOCKER_CONTEXT` or the client's own settings say.
        labels: further labels.
        create_kwargs: further keyword arguments of `docker.DockerClient.containers.create`; they override everything
            that is said here or by default.

    Raises:
        PyAirbyteInputError: one of them cannot be meant so.
    """

    network: str | None = None
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    memory: int | str | None = None
    cpus: float | None = None
    platform: str | None = None
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: Sequence[str] = ()
    local_mount: Path | str | None = None
    pull_policy: PullPolicy = "missing"
    engine: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    create_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.pull_policy not in get_args(PullPolicy):
            raise PyAirbyteInputError(
                message=f"pull_policy must be one of {', '.join(map(repr, get_args(PullPolicy)))}.",
                input_value=repr(self.pull_policy),
            )

        if self.cpus is not None and not self.cpus > 0:
            raise PyAirbyteInputError(message="cpus must be a number above 0.", input_value=repr(self.cpus))

        if isinstance(self.volumes, str):
            raise PyAirbyteInputError(message="volumes is a list of texts.", input_value=self.volumes)

        for volume in self.volumes:
            parts = volume.split(":")
            if len(parts) not in (2, 3) or not parts[0] or not PurePosixPath(parts[1]).is_absolute():
                raise PyAirbyteInputError(
                    message="A volume is `host path:path in the container`, with `:ro` where it must not be changed.",
                    input_value=volume,
                )

    def binds(self) -> list[str]:
        """Return all volumes as the engine takes them; paths of the host are made absolute."""
        local = [] if self.local_mount is None else [f"{self.local_mount}:{LOCAL_FOLDER}"]
        return [_absolute(volume) for volume in (*local, *self.volumes)]


def _absolute(volume: str) -> str:
    host, _, rest = volume.partition(":")
    is_path = "/" in host or host.startswith((".", "~"))
    return f"{Path(host).expanduser().absolute()}:{rest}" if is_path else volume


DEFAULT_DOCKER_OPTIONS = DockerOptions()
