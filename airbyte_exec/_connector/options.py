"""How connectors are run: what a connector was made with, and what one sync says beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from airbyte_exec import logs
from airbyte_exec._connector.limits import DEFAULT_LIMITS, TimeLimits
from airbyte_exec.exceptions import PyAirbyteInputError
from airbyte_exec.protocol.codec import MAX_LINE

OnMalformed = Literal["fail", "quarantine", "warn"]


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is none of the allowed ones.

    Raises:
        PyAirbyteInputError: it is none of them.
    """
    if value not in allowed:
        raise PyAirbyteInputError(
            message=f"{name} must be one of {', '.join(map(repr, allowed))}.", input_value=repr(value)
        )


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How a connector is run.

    Parameters:
        limits: time limits.
        on_malformed: what is done with a line that was meant as a message and cannot be one.
        max_line: the longest line that is taken, in bytes.
        environment: the only variables of ours that the connector sees; None for all of them.
        quarantine_folder: where malformed lines are kept (`on_malformed="quarantine"`); None for the folder
            `quarantine` below that of the logs.
    """

    limits: TimeLimits = DEFAULT_LIMITS
    on_malformed: OnMalformed = "fail"
    max_line: int = MAX_LINE
    environment: frozenset[str] | None = None
    quarantine_folder: Path | None = None

    def __post_init__(self) -> None:
        one_of("on_malformed", self.on_malformed, get_args(OnMalformed))

    def over(self, own: SessionOptions) -> SessionOptions:
        """Return these options, and what `own` says where these say nothing."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        silent = [name for name, value in told.items() if value == getattr(DEFAULT_OPTIONS, name)]
        return SessionOptions(**{**told, **{name: getattr(own, name) for name in silent}})

    @property
    def quarantine(self) -> Path:
        """The folder for malformed lines."""
        return self.quarantine_folder or logs.get_logging_root() / "quarantine"


DEFAULT_OPTIONS = SessionOptions()

_of_this_sync: ContextVar[SessionOptions] = ContextVar("options of this sync", default=DEFAULT_OPTIONS)


@contextmanager
def running_with(options: SessionOptions) -> Iterator[None]:
    """Let every command that is run in the block, of any connector, be run with these options.

    A sync asks connectors for their specs, lets them check and discover, and all of that at times that nobody can
    foresee: a connector that changes its config is asked anew.
    """
    from airbyte_exec._process import kept_guardian  # not before something is run

    token = _of_this_sync.set(options)
    try:
        with kept_guardian():
            yield
    finally:
        _of_this_sync.reset(token)


def effective(own: SessionOptions) -> SessionOptions:
    """Return how a connector that was made with these options is run now."""
    return _of_this_sync.get().over(own)
