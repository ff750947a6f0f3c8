"""What a secret is, and where secrets come from."""

from __future__ import annotations

import json
import logging
import os
from abc import ABC, abstractmethod
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airbyte_exec import exceptions as exc

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

logger = logging.getLogger(__name__)


class SecretSourceEnum(StrEnum):
    """The names of well-known sources of secrets. The Google ones are asked once their manager is registered."""

    ENV = "env"
    DOTENV = "dotenv"
    GOOGLE_COLAB = "google_colab"
    GOOGLE_GSM = "google_gsm"
    PROMPT = "prompt"


class SecretString(str):
    """A string that does not show itself in a `repr`, so also not in the `repr` of what holds it.

    `str()`, formatting and JSON give the value. It is always true, so that a test for it tells nothing.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<SecretString: ****>"

    def __bool__(self) -> bool:
        return True

    def is_empty(self) -> bool:
        """Return whether the secret is the empty string."""
        return len(self) == 0

    def is_json(self) -> bool:
        """Return whether the secret is a JSON document."""
        try:
            json.loads(self)
        except (ValueError, RecursionError):
            return False

        return True

    def parse_json(self) -> dict[str, Any]:
        """Return the secret's JSON document.

        Raises:
            PyAirbyteInputError: it is none; the message does not hold the secret.
        """
        try:
            return cast("dict[str, Any]", json.loads(self))
        except json.JSONDecodeError as error:
            raise exc.PyAirbyteInputError(
                message="The secret is no JSON document.",
                context={"reason": error.msg, "position": error.pos, "length": len(self)},
            ) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source_type: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let a pydantic model take a string for a secret."""
        from pydantic_core import core_schema

        del source_type
        return core_schema.no_info_after_validator_function(cls, handler(str))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say in a JSON Schema that the value is sensitive."""
        del schema, handler
        return {"type": "string", "format": "password", "writeOnly": True}


class SecretManager(ABC):
    """A source of secrets.

    Equal to another one, to a string and to a `SecretSourceEnum` by its name, which is the class's where it sets none.
    """

    name: str
    replace_existing = False
    as_backup = False

    def __init__(self) -> None:
        if not hasattr(self, "name"):
            self.name = type(self).__name__

    @abstractmethod
    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return a secret, or None where this source has none of that name."""

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SecretManager):
            return self.name == other.name

        return self.name == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)


class SecretHandle:
    """A secret that is fetched when it is asked for.

    Parameters:
        parent: the source that has it.
        secret_name: its name there.
    """

    def __init__(self, parent: SecretManager, secret_name: str) -> None:
        self.parent = parent
        self.secret_name = secret_name

    def get_value(self) -> SecretString:
        """Return the secret.

        Raises:
            PyAirbyteSecretNotFoundError: the source has it no more.
        """
        value = self.parent.get_secret(self.secret_name)

        if value is None:
            raise exc.PyAirbyteSecretNotFoundError(secret_name=self.secret_name, sources=[str(self.parent)])

        return value

    def parse_json(self) -> dict[str, Any]:
        """Return the secret's JSON document.

        Raises:
            PyAirbyteInputError: it is none.
            PyAirbyteSecretNotFoundError: the source has it no more.
        """
        return self.get_value().parse_json()

    def write_to_file(self, file_path: Path, /, *, silent: bool = False) -> None:
        """Write the secret to a file that nobody but this user can read.

        Parameters:
            file_path: the file; one that exists is replaced.
            silent: do not log that it was written.
        """
        value = self.get_value()
        draft = file_path.with_name(f".{file_path.name}.{os.getpid()}")

        # Made anew with the narrow mode: the mode of an old file would stay.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(value)

        draft.replace(file_path)

        if not silent:
            logger.info("Wrote the secret %s to %s", self.secret_name.rpartition("/")[2], file_path.absolute())
