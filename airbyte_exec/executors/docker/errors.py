"""What an engine can refuse, in our words: each has a reason that programs can read, and a hint.

Every error of an engine passes through here once. `context["reason"]` of what comes out is one of `REASONS`.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airbyte_exec import exceptions as exc

REASONS = {
    "no_client": "there is no client program",
    "no_engine": "no engine answers at its address",
    "no_permission": "this user may not talk to the engine",
    "engine_silent": "the engine takes too long to answer",
    "image_not_found": "the image is not there, or not in the registry",
    "pull_refused": "the registry does not give the image to this user, or cannot be reached",
    "wrong_platform": "the image is made for another kind of machine",
    "entrypoint_missing": "the image does not say what is to be run, or that is not in it",
    "out_of_memory": "the connector needed more memory than it may have",
    "killed": "somebody killed or removed the container",
    "engine_lost": "the engine ended or was restarted while the connector ran",
    "disk_full": "there is no space left where the engine keeps its data",
    "refused": "the engine refused for another reason",
}

_Make = Callable[..., exc.PyAirbyteError]

_PULL_REFUSED = re.compile(
    r"denied|unauthorized|authentication required|toomanyrequests|forbidden|no basic auth|credentials|"
    r"no such host|connection refused|i/o timeout|context deadline|TLS|x509|server gave HTTP|proxyconnect|"
    r"Client\.Timeout|network is unreachable|request canceled",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"manifest (?:for \S+ not found|unknown)|no such image|repository does not exist|name unknown|not found",
    re.IGNORECASE,
)
_PLATFORM = re.compile(
    r"no matching manifest|does not match the (?:specified|detected host) platform|exec format error", re.IGNORECASE
)
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_ENTRYPOINT = re.compile(
    r"no command specified|executable file not found|exec: .*(?:no such file or directory|permission denied)|"
    r"\[FATAL tini \(\d+\)\] exec .* failed",
    re.IGNORECASE,
)


def missing_client(program: str) -> exc.AirbyteConnectorError:
    """Return the error for a client program that is not there."""
    return exc.AirbyteConnectorExecutableNotFoundError(
        message=f"Images are run by the program {program!r}, and it is not on PATH.",
        guidance="Install the Docker client, or Podman with AIRBYTE_EXEC_ENGINE=podman.",
        context={"reason": "no_client"},
    )


def missing_ssh() -> exc.AirbyteConnectorError:
    """Return the error for an engine behind ssh, where the SDK lacks what it needs for that."""
    return exc.AirbyteConnectorExecutableNotFoundError(
        message="An engine behind ssh:// needs the package paramiko, and it is not installed.",
        guidance='pip install "airbyte-exec[ssh]"; or forward its socket: '
        "ssh -nNTL /tmp/docker.sock:/var/run/docker.sock HOST, and DOCKER_HOST=unix:///tmp/docker.sock.",
        context={"reason": "no_client"},
    )


def no_engine(address: str, why: str) -> exc.AirbyteConnectorError:
    """Return the error for an engine that does not answer."""
    return exc.AirbyteConnectorExecutableNotFoundError(
        message=f"No container engine answers at {address}: {why}.",
        guidance="Is it started (`docker info`, `systemctl start docker`; for Podman `systemctl --user start "
        "podman.socket`), and does DOCKER_HOST or the context name it?",
        context={"reason": "no_engine"},
    )


@contextmanager
def engine_errors(address: str, *, doing: str, image: str | None = None) -> Iterator[None]:
    """Raise what the SDK raises as errors of ours.

    Parameters:
        address: the engine's, for people.
        doing: what is being done, such as `pulling the image`.
        image: the image that it is about.

    Raises:
        AirbyteConnectorError: the engine cannot be reached, or refused.
    """
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        raise refusal(str(error.explanation or error), doing=doing, image=image) from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        raise exc.AirbyteConnectorExecutableNotFoundError(
            message=f"The engine at {address} took too long over {doing}.",
            guidance="Is the engine busy, stopped, or its machine out of memory? `docker info` asks it, too.",
            context={"reason": "engine_silent"},
        ) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _unreachable(address, error) from error
    except OSError as error:
        raise _unreachable(address, error) from error


@contextmanager
def naming(connector: str) -> Iterator[None]:
    """Give the errors of an engine the name of the connector that it was asked for."""
    try:
        yield
    except exc.AirbyteConnectorError as error:
        error.connector_name = error.connector_name or connector
        raise


def refusal(text: str, *, doing: str, image: str | None = None) -> exc.PyAirbyteError:
    """Return the error for what the engine said no to."""
    named = f" {image}" if image else ""
    shown = text.strip()[:2000]
    for pattern, reason, kind, message, guidance in _REFUSALS:
        if pattern.search(text):
            return kind(
                message=f"{message.format(image=named)} The engine says: {shown}",
                guidance=guidance,
                context={"reason": reason},
            )

    return exc.AirbyteConnectorInstallationError(
        message=f"The engine refused {doing}{named}: {shown}", context={"reason": "refused"}
    )


_Refusal = tuple[re.Pattern[str], str, _Make, str, str]
_REFUSALS: tuple[_Refusal, ...] = (
    (
        _NO_SPACE,
        "disk_full",
        exc.AirbyteConnectorInstallationError,
        "The disk of the engine is full.",
        "`docker system df` shows what takes the space, `docker system prune` frees what nobody uses.",
    ),
    (
        _PLATFORM,
        "wrong_platform",
        exc.AirbyteConnectorInstallationError,
        "The image{image} is not made for this engine's kind of machine.",
        "`DockerOptions(platform=…)` chooses another build of it; else the engine needs emulation (binfmt, QEMU).",
    ),
    (
        re.compile(r"network \S+ not found", re.IGNORECASE),
        "refused",
        exc.PyAirbyteInputError,
        "The engine does not have the network that the container is to be in.",
        "`docker network ls` shows those that there are.",
    ),
    (
        re.compile(r"unable to find (?:user|group)", re.IGNORECASE),
        "refused",
        exc.PyAirbyteInputError,
        "The image{image} does not have the user that it is to run as.",
        "`DockerOptions(user='1000:1000')` takes numbers, which need not be in it.",
    ),
    (
        re.compile(r"container-init binary not found|exec: .docker-init.: executable file not found", re.IGNORECASE),
        "init_missing",
        exc.AirbyteConnectorInstallationError,
        "The engine has no program that could run as the first process of a container.",
        "For Podman it is the package `catatonit`; `DockerOptions(create_kwargs={'init': False})` does without.",
    ),
    (
        re.compile(r"pull access denied", re.IGNORECASE),
        "image_not_found",
        exc.AirbyteConnectorInstallationError,
        "The image{image} does not exist in its registry, or this user may not have it.",
        "Is its name right? Where it is private: `docker login`.",
    ),
    (
        _PULL_REFUSED,
        "pull_refused",
        exc.AirbyteConnectorInstallationError,
        "The image{image} cannot be pulled.",
        "Can the engine reach the registry, and is this user logged in (`docker login`)?",
    ),
    (
        _NO_ENTRYPOINT,
        "entrypoint_missing",
        exc.AirbyteConnectorExecutableNotFoundError,
        "What the image{image} is to run is not in it.",
        "An image of a connector sets ENTRYPOINT and AIRBYTE_ENTRYPOINT to a program that exists in it.",
    ),
    (
        _NOT_FOUND,
        "image_not_found",
        exc.AirbyteConnectorInstallationError,
        "The image{image} was not found.",
        "Are its name and its tag right?",
    ),
)
"""In the order in which they are asked: the first that fits the engine's words decides."""


def _unreachable(address: str, error: BaseException) -> exc.AirbyteConnectorError:
    cause = _os_error(error)
    if isinstance(cause, ssl.SSLError):  # its number is not one of the system's
        return exc.AirbyteConnectorExecutableNotFoundError(
            message=f"The engine at {address} and this program do not trust each other: {cause}.",
            guidance="DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem. Where REQUESTS_CA_BUNDLE or "
            "CURL_CA_BUNDLE is set, its certificates count and not those of ca.pem.",
            context={"reason": "no_trust"},
        )

    if cause is not None and cause.errno in (errno.EACCES, errno.EPERM):
        return exc.AirbyteConnectorExecutableNotFoundError(
            message=f"This user may not talk to the container engine at {address}.",
            guidance="Add the user to the group `docker` and log in anew, or run a rootless engine, or Podman "
            "(AIRBYTE_EXEC_ENGINE=podman).",
            context={"reason": "no_permission"},
        )

    why = str(cause.strerror or cause) if cause is not None else str(error)[:500]
    return no_engine(address, why)


def _os_error(error: BaseException | None) -> OSError | None:
    """Return the system's own error below what libraries made of it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno is not None:
            return error

        inner = [found for arg in error.args if isinstance(arg, BaseException) and (found := _os_error(arg))]
        inner += [
            found
            for arg in error.args
            if isinstance(arg, tuple)
            for part in arg
            if isinstance(part, BaseException) and (found := _os_error(part))
        ]
        if inner:
            return inner[0]

        error = error.__cause__ or error.__context__

    return None
