"""Secrets that Google keeps: those of a Colab notebook, and those of its Secret Manager.

manager = GoogleGSMSecretManager("my-project")
config = manager.fetch_connector_secret("source-github").parse_json()
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.secrets.base import SecretHandle, SecretManager, SecretSourceEnum, SecretString
from airbyte_exec.secrets.custom import CustomSecretManager

logger = logging.getLogger(__name__)


class ColabSecretManager(SecretManager):
    """The secrets that the user of a Google Colab notebook has entered there. It has none anywhere else."""

    name = SecretSourceEnum.GOOGLE_COLAB.value

    def __init__(self) -> None:
        super().__init__()
        try:
            self._secrets: Any = import_module("google.colab.userdata")
        except ImportError:
            self._secrets = None

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return a secret, or None where there is none of that name, or the notebook may not read it."""
        if self._secrets is None:
            return None

        try:
            return SecretString(self._secrets.get(secret_name))
        except self._secrets.SecretNotFoundError:
            return None
        except self._secrets.NotebookAccessError:
            logger.warning("The notebook is not allowed to read the secret %s.", secret_name)
            return None


class GSMSecretHandle(SecretHandle):
    """A secret of Google Secret Manager that is fetched when it is asked for."""

    parent: GoogleGSMSecretManager

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that it has there."""
        name = self.secret_name.partition("/versions/")[0]
        return dict(self.parent.secret_client.get_secret(name=name).labels)


class GoogleGSMSecretManager(CustomSecretManager):
    """Google Secret Manager. This needs the extra `gsm`.

    Without credentials among the arguments, those of the file are taken that `GOOGLE_APPLICATION_CREDENTIALS` names, or
    those that are in `GCP_GSM_CREDENTIALS`.

    Parameters:
        project: the project on Google Cloud.
        credentials_path: a file with the JSON of a service account.
        credentials_json: that JSON itself.
        auto_register: let `get_secret` ask this manager.
        as_backup: let it be asked last.

    Raises:
        PyAirbyteInputError: there are no credentials, or two, or the extra is not installed.
    """

    name = SecretSourceEnum.GOOGLE_GSM.value
    auto_register = False
    CONNECTOR_LABEL = "connector"
    """The label that says which connector a secret is the config of."""

    def __init__(
        self,
        project: str,
        *,
        credentials_path: str | Path | None = None,
        credentials_json: str | SecretString | None = None,
        auto_register: bool = False,
        as_backup: bool = False,
    ) -> None:
        if credentials_path and credentials_json:
            raise exc.PyAirbyteInputError(message="Give `credentials_path` or `credentials_json`, not both.")

        self.project = project
        account = _account(credentials_path, credentials_json)
        self.secret_client: Any = _client_library().SecretManagerServiceClient.from_service_account_info(account)
        self.auto_register = auto_register
        self.as_backup = as_backup
        super().__init__()

    def get_secret(self, secret_name: str) -> SecretString | None:
        """Return the latest version of a secret (or the one that the name says), or None where there is none."""
        missing = import_module("google.api_core.exceptions").NotFound
        try:
            found = self.secret_client.access_secret_version(name=self._full_name(secret_name))
        except missing:
            return None

        return SecretString(found.payload.data.decode("utf-8"))

    def get_secret_handle(self, secret_name: str) -> GSMSecretHandle:
        """Return a secret that is fetched when it is asked for."""
        return GSMSecretHandle(self, self._full_name(secret_name))

    def fetch_secrets(self, *, filter_string: str) -> Iterator[GSMSecretHandle]:
        """Yield the secrets that a filter of Google's lets pass, such as `labels.connector=source-github`."""
        request = {"parent": f"projects/{self.project}", "filter": filter_string}
        for secret in self.secret_client.list_secrets(request=request):
            yield self.get_secret_handle(secret.name)

    def fetch_secrets_by_label(self, label_key: str, label_value: str) -> Iterator[GSMSecretHandle]:
        """Yield the secrets that have a label."""
        return self.fetch_secrets(filter_string=f"labels.{label_key}={label_value}")

    def fetch_connector_secrets(self, connector_name: str) -> Iterator[GSMSecretHandle]:
        """Yield the secrets that are labelled as a connector's."""
        return self.fetch_secrets_by_label(self.CONNECTOR_LABEL, connector_name)

    def fetch_connector_secret(self, connector_name: str) -> GSMSecretHandle:
        """Return the first secret that is labelled as a connector's.

        Raises:
            PyAirbyteSecretNotFoundError: there is none.
        """
        for handle in self.fetch_connector_secrets(connector_name):
            return handle

        raise exc.PyAirbyteSecretNotFoundError(
            secret_name=f"{self.CONNECTOR_LABEL}={connector_name}",
            sources=[str(self)],
            guidance=f"Is the secret in the project {self.project}, and labelled so?",
        )

    def _full_name(self, name: str) -> str:
        full = name if name.startswith("projects/") else f"projects/{self.project}/secrets/{name}"
        return full if "/versions/" in full else f"{full}/versions/latest"


def _account(path: str | Path | None, text: str | None) -> dict[str, Any]:
    """Return a service account; no error shows any of it."""
    if path is None and text is None:
        path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        text = None if path else os.environ.get("GCP_GSM_CREDENTIALS")

    if path:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise exc.PyAirbyteInputError(message=f"The credentials cannot be read: {error}.") from error

    if not text:
        raise exc.PyAirbyteInputError(
            message="There are no credentials for Google Secret Manager.",
            guidance="Give `credentials_path` or `credentials_json`, or set GOOGLE_APPLICATION_CREDENTIALS.",
        )

    return SecretString(text).parse_json()


def _client_library() -> Any:
    try:
        return import_module("google.cloud.secretmanager_v1")
    except ImportError as error:
        raise exc.PyAirbyteInputError(
            message="This needs google-cloud-secret-manager, which is not installed.",
            guidance="Install it with `pip install 'airbyte-exec[gsm]'`.",
        ) from error
