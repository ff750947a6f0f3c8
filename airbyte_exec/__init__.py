"""Run Airbyte connectors and move data between them."""

from __future__ import annotations
