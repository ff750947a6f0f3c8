"""What an error means to whoever typed the command: whose fault it is, the text, the data, the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.cli._arguments import UsageError

FAILED, WRONG_USAGE = 1, 2

_WRONG_USAGE = (
    exc.PyAirbyteInputError,
    exc.PyAirbyteSecretNotFoundError,
    exc.AirbyteStreamNotFoundError,
    exc.AirbyteStateNotFoundError,
    exc.AirbyteConnectorValidationFailedError,
    exc.AirbyteConnectorConfigurationMissingError,
    exc.AirbyteConnectorExecutableNotFoundError,
    exc.AirbyteConnectorNotRegisteredError,
    exc.AirbyteConnectorNotPyPiPublishedError,
)


def exit_code(error: Exception) -> int:
    """Return 2 for what another command line or config would mend, else 1."""
    return WRONG_USAGE if isinstance(error, _WRONG_USAGE) else FAILED


def headline(error: Exception, roles: Mapping[str, str]) -> str:
    """Say in one line whose fault it is.

    Parameters:
        error: what ended the run.
        roles: what each connector is, by name.
    """
    if isinstance(error, exc.AirbyteConnectorInstallationError):
        return f"{error.connector_name or 'A connector'} could not be installed."

    if isinstance(error, exc.AirbyteConnectorRegistryError):
        return "The connector is not known."

    if isinstance(error, _WRONG_USAGE):
        return "This cannot be done as it was asked for."

    if isinstance(error, exc.AirbyteConnectorError):
        name = error.connector_name or "a connector"
        role = roles.get(name) or ("source" if isinstance(error, exc.AirbyteConnectorReadError) else "connector")
        return f"The {role} {name} failed."

    if isinstance(error, exc.PyAirbyteStateInUseError):
        return "Another run works on the same source and destination."

    if isinstance(error, exc.PyAirbyteStateError):
        return "The saved state cannot be used."

    if isinstance(error, exc.PyAirbyteCacheError):
        return "The cache failed."

    if isinstance(error, exc.PyAirbyteError) and not isinstance(error, exc.PyAirbyteInternalError):
        return "The run failed."

    if isinstance(error, OSError):
        return "This machine refused something."

    return "airbyte-exec itself is at fault: please report this, with what --debug prints."


def text_of(error: Exception) -> str:
    """Return all that the error says of itself."""
    if isinstance(error, exc.PyAirbyteError | OSError):
        return str(error)

    return f"{type(error).__name__}: {error}"


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as plain JSON values; `result` is what was done before it."""
    told: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, UsageError):
        told["class"] = "PyAirbyteInputError"
    elif isinstance(error, exc.PyAirbyteError):
        log_file = None if error.log_file is None else str(error.log_file)
        told |= {"message": error.get_message(), "hint": error.guidance, "log_file": log_file}
        if error.context:
            told["context"] = {str(name): str(value) for name, value in error.context.items()}

    if isinstance(error, exc.AirbyteConnectorError):
        told |= {
            "connector": error.connector_name,
            "stream": error.stream_name,
            "exit_code": error.exit_code,
            "failure_type": error.failure_type,
            "trace_messages": list(error.trace_messages),
            "stderr_tail": list(error.stderr_tail),
            "result": error.result.to_dict() if hasattr(error.result, "to_dict") else None,
        }

    for name in ("available_streams", "input_value", "holder_pid", "holder_host", "holder_seconds"):
        if (value := getattr(error, name, None)) not in (None, "", []):
            told[name] = value

    return told
