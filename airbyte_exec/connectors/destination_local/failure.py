"""What stops this destination, as the protocol says it: a TRACE ERROR with a failure type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from airbyte_exec import exceptions as exc

FailureType: TypeAlias = Literal["config_error", "system_error", "transient_error"]


@dataclass(kw_only=True, eq=False, repr=False)
class DestinationFailure(exc.AirbyteConnectorWriteError):
    """This destination cannot go on.

    Parameters:
        failure_type: `config_error` where the user can mend it, `transient_error` where another try may do.
    """

    connector_name: str | None = "destination-local"
    failure_type: FailureType = "system_error"  # pyright: ignore[reportIncompatibleVariableOverride] - never another

    def said(self) -> str:
        """Return what the user reads: the sentence, and the hint where there is one."""
        return f"{self.get_message()} {self.guidance}" if self.guidance else self.get_message()


def wrong_config(message: str, guidance: str | None = None) -> DestinationFailure:
    """Return a failure that the user can mend in the config or the catalog."""
    return DestinationFailure(message=message, guidance=guidance, failure_type="config_error")
