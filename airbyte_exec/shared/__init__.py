"""What sources, caches and destinations share: providers of state and of catalogs, for programs that handle them."""

from __future__ import annotations
