"""State: what the destination confirmed, and where that is kept. It knows no process and no connector."""

from __future__ import annotations
