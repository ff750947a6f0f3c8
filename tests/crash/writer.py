"""One sync in a process of its own, so that it can be killed: `python writer.py PLAN.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import airbyte_exec as ab


def main(plan: dict[str, Any]) -> None:
    source = ab.get_source("source-mini", plan["source"], local_executable=plan["executable"], streams="*")
    destination = ab.get_destination("destination-local", {"path": plan["rows"]})
    cache = ab.DuckDBCache(db_path=plan["cache"]) if plan["cached"] else False
    result = destination.write(
        source,
        cache=cache,
        write_strategy=plan["strategy"],
        options=ab.WriteOptions(check=False, limits=ab.TimeLimits(acknowledge=2, exit=10)),
    )
    sys.stdout.write(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
