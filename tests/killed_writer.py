"""One sync in a process of its own, so that it can be killed: `python killed_writer.py PLAN.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import airbyte_exec as ab


def main(plan: dict[str, Any]) -> None:
    more = {"docker_options": ab.DockerOptions(**plan["docker"])} if "docker" in plan else {}
    source = ab.get_source("source-mini", **plan["source"], **more, streams="*")
    destination = ab.get_destination(**plan["destination"], **more)
    cache = ab.DuckDBCache(db_path=plan["cache"]) if plan.get("cache") else False
    result = destination.write(
        source,
        cache=cache,
        write_strategy=plan["strategy"],
        options=ab.WriteOptions(check=False, limits=ab.TimeLimits(acknowledge=2, exit=10)),
    )
    sys.stdout.write(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
