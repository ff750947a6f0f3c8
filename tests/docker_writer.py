"""One sync of two images in a process of its own, so that it can be killed: `python docker_writer.py PLAN.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import airbyte_exec as ab


def main(plan: dict[str, Any]) -> None:
    options = ab.DockerOptions(**plan["options"])
    source = ab.get_source(
        "source-mini", plan["source"], docker_image=plan["images"][0], docker_options=options, streams="*"
    )
    destination = ab.get_destination(
        "destination-mini", plan["destination"], docker_image=plan["images"][1], docker_options=options
    )
    result = destination.write(
        source,
        cache=False,
        write_strategy=plan["strategy"],
        options=ab.WriteOptions(check=False, limits=ab.TimeLimits(acknowledge=2, exit=10)),
    )
    sys.stdout.write(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
