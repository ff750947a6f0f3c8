"""What a child can do to us that is no `OSError`: it stops reading, or its exit status is taken by someone else."""

from __future__ import annotations

from dataclasses import dataclass

from airbyte_exec.exceptions import AirbyteSubprocessError


@dataclass(kw_only=True, eq=False, repr=False)
class LaunchFailedError(AirbyteSubprocessError):
    """The child ended before it became the program that was asked for."""


@dataclass(kw_only=True, eq=False, repr=False)
class StdinClosed(AirbyteSubprocessError):  # noqa: N818 - the name is part of the seams; it reads as the fact it states
    """The child does not read its stdin any more: it closed it, or it exited."""


@dataclass(kw_only=True, eq=False, repr=False)
class ExitStatusLost(AirbyteSubprocessError):  # noqa: N818 - as above
    """The child has ended, and another part of this process took its exit status: whether it succeeded is unknown."""
