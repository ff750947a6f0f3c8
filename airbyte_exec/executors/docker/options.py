"""What may be said about the containers of a connector. A value: it opens nothing and knows no engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from airbyte_exec.exceptions import PyAirbyteInputError

PullPolicy = Literal["missing", "always", "never"]

_KEPT = {
    "name": "it is killed and found again by a name of ours",
    "auto_remove": "how it ended is asked of it after its end",
    "tty": "its output would be changed on the way",
    "stdin_open": "a destination alone has an input",
    "read_only": "its config is put into its file system",
}
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
        local_mount: a folder of the host that it sees as `/local`; a relative one is below the working directory.
        pull_policy: `missing` pulls an image that is not there, `always` asks the registry each time, `never` takes
            what is there.
        engine: the engine's address (`unix:///run/docker.sock`, `tcp://…`, `ssh://…`) or the name of a context of the
            docker client; None for what `DOCKER_HOST`, `DOCKER_CONTEXT` or the client's own settings say.
        labels: further labels.
        create_kwargs: further keyword arguments of `docker.DockerClient.containers.create`; they override what is said
            here or by default, apart from the labels that say whose a container is. What a container could not be
            run or found again without is refused: `name`, `auto_remove`, `tty`, `stdin_open`, `read_only`.

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

        if self.cpus is not None and not _is_above_zero(self.cpus):
            raise PyAirbyteInputError(message="cpus must be a number above 0.", input_value=repr(self.cpus))

        for kept, why in _KEPT.items():
            if self.create_kwargs.get(kept):
                raise PyAirbyteInputError(
                    message=f"create_kwargs cannot hold {kept!r}: {why}.", input_value=repr(self.create_kwargs[kept])
                )

        if self.local_mount is not None and ":" in str(self.local_mount):
            raise PyAirbyteInputError(
                message="local_mount is a folder, and its path can have no colon.", input_value=str(self.local_mount)
            )

        self._check_volumes()

    def _check_volumes(self) -> None:
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
        local = [] if self.local_mount is None else [f"{_path(self.local_mount)}:{LOCAL_FOLDER}"]
        return [*local, *map(_absolute, self.volumes)]


def _absolute(volume: str) -> str:
    host, _, rest = volume.partition(":")
    is_path = "/" in host or host.startswith((".", "~"))
    return f"{_path(host)}:{rest}" if is_path else volume


def _is_above_zero(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _path(host: Path | str) -> Path:
    return Path(host).expanduser().absolute()


DEFAULT_DOCKER_OPTIONS = DockerOptions()
