"""What can be written to: a destination, or a cache."""

from __future__ import annotations

import abc


class AirbyteWriterInterface(abc.ABC):
    """Something that takes records: it has a name, and a digest of its config."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name under which its state is kept."""

    @property
    @abc.abstractmethod
    def config_hash(self) -> str | None:
        """A digest of its config; None without one."""
