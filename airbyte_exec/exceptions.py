"""Every exception and warning of the package. This module imports nothing of ours.

    PyAirbyteError
    ├── PyAirbyteInternalError                      a bug of this package
    ├── PyAirbyteInputError (ValueError)            the caller's arguments or config
    │   └── PyAirbyteNoStreamsSelectedError
    ├── PyAirbyteNameNormalizationError (ValueError)
    ├── PyAirbyteCacheError
    │   ├── PyAirbyteCacheTableValidationError
    │   └── AirbyteConnectorConfigurationMissingError
    ├── PyAirbyteStateError                         a state document that cannot be read or stored
    │   └── PyAirbyteStateInUseError                another run works on the same source and destination
    ├── PyAirbyteSecretNotFoundError
    ├── AirbyteSubprocessError
    │   └── AirbyteSubprocessFailedError
    ├── AirbyteConnectorRegistryError
    │   ├── AirbyteConnectorNotRegisteredError
    │   └── AirbyteConnectorNotPyPiPublishedError
    └── AirbyteConnectorError                       one connector is at fault: it is named
        ├── AirbyteConnectorExecutableNotFoundError
        ├── AirbyteConnectorInstallationError
        ├── AirbyteConnectorSpecFailedError         `spec`
        ├── AirbyteConnectorCheckFailedError        `check` said FAILED, or could not be run
        ├── AirbyteConnectorDiscoverFailedError     `discover`
        ├── AirbyteConnectorReadError               the source failed while it was read
        ├── AirbyteConnectorWriteError              the destination failed while it was written to
        ├── AirbyteConnectorFailedError             a connector failed in another place
        ├── AirbyteConnectorMissingSpecError
        ├── AirbyteConnectorMissingCatalogError
        ├── AirbyteNoDataFromConnectorError
        ├── AirbyteConnectorValidationFailedError   a config does not fit the connector's spec
        ├── AirbyteStreamNotFoundError
        └── AirbyteStateNotFoundError (KeyError)

    PyAirbyteWarning (UserWarning)
    └── PyAirbyteDataLossWarning
    AirbyteExperimentalFeatureWarning (FutureWarning)

An error is data: its fields are for programs, and `str()` says all of them for people. Secrets are masked by whoever
fills the fields; nothing here looks at a config.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from textwrap import indent
from typing import Any

_HEAD = frozenset({"message", "guidance", "help_url", "context", "log_text", "log_file", "original_exception"})
_UNSAID = frozenset({"print_full_log", "result", "stderr_tail", "trace_messages", "failure_type"})
_STDERR_LINES_SHOWN = 20


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteError(Exception):
    """Something went wrong.

    Parameters:
        message: what happened, in one sentence; the class's own sentence where it is left out.
        guidance: a hint at what to do about it.
        help_url: a page that tells more.
        log_text: the lines of a log that belong to it.
        log_file: where the whole log lies.
        print_full_log: kept for callers of PyAirbyte; the text of a log file is never put into an exception.
        context: further names and values, said after the message.
        original_exception: the cause, where `raise … from` cannot carry it.
    """

    guidance: str | None = None
    help_url: str | None = None
    log_text: str | list[str] | None = None
    log_file: Path | None = None
    print_full_log: bool = False
    context: dict[str, Any] | None = None
    message: str | None = None
    original_exception: BaseException | None = None

    def get_message(self) -> str:
        """Return the message, or the first line of the class's docstring."""
        return self.message or (self.__doc__ or type(self).__name__).partition("\n")[0]

    def __str__(self) -> str:
        lines = [self.get_message()]
        lines += [f"    {_in_words(name)}: {value}" for name, value in self._details()]

        if self.log_text:
            text = self.log_text if isinstance(self.log_text, str) else "\n".join(self.log_text)
            lines.append("    Log output:\n" + indent(text, "        "))

        if self.original_exception is not None:
            lines.append(f"    Caused by: {self.original_exception}")

        if self.log_file is not None:
            lines.append(f"    Log file: {self.log_file}")

        if self.guidance:
            lines.append(f"    Hint: {self.guidance}")

        if self.help_url:
            lines.append(f"    More: {self.help_url}")

        return "\n".join(lines)

    def _details(self) -> list[tuple[str, Any]]:
        own = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name not in _HEAD | _UNSAID]
        return [(name, value) for name, value in [*own, *(self.context or {}).items()] if value not in (None, [], ())]

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._details())
        return f"{type(self).__name__}({self.get_message()!r}{', ' + said if said else ''})"

    def safe_logging_dict(self) -> dict[str, Any]:
        """Return the fields that hold no data of a user: class, message, connector, stream, exit code."""
        safe = ("connector_name", "stream_name", "violation", "exit_code")
        found = {name: getattr(self, name) for name in safe if hasattr(self, name)}
        return {"class": type(self).__name__, "message": self.get_message(), **found}


def _in_words(name: str) -> str:
    """Return the name of a field in words; what is no such name (a path in a config) stays as it is."""
    return name.replace("_", " ").capitalize() if name.isidentifier() and name.islower() else name


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteInternalError(PyAirbyteError):
    """This package did something wrong: please report it."""


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteInputError(PyAirbyteError, ValueError):
    """The input is not valid."""

    input_value: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteNoStreamsSelectedError(PyAirbyteInputError):
    """No streams are selected."""

    connector_name: str | None = None
    available_streams: list[str] | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteNameNormalizationError(PyAirbyteError, ValueError):
    """A name cannot be turned into the name of a table or column."""

    raw_name: str | None = None
    normalization_result: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteCacheError(PyAirbyteError):
    """The cache failed."""


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteCacheTableValidationError(PyAirbyteCacheError):
    """A table of the cache is not as it should be."""

    violation: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorConfigurationMissingError(PyAirbyteCacheError):
    """The connector has no config yet."""

    connector_name: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteStateError(PyAirbyteError):
    """Saved state cannot be read or stored."""


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteStateInUseError(PyAirbyteStateError):
    """Another run works on this source and this destination.

    Parameters:
        holder_pid: its process; None where that cannot be told.
        holder_host: the machine of that process.
        holder_seconds: for how long it has been running.
        lock_file: the file that is locked.
    """

    holder_pid: int | None = None
    holder_host: str | None = None
    holder_seconds: float | None = None
    lock_file: Path | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class PyAirbyteSecretNotFoundError(PyAirbyteError):
    """The secret was not found."""

    secret_name: str | None = None
    sources: list[str] | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteSubprocessError(PyAirbyteError):
    """A child process failed."""

    run_args: list[str] | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteSubprocessFailedError(AirbyteSubprocessError):
    """A child process ended with an exit code that is not 0."""

    exit_code: int | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorRegistryError(PyAirbyteError):
    """The connector registry cannot be read."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorNotRegisteredError(AirbyteConnectorRegistryError):
    """The connector is not in the registry."""

    connector_name: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorNotPyPiPublishedError(AirbyteConnectorRegistryError):
    """The connector is in the registry, but not published on PyPI."""

    connector_name: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorError(PyAirbyteError):
    """A connector failed.

    Parameters:
        connector_name: which one.
        exit_code: its exit code; negative for a signal, as in `subprocess`; None while it runs or never ran.
        failure_type: `config_error` (only another config can mend it), `transient_error` or `system_error`, by what its
            TRACE ERROR messages say; None where it never ran.
        trace_messages: the texts of its TRACE ERROR messages, in order.
        stderr_tail: its last lines on stderr.
        stream_name: the stream that is at fault, where one is known.
        result: what was done before the failure (a `WriteResult` or `ReadResult`), where there is any.
    """

    connector_name: str | None = None
    stream_name: str | None = None
    exit_code: int | None = None
    failure_type: str | None = None
    trace_messages: list[str] = field(default_factory=list)
    stderr_tail: list[str] = field(default_factory=list)
    result: Any = None

    def __str__(self) -> str:
        lines = [super().__str__()]
        lines += [f"    It said: {text}" for text in self.trace_messages]

        if self.stderr_tail:
            lines.append("    Its last lines on stderr:")
            lines += [f"        {line}" for line in self.stderr_tail[-_STDERR_LINES_SHOWN:]]

        if self.result is not None:
            lines.append(f"    Done before the failure: {self.result}")

        return "\n".join(lines)


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorExecutableNotFoundError(AirbyteConnectorError):
    """The connector's executable was not found."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorInstallationError(AirbyteConnectorError):
    """The connector could not be installed."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorReadError(AirbyteConnectorError):
    """The source failed while it was read."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorWriteError(AirbyteConnectorError):
    """The destination failed while it was written to."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorSpecFailedError(AirbyteConnectorError):
    """The connector's `spec` failed."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorDiscoverFailedError(AirbyteConnectorError):
    """The connector's `discover` failed."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteNoDataFromConnectorError(AirbyteConnectorError):
    """The connector sent no data."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorMissingCatalogError(AirbyteConnectorError):
    """The connector sent no catalog."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorMissingSpecError(AirbyteConnectorError):
    """The connector sent no spec."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorValidationFailedError(AirbyteConnectorError):
    """The config does not fit the connector's spec."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorCheckFailedError(AirbyteConnectorError):
    """The connector's `check` failed."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteConnectorFailedError(AirbyteConnectorError):
    """The connector failed."""


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteStreamNotFoundError(AirbyteConnectorError):
    """The stream was not found."""

    available_streams: list[str] | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class AirbyteStateNotFoundError(AirbyteConnectorError, KeyError):
    """The state was not found."""

    available_streams: list[str] | None = None


class PyAirbyteWarning(UserWarning):
    """Something is probably not as the user wants it."""


class PyAirbyteDataLossWarning(PyAirbyteWarning):
    """Data may be lost."""


class AirbyteExperimentalFeatureWarning(FutureWarning):
    """A feature that may still change."""
