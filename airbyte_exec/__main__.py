"""`python -m airbyte_exec`: the same as the command `airbyte-exec`."""

from __future__ import annotations

import sys

from airbyte_exec.cli import main

if __name__ == "__main__":
    sys.exit(main())
