"""What an image must say of itself so that a runner can start it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airbyte_exec.conformance import images
from airbyte_exec.conformance.checks import Given, NotApplicableError, named
from airbyte_exec.conformance.results import Finding
from airbyte_exec.conformance.transcript import Line

_PROGRAMS = ("python", "python3", "java", "node", "sh", "bash")  # found on the PATH, so in any folder
_SCRIPTS = (".py", ".sh", ".jar", ".js", ".mjs", ".cjs")
_USER, _UID = "airbyte", "1000"  # by airbyte-protocol-docker.md


def _at(given: Given, message: str) -> Finding:
    text = images.shown(dict(given.image or {})).encode()
    return Finding(message=message, lines=(Line(number=1, raw=text, at=0.0, message=None),))


def _config(given: Given) -> Mapping[str, Any]:
    return (given.image or {}).get("Config") or {}


@named("image.entrypoint")
def entrypoint(given: Given) -> Iterable[Finding]:
    """IM1: AIRBYTE_ENTRYPOINT is the entrypoint, with absolute paths."""
    config = _config(given)
    variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    said, real = variables.get("AIRBYTE_ENTRYPOINT", ""), config.get("Entrypoint") or []
    if not said.strip():
        yield _at(given, "AIRBYTE_ENTRYPOINT is not set")
    elif said != " ".join(real):
        yield _at(given, f"AIRBYTE_ENTRYPOINT is {said!r}, and ENTRYPOINT is {' '.join(real)!r}")

    for number, word in enumerate(said.split()):
        if _is_relative(word, number):
            yield _at(given, f"{word!r} is no absolute path: the platform starts it in another folder")


def _is_relative(word: str, number: int) -> bool:
    """Tell whether a word of an entrypoint is a path that depends on the folder.

    Behind the program and its script a slash may stand in anything, such as a URL or the name of a module.
    """
    if word.startswith(("/", "-")):
        return False

    if (number <= 1 and "/" in word) or word.startswith(("./", "../")):
        return True

    return word.endswith(_SCRIPTS) or (number == 0 and word not in _PROGRAMS)


@named("image.labels")
def labels(given: Given) -> Iterable[Finding]:
    """IM2: the labels are there, and are those of the metadata."""
    found = _config(given).get("Labels") or {}
    metadata = given.subject.metadata or {}
    data = metadata.get("data", metadata)
    for label, key in (("io.airbyte.name", "dockerRepository"), ("io.airbyte.version", "dockerImageTag")):
        if not found.get(label):
            yield _at(given, f"the label {label} is missing")
        elif key in data and found[label] != str(data[key]):
            yield _at(given, f"the label {label} is {found[label]!r}, and {key} of the metadata is {data[key]!r}")


@named("image.user")
def user(given: Given) -> Iterable[Finding]:
    """IM3: it runs as airbyte, who is not root, can write to /airbyte, and is made for linux/amd64.

    Raises:
        NotApplicableError: nothing is wrong as far as can be seen, and its shell cannot be asked for the rest.
    """
    image = given.image or {}
    probe = image.get("Probe") or {}
    is_asked = "problem" not in probe and probe.get("uid") is not None
    uid, name = (probe["uid"], probe.get("name")) if is_asked else _configured_user(given)
    found = []
    if "0" in (uid, name) or name == "root":
        found.append(_at(given, "it runs as root"))
    elif name != _USER if name else uid != _UID:
        who = f"{name} (uid {uid})" if name and uid else name or f"uid {uid}"
        found.append(_at(given, f"it runs as {who}, and not as {_USER} (uid {_UID})"))

    if is_asked and not probe.get("writable"):
        found.append(_at(given, "its user cannot write to /airbyte"))

    if (image.get("Os"), image.get("Architecture")) != ("linux", "amd64"):
        message = f"it is made for {image.get('Os')}/{image.get('Architecture')}, and not for linux/amd64"
        found.append(_at(given, message))

    if not found and not is_asked:
        reason = probe.get("problem", "it has none")
        raise NotApplicableError(f"whether /airbyte can be written to only its shell could tell: {reason}")

    return found


def _configured_user(given: Given) -> tuple[str | None, str | None]:
    """Return the uid and the name of `Config.User`, which has one of them, and perhaps a group."""
    who = str(_config(given).get("User") or "root").partition(":")[0]
    return (who, None) if who.isdigit() else (None, who)
