from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pydantic
import pytest

from airbyte_exec import exceptions as exc
from airbyte_exec import secrets
from airbyte_exec.secrets import (
    CustomSecretManager,
    DotenvSecretManager,
    EnvVarSecretManager,
    SecretHandle,
    SecretManager,
    SecretSourceEnum,
    SecretsPrompt,
    SecretString,
    clear_secret_sources,
    disable_secret_source,
    get_secret,
    prompt,
    register_secret_manager,
)
from airbyte_exec.secrets.util import is_secret_available, try_get_secret


class Vault(SecretManager):
    def __init__(self, **known: str) -> None:
        super().__init__()
        self.known = known

    def get_secret(self, secret_name: str) -> SecretString | None:
        value = self.known.get(secret_name)
        return None if value is None else SecretString(value)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that the user was asked for; the answer is always `typed`."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "typed"

    monkeypatch.setattr(prompt, "is_interactive", lambda: True)
    monkeypatch.setattr(prompt, "getpass", answer)
    return asked


def test_a_secret_comes_from_the_environment_before_the_dotenv_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("A=from file\nB='two words' # note\n", encoding="utf-8")
    monkeypatch.setenv("A", "from environment")
    assert get_secret("A") == "from environment"
    assert get_secret("B") == "two words"
    assert get_secret("A", sources=[SecretSourceEnum.DOTENV]) == "from file"


def test_the_dotenv_file_of_a_folder_above_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("A=1\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert get_secret("A") == "1"
    assert DotenvSecretManager().list_secrets_names() == ["A"]


def test_a_dotenv_file_is_read_when_it_is_asked(tmp_path: Path) -> None:
    manager = DotenvSecretManager(tmp_path / "other")
    assert manager.get_secret("A") is None
    (tmp_path / "other").write_text("A=1\nEMPTY\n", encoding="utf-8")
    assert manager.get_secret("A") == "1"
    assert manager.get_secret("EMPTY") is None
    assert str(manager) == f"dotenv:{tmp_path / 'other'}"


def test_a_secret_that_nobody_has_is_an_error_that_names_the_sources() -> None:
    with pytest.raises(exc.PyAirbyteSecretNotFoundError, match="env") as caught:
        get_secret("NOBODY_HAS_THIS")

    assert caught.value.secret_name == "NOBODY_HAS_THIS"
    assert get_secret("NOBODY_HAS_THIS", default="d") == "d"
    assert get_secret("NOBODY_HAS_THIS", default="") == ""
    assert try_get_secret("NOBODY_HAS_THIS") is None
    assert try_get_secret("NOBODY_HAS_THIS", default="d") == "d"
    assert not is_secret_available("NOBODY_HAS_THIS")


def test_a_variable_that_is_set_and_empty_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "")
    assert get_secret("A", default="d").is_empty()


def test_the_user_is_asked_last_and_only_if_that_is_allowed(typed: list[str]) -> None:
    register_secret_manager(Vault(A="vault"), as_backup=True)
    assert get_secret("A") == "vault"
    assert typed == []
    assert get_secret("B") == "typed"
    assert len(typed) == 1
    assert not is_secret_available("B")

    with pytest.raises(exc.PyAirbyteSecretNotFoundError):
        get_secret("B", allow_prompt=False)

    assert len(typed) == 1


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "getpass", pytest.fail)

    with pytest.raises(exc.PyAirbyteSecretNotFoundError):
        get_secret("B")


def test_an_empty_answer_is_no_secret(typed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "getpass", lambda question: "")
    assert SecretsPrompt().get_secret("B") is None


def test_a_registered_source_comes_first_and_a_backup_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "environment")
    register_secret_manager(Vault(A="backup", B="backup"), as_backup=True)
    assert (get_secret("A"), get_secret("B")) == ("environment", "backup")
    register_secret_manager(Vault(A="first"))
    assert get_secret("A") == "first"


def test_a_source_can_replace_all_others_and_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "environment")
    vault = Vault()
    register_secret_manager(vault, replace_existing=True)
    assert not is_secret_available("A")
    disable_secret_source(vault)
    disable_secret_source("never there")

    with pytest.raises(exc.PyAirbyteSecretNotFoundError):
        get_secret("A")


def test_a_default_source_can_be_turned_off_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "environment")
    disable_secret_source(SecretSourceEnum.ENV)
    assert not is_secret_available("A")


def test_all_sources_can_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "environment")
    clear_secret_sources()
    assert not is_secret_available("A")
    assert get_secret("A", sources=[EnvVarSecretManager()]) == "environment"


def test_a_source_that_is_not_registered_is_an_input_error() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="google_gsm"):
        get_secret("A", sources=[SecretSourceEnum.GOOGLE_GSM])


def test_a_custom_manager_registers_itself_as_its_class_says() -> None:
    class Own(CustomSecretManager):
        def get_secret(self, secret_name: str) -> SecretString | None:
            return SecretString("own") if secret_name == "A" else None

    class Silent(Own):
        auto_register = False

    silent = Silent()
    assert not is_secret_available("A")
    silent.register(as_backup=True)
    assert get_secret("A") == "own"
    disable_secret_source(silent)
    assert Own() == "Own"
    assert get_secret("secret_reference::A") == "own"


def test_a_secret_string_hides_in_every_repr_and_gives_its_value_when_asked() -> None:
    secret = SecretString("CANARY")
    assert "CANARY" not in f"{secret!r}{[secret]}{ {'a': secret} }"
    assert f"{secret}" == "CANARY" == str(secret)
    assert json.dumps(secret) == '"CANARY"'
    assert bool(SecretString(""))
    assert isinstance(copy.deepcopy(secret), SecretString)
    assert isinstance(pickle.loads(pickle.dumps(secret)), SecretString)


def test_a_secret_string_parses_json_and_its_error_does_not_hold_it() -> None:
    assert SecretString('{"a": 1}').parse_json() == {"a": 1}
    assert SecretString("{}").is_json()
    assert not SecretString("CANARY").is_json()

    with pytest.raises(exc.PyAirbyteInputError) as caught:
        SecretString("CANARY").parse_json()

    assert "CANARY" not in f"{caught.value}{caught.value!r}"


def test_a_model_takes_a_string_for_a_secret() -> None:
    class Settings(pydantic.BaseModel):
        key: SecretString

    settings = Settings.model_validate({"key": "CANARY"})
    assert isinstance(settings.key, SecretString)
    assert "CANARY" not in repr(settings)
    assert Settings.model_json_schema()["properties"]["key"]["format"] == "password"


def test_a_handle_fetches_and_writes_a_file_that_only_this_user_can_read(tmp_path: Path) -> None:
    handle = SecretHandle(Vault(A='{"a": 1}'), "A")
    path = tmp_path / "secret"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    handle.write_to_file(path)
    assert handle.parse_json() == {"a": 1}
    assert path.read_text(encoding="utf-8") == '{"a": 1}'
    assert path.stat().st_mode & 0o777 == 0o600

    with pytest.raises(exc.PyAirbyteSecretNotFoundError):
        SecretHandle(Vault(), "A").get_value()


def test_the_public_names_are_sorted_and_there() -> None:
    assert secrets.__all__ == sorted(secrets.__all__)
    assert all(hasattr(secrets, name) for name in secrets.__all__)
