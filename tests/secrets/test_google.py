"""Secrets that Google keeps; its libraries are stood in for, with the shapes that they have."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec.secrets import ColabSecretManager, GoogleGSMSecretManager, get_secret

ACCOUNT = {"type": "service_account", "private_key": "kept-to-ourselves-4711"}
VALUES = {"projects/p/secrets/faker": '{"count": 5}', "projects/p/secrets/plain": "word"}
LABELS = {"projects/p/secrets/faker": {"connector": "source-faker"}, "projects/p/secrets/plain": {}}


class NotFound(Exception):  # noqa: N818 - Google's name
    pass


class Client:
    """The part of Google's client that is used."""

    accounts: ClassVar[list[Any]] = []

    @classmethod
    def from_service_account_info(cls, info: Any) -> Client:
        cls.accounts.append(info)
        return cls()

    def access_secret_version(self, *, name: str) -> Any:
        secret, _, version = name.partition("/versions/")
        if secret not in VALUES or version not in ("latest", "1"):
            raise NotFound(name)

        return SimpleNamespace(payload=SimpleNamespace(data=VALUES[secret].encode()))

    def get_secret(self, *, name: str) -> Any:
        return SimpleNamespace(name=name, labels=LABELS[name])

    def list_secrets(self, *, request: dict[str, str]) -> Iterator[Any]:
        assert request["parent"] == "projects/p"
        label, _, value = request["filter"].removeprefix("labels.").partition("=")
        return (SimpleNamespace(name=name) for name, labels in LABELS.items() if labels.get(label) == value)


@pytest.fixture(autouse=True)
def google(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "GCP_GSM_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)

    modules = {
        "google.cloud.secretmanager_v1": {"SecretManagerServiceClient": Client},
        "google.api_core.exceptions": {"NotFound": NotFound},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)

    for name in ("google", "google.cloud", "google.api_core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    monkeypatch.setattr(Client, "accounts", [])


def manager(**how: Any) -> GoogleGSMSecretManager:
    return GoogleGSMSecretManager("p", **{"credentials_json": json.dumps(ACCOUNT), **how})


def test_a_secret_is_had_by_its_name_or_its_full_name() -> None:
    for name in ("plain", "projects/p/secrets/plain", "projects/p/secrets/plain/versions/1"):
        assert manager().get_secret(name) == "word"

    assert manager().get_secret("nothing") is None


def test_the_config_of_a_connector_is_found_by_its_label() -> None:
    (handle,) = manager().fetch_connector_secrets("source-faker")

    assert handle.parse_json() == {"count": 5}
    assert handle.labels == {"connector": "source-faker"}
    assert manager().fetch_connector_secret("source-faker").get_value() == VALUES["projects/p/secrets/faker"]
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="source-none"):
        manager().fetch_connector_secret("source-none")


@pytest.mark.parametrize("way", ["path", "text", "variable of a path", "variable of a text"])
def test_credentials_come_from_an_argument_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    if way == "variable of a path":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    elif way == "variable of a text":
        monkeypatch.setenv("GCP_GSM_CREDENTIALS", json.dumps(ACCOUNT))

    given = {"path": {"credentials_path": path}, "text": {"credentials_json": json.dumps(ACCOUNT)}}
    GoogleGSMSecretManager("p", **given.get(way, {}))

    assert Client.accounts == [ACCOUNT]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "no credentials"),
        ({"credentials_json": "{}", "credentials_path": "x"}, "not both"),
        ({"credentials_path": "/nowhere/account.json"}, "cannot be read"),
        ({"credentials_json": '{"private_key": "kept-to-ourselves-4711"'}, "no JSON"),
    ],
)
def test_credentials_that_cannot_be_used_are_told_and_not_shown(how: dict[str, Any], said: str) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match=said) as caught:
        GoogleGSMSecretManager("p", **how)

    assert "4711" not in str(caught.value)


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager_v1", None)

    with pytest.raises(exc.PyAirbyteInputError, match=r"airbyte-exec\[gsm\]"):
        manager()


@pytest.mark.parametrize("registers", [False, True])
def test_a_manager_is_asked_if_it_registers(registers: bool) -> None:
    manager(auto_register=registers)

    if registers:
        assert get_secret("plain", allow_prompt=False) == "word"
    else:
        with pytest.raises(exc.PyAirbyteSecretNotFoundError):
            get_secret("plain", allow_prompt=False)


class SecretNotFoundError(Exception):
    pass


class NotebookAccessError(Exception):
    pass


def _colab_get(name: str) -> str:
    if name == "hidden":
        raise NotebookAccessError(name)

    if name != "known":
        raise SecretNotFoundError(name)

    return "the-value"


def test_a_notebook_on_colab_has_secrets(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    userdata = ModuleType("google.colab.userdata")
    vars(userdata).update(
        get=_colab_get, SecretNotFoundError=SecretNotFoundError, NotebookAccessError=NotebookAccessError
    )
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    colab = ColabSecretManager()

    assert colab.get_secret("known") == "the-value"
    assert colab.get_secret("unknown") is None
    assert caplog.messages == []
    assert colab.get_secret("hidden") is None
    assert "not allowed to read the secret hidden" in caplog.text


def test_there_are_no_colab_secrets_anywhere_else() -> None:
    assert ColabSecretManager().get_secret("known") is None
    assert ColabSecretManager() == "google_colab"
