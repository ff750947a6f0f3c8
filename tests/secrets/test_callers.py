from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from mini import stream
from syncs import Lab, lab

from airbyte_exec import exceptions as exc
from airbyte_exec.secrets import CallbackSecretManager, KeyringSecretManager, register_secret_manager
from airbyte_exec.secrets.config import restore_secret_sources

__all__ = ["lab"]


class LockedError(Exception):
    pass


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """What the keyring holds."""
    held: dict[tuple[str, str], str] = {}
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")

    def get_password(service: str, name: str) -> str | None:
        if name == "LOCKED":
            raise LockedError("no session bus")

        return held.get((service, name))

    keyring.get_password = get_password  # type: ignore[attr-defined]
    errors.KeyringError = LockedError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return held


@pytest.fixture(autouse=True)
def _sources() -> Iterator[None]:
    yield
    restore_secret_sources()


def test_a_keyring_is_asked_under_its_service(known: dict[tuple[str, str], str]) -> None:
    known["airbyte-exec", "KEY"] = "kept"
    known["other", "KEY"] = "elsewhere"

    assert KeyringSecretManager().get_secret("KEY") == "kept"
    assert KeyringSecretManager("other").get_secret("KEY") == "elsewhere"
    assert KeyringSecretManager().get_secret("NONE") is None


@pytest.mark.usefixtures("known")
def test_a_keyring_that_cannot_be_asked_is_an_error() -> None:
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="no session bus"):
        KeyringSecretManager().get_secret("LOCKED")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(exc.PyAirbyteInputError, match=r"airbyte-exec\[keyring\]"):
        KeyringSecretManager()


def test_a_callback_is_asked_at_each_launch_and_not_before(lab: Lab) -> None:
    asked: list[str] = []

    def ask(name: str) -> str | None:
        asked.append(name)
        return "from the callback" if name == "API_KEY" else None

    register_secret_manager(CallbackSecretManager(ask))
    source = lab.source(streams=[stream(records=5)], api_key="secret_reference::API_KEY")
    assert asked == []

    lab.write(source)
    first = len(asked)
    lab.write(source)

    assert first > 0
    assert len(asked) > first
    assert lab.read.config["api_key"] == "from the callback"
    kept = [path.read_bytes() for path in (lab.folder / "project").rglob("*") if path.is_file()]
    assert kept
    assert not [text for text in kept if b"from the callback" in text]
