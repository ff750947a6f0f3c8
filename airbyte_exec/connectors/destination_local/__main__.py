"""Run the connector: `python -m airbyte_exec.connectors.destination_local`."""

from __future__ import annotations

import sys

from airbyte_exec.connectors.destination_local.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
