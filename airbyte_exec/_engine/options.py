"""What a write can be told beside its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from airbyte_exec._connector.limits import DEFAULT_LIMITS, TimeLimits
from airbyte_exec._connector.options import OnMalformed, SessionOptions, one_of
from airbyte_exec._engine.retry import Retries, retries_of
from airbyte_exec.protocol.codec import MAX_LINE
from airbyte_exec.types import StreamId

if TYPE_CHECKING:
    from airbyte_exec._engine.progress import Progress

OnCountMismatch = Literal["fail", "warn", "off"]

SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


@dataclass(frozen=True, kw_only=True)
class NameMapping:
    """How the destination names the streams. States that come back are understood under their own names.

    Parameters:
        namespace: `source` keeps the source's namespace, `destination` sends none, any other text is the namespace
            itself, in which `${SOURCE_NAMESPACE}` stands for the source's. A blank result sends none.
        prefix: put before each stream's name.
    """

    namespace: str = "source"
    prefix: str = ""

    def apply(self, stream: StreamId) -> StreamId:
        """Return the name that the destination sees."""
        if self.namespace == "source":
            namespace = stream.namespace
        elif self.namespace == "destination":
            namespace = None
        else:
            namespace = self.namespace.replace(SOURCE_NAMESPACE, stream.namespace or "").strip() or None

        return StreamId(self.prefix + stream.name, namespace)


class WriteOverrides(TypedDict, total=False):
    """The fields of `WriteOptions`, as keyword arguments of `write`."""

    limits: TimeLimits
    on_malformed: OnMalformed
    on_count_mismatch: OnCountMismatch
    max_line: int
    environment: frozenset[str] | None
    quarantine_folder: Path | None
    names: NameMapping
    state_key: str | None
    on_progress: Callable[[Progress], None] | None
    check: bool
    retries: Retries | int | None


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """Everything about a write that PyAirbyte's `write` has no argument for.

    Of `limits`, `on_malformed`, `max_line`, `environment` and `quarantine_folder` a connector may have been made with
    its own: those count where this says nothing.

    Parameters:
        limits: time limits.
        on_malformed: what is done with a line of a connector that was meant as a message and cannot be one: the write
            fails, the line is kept in a file (`quarantine`), or it is left out with a warning. The last two lose data.
        on_count_mismatch: what is done where a connector's own counts differ from ours.
        max_line: the longest line that is taken, in bytes.
        environment: the only environment variables that the connectors see; None for all of them.
        quarantine_folder: where malformed lines are kept; None for the folder `quarantine` below that of the logs.
        names: how the destination names the streams.
        state_key: keeps the state under this key instead of the configs' identity: a change of a config keeps it.
        on_progress: called at the start and at each step with the live counters; it must return quickly.
        check: let both connectors check their configs before anything is read.
        retries: what is tried again after a connector failed: a `Retries`, the number of attempts after the first one,
            True for the Airbyte platform's rules, None or 0 for nothing. An attempt goes on from what is committed.
    """

    limits: TimeLimits = DEFAULT_LIMITS
    on_malformed: OnMalformed = "fail"
    on_count_mismatch: OnCountMismatch = "warn"
    max_line: int = MAX_LINE
    environment: frozenset[str] | None = None
    quarantine_folder: Path | None = None
    names: NameMapping = field(default_factory=NameMapping)
    state_key: str | None = None
    on_progress: Callable[[Progress], None] | None = None
    check: bool = True
    retries: Retries | int | None = None

    def __post_init__(self) -> None:
        retries_of(self.retries)
        one_of("on_malformed", self.on_malformed, get_args(OnMalformed))
        one_of("on_count_mismatch", self.on_count_mismatch, get_args(OnCountMismatch))

    @property
    def session(self) -> SessionOptions:
        """The part that a connector's session needs."""
        return SessionOptions(
            limits=self.limits,
            on_malformed=self.on_malformed,
            max_line=self.max_line,
            environment=self.environment,
            quarantine_folder=self.quarantine_folder,
        )


DEFAULT_WRITE_OPTIONS = WriteOptions()


def with_overrides(options: WriteOptions, overrides: Mapping[str, Any]) -> WriteOptions:
    """Return the options with single fields changed.

    Raises:
        TypeError: there is no such field.
    """
    try:
        return replace(options, **overrides)
    except TypeError:
        known = WriteOptions.__dataclass_fields__
        unknown = [name for name in overrides if name not in known]
        raise TypeError(f"write() got an unexpected keyword argument {unknown[0]!r}") from None
