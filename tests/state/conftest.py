from __future__ import annotations

from hypothesis import settings
from syncs import lab

__all__ = ["lab"]

settings.register_profile("patient", deadline=None)  # a machine that is busy is not a fault
settings.load_profile("patient")
