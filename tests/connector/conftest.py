from __future__ import annotations

from syncs import lab

__all__ = ["lab"]
