"""When a failed sync is tried again. Pure: nothing here waits, and nothing is started.

The rules and numbers are the Airbyte platform's. An attempt that committed a state made progress: the next one starts
at once, since it starts elsewhere. One that committed none is a complete failure: the wait before the next one grows.
What only another config can mend is not tried again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from airbyte_exec import exceptions as exc
from airbyte_exec.exceptions import PyAirbyteInputError

_OF_A_RUN = (
    exc.AirbyteConnectorSpecFailedError,
    exc.AirbyteConnectorCheckFailedError,
    exc.AirbyteConnectorDiscoverFailedError,
    exc.AirbyteConnectorMissingSpecError,
    exc.AirbyteConnectorMissingCatalogError,
    exc.AirbyteConnectorReadError,
    exc.AirbyteConnectorWriteError,
    exc.AirbyteConnectorFailedError,
)
"""Errors of a connector that ran: another run of it may go otherwise."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often, and after which waits, a failed sync is tried again. The defaults are the Airbyte platform's.

    Parameters:
        most: attempts after the first one, whatever they bring; None for no limit beside those below.
        failures_in_a_row: the complete failures (no state was committed) in a row after which it is given up.
        failures: the complete failures in all.
        partial_failures: the failures with progress in all.
        backoff: seconds before the attempt after a first complete failure; there is no wait after progress.
        factor: the wait grows by it with each further complete failure in a row.
        longest_backoff: the longest wait, in seconds.

    Raises:
        PyAirbyteInputError: a value is none that this can be.
    """

    most: int | None = None
    failures_in_a_row: int = 5
    failures: int = 10
    partial_failures: int = 20
    backoff: float = 10.0
    factor: float = 3.0
    longest_backoff: float = 1_800.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            least = 0 if item.name in ("most", "backoff") else 1
            whole = item.name not in ("backoff", "factor", "longest_backoff")
            if (value is None and item.name == "most") or (
                isinstance(value, int if whole else (int, float))
                and not isinstance(value, bool)
                and least <= value < math.inf
            ):
                continue

            raise PyAirbyteInputError(
                message=f"{item.name!r} of retries must be a {'whole ' if whole else ''}number from {least} on.",
                input_value=repr(value),
            )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a sync.

    Parameters:
        started_at: seconds since the epoch.
        duration_seconds: from its start to its end.
        processed_records: as in `WriteResult`, of this attempt.
        states_committed: states that were confirmed and saved in it: its progress.
        error: the class of the error that ended it; None where it ended well.
        failure_type: `transient_error`, `system_error` or `config_error`; None where it ended well.
        message: the error's message.
        waited_seconds: the wait before the next attempt; None where none came.
    """

    started_at: float
    duration_seconds: float
    processed_records: int = 0
    states_committed: int = 0
    error: str | None = None
    failure_type: str | None = None
    message: str | None = None
    waited_seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attempt as plain JSON values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class Tries:
    """Counts the failures of one sync, and says whether it is tried again.

    Parameters:
        policy: the limits; None: nothing is tried again.
    """

    def __init__(self, policy: Retries | None) -> None:
        self._policy = policy
        self._partial = 0
        self._complete = 0
        self._in_a_row = 0

    def wait_after(self, error: exc.AirbyteConnectorError, *, states_committed: int) -> float | None:
        """Return the seconds before the next attempt; None where there is none.

        Parameters:
            error: what ended the attempt.
            states_committed: the states that it committed.
        """
        if self._policy is None or not is_worth_a_retry(error):
            return None

        if states_committed:
            self._partial += 1
            self._in_a_row = 0
        else:
            self._complete += 1
            self._in_a_row += 1

        return None if self._is_over(self._policy) else self._backoff(self._policy)

    def _is_over(self, policy: Retries) -> bool:
        if policy.most is not None and self._partial + self._complete > policy.most:
            return True

        return (
            self._in_a_row >= policy.failures_in_a_row
            or self._complete >= policy.failures
            or self._partial >= policy.partial_failures
        )

    def _backoff(self, policy: Retries) -> float:
        if not self._in_a_row:
            return 0.0

        return float(min(policy.longest_backoff, policy.backoff * policy.factor ** (self._in_a_row - 1)))


def is_worth_a_retry(error: exc.AirbyteConnectorError) -> bool:
    """Say whether another attempt may end otherwise: a connector ran, and it does not blame its config."""
    return isinstance(error, _OF_A_RUN) and error.failure_type != "config_error"


def retries_of(told: Retries | int | None) -> Retries | None:
    """Return what `retries` means: a policy, a number of attempts after the first one, or nothing.

    Raises:
        PyAirbyteInputError: it is none of them.
    """
    if told is None or isinstance(told, Retries):
        return told

    if told is True:
        return Retries()

    return Retries(most=told) if told is not False and told != 0 else None
